package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

const (
	minRSABits = 2048
	maxRSABits = 8192 // a larger modulus is a way to burn our processor with each bad signature
)

// Key is one public signature key.
type Key struct {
	ID  string // kid, "" when the set gives none
	Alg string // the only algorithm it may be used with, "" when the set does not say

	public crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// NewKey takes a public key for signatures. An empty id becomes the thumbprint; alg may be empty.
func NewKey(public crypto.PublicKey, id, alg string) (Key, error) {
	if err := checkPublic(public); err != nil {
		return Key{}, err
	}
	k := Key{ID: id, Alg: alg, public: public}
	if alg != "" && !k.does(alg) {
		return Key{}, fmt.Errorf("a %T cannot do %s", public, quoteShort(alg))
	}
	if id == "" {
		thumbprint, err := k.Thumbprint()
		if err != nil {
			return Key{}, err
		}
		k.ID = thumbprint
	}
	return k, nil
}

// Public returns the key itself: *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
func (k Key) Public() crypto.PublicKey { return k.public }

// Thumbprint is the SHA-256 thumbprint of RFC 7638 in base64url.
func (k Key) Thumbprint() (string, error) {
	sum, err := (&jose.JSONWebKey{Key: k.public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("key thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// MarshalJSON is the key as a JWK for signatures (RFC 7517).
func (k Key) MarshalJSON() ([]byte, error) {
	return jose.JSONWebKey{Key: k.public, KeyID: k.ID, Algorithm: k.Alg, Use: "sig"}.MarshalJSON()
}

// does reports whether the key's type, and for curves its curve, is the one of alg (RFC 7518 §3.1, RFC 8037 §3.1).
func (k Key) does(alg string) bool {
	switch alg {
	case RS256, RS384, RS512, PS256, PS384, PS512:
		_, ok := k.public.(*rsa.PublicKey)
		return ok
	case ES256:
		return k.on(elliptic.P256())
	case ES384:
		return k.on(elliptic.P384())
	case ES512:
		return k.on(elliptic.P521())
	case EdDSA:
		_, ok := k.public.(ed25519.PublicKey)
		return ok
	default:
		return false
	}
}

func (k Key) on(curve elliptic.Curve) bool {
	public, ok := k.public.(*ecdsa.PublicKey)
	return ok && public.Curve == curve
}

func checkPublic(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("RSA key of %d bits, want %d to %d", bits, minRSABits, maxRSABits)
		}
		if k.E < 3 || k.E&1 == 0 || k.N.Bit(0) == 0 {
			return errors.New("RSA key with an impossible modulus or exponent")
		}
		return nil
	case *ecdsa.PublicKey:
		_, err := k.ECDH() // refuses a point off the curve, and curves we do not use
		return err
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return errors.New("an Ed25519 key of the wrong size")
		}
		return nil
	default:
		return fmt.Errorf("%T is no public signature key", public)
	}
}

// Set is a set of public signature keys. The zero value is empty and verifies nothing.
type Set struct {
	keys []Key
}

// NewSet makes a set of keys, in order.
func NewSet(keys ...Key) Set { return Set{keys: append([]Key(nil), keys...)} }

// Len is the number of keys.
func (s Set) Len() int { return len(s.keys) }

// Keys returns a copy of the keys in order.
func (s Set) Keys() []Key { return append([]Key(nil), s.keys...) }

// HasID reports whether a key of the set is called kid.
func (s Set) HasID(kid string) bool {
	for _, k := range s.keys {
		if k.ID == kid {
			return true
		}
	}
	return false
}

// Fitting returns the keys a token with this header may have been signed with, at most eight: those of its kid, or all when it names none, whose
// type and algorithm are the header's.
func (s Set) Fitting(h Header) []Key {
	var fitting []Key
	for _, k := range s.keys {
		if h.KeyID != "" && k.ID != h.KeyID || k.Alg != "" && k.Alg != h.Alg || !k.does(h.Alg) {
			continue
		}
		fitting = append(fitting, k)
		if len(fitting) == maxTries {
			break
		}
	}
	return fitting
}

// MarshalJSON is the set as a JWK Set (RFC 7517 §5).
func (s Set) MarshalJSON() ([]byte, error) {
	keys := s.keys
	if keys == nil {
		keys = []Key{}
	}
	return json.Marshal(struct {
		Keys []Key `json:"keys"`
	}{keys})
}
