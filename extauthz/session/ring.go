package session

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Purpose says what a key is for. A value sealed for one purpose opens for no other.
type Purpose string

// The purposes.
const (
	ForCookie    Purpose = "cookie"    // the session cookie
	ForState     Purpose = "state"     // attempts, the flow cookie, sign-out state
	ForAssertion Purpose = "assertion" // ES256 key of x-sso-assertion; Material is PKCS #8
)

// Key is one row of the key ring. The newest key whose ActiveFrom has passed seals; every key of the ring opens, so
// that rotation signs nobody out. A key that is gone from the ring opens nothing.
type Key struct {
	ID         string // eight base32 letters
	Purpose    Purpose
	Material   secret.Text
	Created    time.Time
	ActiveFrom time.Time // published and accepted before, sealing from then on
}

// NewKey draws a sealing key of 32 random bytes.
func NewKey(p Purpose, created, activeFrom time.Time) Key {
	return Key{ID: tenant.RandomName()[:8], Purpose: p, Material: secret.New(string(secret.RandomKey())), Created: created, ActiveFrom: activeFrom}
}

// ErrOpen reports a sealed value that this ring does not open: changed, of another purpose or host, or of a key that is gone.
var ErrOpen = errors.New("sealed value does not open")

// ErrNoKey reports a purpose without an active key.
var ErrNoKey = errors.New("no active key")

// maxSealed bounds what Open looks at: the longest honest value is a state of some 1,500 characters.
const maxSealed = 4096

// Ring is the set of keys in force, swapped as a whole. The zero value has no keys: it seals nothing and opens nothing.
type Ring struct {
	Now  func() time.Time
	keys atomic.Pointer[[]ringKey]
}

type ringKey struct {
	Key
	aead cipher.AEAD // nil for assertion keys
}

// Set replaces the keys. On an error the ring keeps those it had.
func (r *Ring) Set(keys []Key) error {
	next := make([]ringKey, 0, len(keys))
	for i, k := range keys {
		if err := fit(k, keys[:i]); err != nil {
			return err
		}
		rk := ringKey{Key: k}
		if k.Purpose != ForAssertion {
			sealing, err := derive(k, "seal")
			if err != nil {
				return err
			}
			if rk.aead, err = secret.AEAD(sealing); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
		}
		next = append(next, rk)
	}
	slices.SortStableFunc(next, func(a, b ringKey) int { return b.ActiveFrom.Compare(a.ActiveFrom) })
	r.keys.Store(&next)
	return nil
}

// fit refuses what would seal badly: HKDF makes a key of anything, also of nothing, which everyone knows.
func fit(k Key, before []Key) error {
	switch {
	case k.ID == "" || strings.ContainsRune(k.ID, '.'):
		return fmt.Errorf("key id %q: want letters and digits", k.ID)
	case k.Purpose != ForAssertion && len(k.Material.Reveal()) < secret.KeySize:
		return fmt.Errorf("key %s: %d bytes of material, want %d", k.ID, len(k.Material.Reveal()), secret.KeySize)
	case slices.ContainsFunc(before, func(o Key) bool { return o.ID == k.ID && o.Purpose == k.Purpose }):
		return fmt.Errorf("key %s is in the ring twice", k.ID)
	}
	return nil
}

func derive(k Key, label string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, []byte(k.Material.Reveal()), nil, "ssogate "+string(k.Purpose)+" "+label, secret.KeySize)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.ID, err)
	}
	return key, nil
}

func (r *Ring) all() []ringKey {
	if p := r.keys.Load(); p != nil {
		return *p
	}
	return nil
}

func (r *Ring) active(p Purpose) (ringKey, error) {
	now := r.Now()
	for _, k := range r.all() {
		if k.Purpose == p && !k.ActiveFrom.After(now) {
			return k, nil
		}
	}
	return ringKey{}, fmt.Errorf("%w for %s: run ssogate keys rotate", ErrNoKey, p)
}

// Active returns the key that seals or signs for p now.
func (r *Ring) Active(p Purpose) (Key, error) {
	k, err := r.active(p)
	return k.Key, err
}

// Keys returns every key of p, newest first, those not active yet included.
func (r *Ring) Keys(p Purpose) []Key {
	var keys []Key
	for _, k := range r.all() {
		if k.Purpose == p {
			keys = append(keys, k.Key)
		}
	}
	return keys
}

// Seal encrypts plain as v1.<key id>.<base64url>. bound is authenticated, not sent: name and host of a cookie.
func (r *Ring) Seal(p Purpose, bound string, plain []byte) (string, error) {
	k, err := r.active(p)
	if err != nil {
		return "", err
	}
	if k.aead == nil {
		return "", fmt.Errorf("key %s of %s seals nothing", k.ID, p)
	}
	sealed := "v1." + k.ID + "." + base64.RawURLEncoding.EncodeToString(k.aead.Seal(nil, nil, plain, []byte(bound))) //nolint:gosec // this AEAD draws a random nonce for each value
	if len(sealed) > maxSealed {
		return "", fmt.Errorf("sealed value of %d characters would not open again", len(sealed))
	}
	return sealed, nil
}

// Open reverses Seal and names the key that sealed. Whatever is wrong is ErrOpen.
func (r *Ring) Open(p Purpose, bound, sealed string) (plain []byte, keyID string, err error) {
	if len(sealed) > maxSealed {
		return nil, "", ErrOpen
	}
	id, body, ok := strings.Cut(strings.TrimPrefix(sealed, "v1."), ".")
	if !ok || !strings.HasPrefix(sealed, "v1.") {
		return nil, "", ErrOpen
	}
	k, ok := r.find(p, id)
	if !ok || k.aead == nil {
		return nil, "", ErrOpen
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || strings.IndexByte(body, '\n') >= 0 || strings.IndexByte(body, '\r') >= 0 { // the decoder would skip them
		return nil, "", ErrOpen
	}
	plain, err = k.aead.Open(nil, nil, raw, []byte(bound))
	if err != nil {
		return nil, "", ErrOpen
	}
	return plain, id, nil
}

// Derived returns a 32-byte key of its own for label, from key id of p: it lives as long as that key does.
func (r *Ring) Derived(p Purpose, id, label string) ([]byte, error) {
	k, ok := r.find(p, id)
	if !ok {
		return nil, ErrOpen
	}
	return derive(k.Key, label)
}

func (r *Ring) find(p Purpose, id string) (ringKey, bool) {
	for _, k := range r.all() {
		if k.Purpose == p && k.ID == id {
			return k, true
		}
	}
	return ringKey{}, false
}
