// Package secret holds values that must not be printed and seals those that must be stored.
//
// A Text prints as [redacted] through fmt, slog, JSON and text encoders, also when it sits unexported inside
// another struct: fmt calls no methods there, so the bytes live behind a pointer where fmt shows an address.
// A Sealer encrypts with keys derived from the installation's root key. Nothing here reads files or the environment.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const redacted = "[redacted]"

// Text is a secret string. The zero value is empty. Compare with Equal, never with ==.
type Text struct{ p *cell }

// cell hides the string two pointers away: for a verb that does not fit, as in %q of a struct with an unexported
// pointer, fmt follows the first pointer (%!q(*cell=&{…})) and stops at the second.
type cell struct{ s *string }

// New wraps s.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{p: &cell{s: &s}}
}

// Reveal returns the secret itself. Each call is a place to look at in a review.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p.s
}

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.p == nil || *t.p.s == "" }

// Equal compares in constant time for equal lengths.
func (t Text) Equal(o Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(o.Reveal())) == 1
}

// String implements fmt.Stringer without the secret.
func (t Text) String() string { return redacted }

// Format implements fmt.Formatter: every verb prints the same word.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler without the secret.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler without the secret.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue implements slog.LogValuer without the secret.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// KeySize is the length of a root key and of every derived key, in bytes.
const KeySize = 32

// ErrOpen reports a sealed value that was made with another key, for another purpose, or changed since.
var ErrOpen = errors.New("sealed value does not open")

// Sealer encrypts stored secrets with AES-256-GCM under keys derived from one root key (RFC 5869), one key a purpose:
// a value sealed as a client secret does not open as a signing key.
type Sealer struct{ root Text }

// NewSealer takes the installation's root key: KeySize bytes.
func NewSealer(root []byte) (*Sealer, error) {
	if len(root) != KeySize {
		return nil, fmt.Errorf("root key: %d bytes, want %d", len(root), KeySize)
	}
	return &Sealer{root: New(string(root))}, nil
}

// Seal encrypts plain for one purpose. bound is authenticated and not stored: name the row in it, so that a
// sealed value copied to another row does not open there.
func (s *Sealer) Seal(purpose, bound string, plain []byte) ([]byte, error) {
	aead, err := s.aead(purpose)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plain, []byte(bound)), nil //nolint:gosec // this AEAD draws a random nonce for each value
}

// Open reverses Seal. Any difference is ErrOpen.
func (s *Sealer) Open(purpose, bound string, sealed []byte) ([]byte, error) {
	aead, err := s.aead(purpose)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(bound))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

func (s *Sealer) aead(purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(s.root.Reveal()), nil, "ssogate seal "+purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return AEAD(key)
}

// AEAD returns AES-256-GCM over key; it draws its own nonce and puts it in front of what it seals.
func AEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("key: %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// RandomKey returns KeySize fresh random bytes.
func RandomKey() []byte {
	k := make([]byte, KeySize)
	_, _ = rand.Read(k) // never fails: crypto/rand aborts the program instead
	return k
}

// EncodeKey prints a root key as it stands in root.key: base64url on one line.
func EncodeKey(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// ParseKey reads what EncodeKey printed; surrounding white space is allowed, since editors and secret stores add it.
func ParseKey(s string) ([]byte, error) {
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(s), "="))
	if err != nil || len(key) != KeySize {
		return nil, errors.New("root key: want 32 bytes in base64url")
	}
	return key, nil
}
