package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

const (
	// MaxKeySet is the largest key set document read, in bytes.
	MaxKeySet = 1 << 20
	maxKeys   = 100
)

// privateMembers exist only in private or symmetric keys (RFC 7518 §6).
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// ParseJWKS reads a published key set (RFC 7517 §5). A key it cannot use does not spoil the set, it is left out: one of another type or for
// encryption, a symmetric one, an RSA key under 2048 bits, one that carries its private half and is thus everybody's. A set without any usable key is
// empty and no error. A document that is not one JSON object with one reading, or has more than 100 keys, is [ErrKeySet].
func ParseJWKS(data []byte) (Set, error) {
	if len(data) > MaxKeySet {
		return Set{}, fmt.Errorf("%w: larger than %d bytes", ErrKeySet, MaxKeySet)
	}
	object, err := strictObject(data)
	if err != nil {
		return Set{}, fmt.Errorf("%w: %w", ErrKeySet, err)
	}
	list, ok := object["keys"].([]any)
	if !ok {
		return Set{}, fmt.Errorf("%w: no list of keys", ErrKeySet)
	}
	if len(list) > maxKeys {
		return Set{}, fmt.Errorf("%w: %d keys, at most %d", ErrKeySet, len(list), maxKeys)
	}
	var set Set
	for _, item := range list {
		if key, err := parseJWK(item); err == nil {
			set.keys = append(set.keys, key)
		}
	}
	return set, nil
}

func parseJWK(item any) (Key, error) {
	object, ok := item.(map[string]any)
	if !ok {
		return Key{}, errors.New("not an object")
	}
	for _, name := range privateMembers {
		if _, ok := object[name]; ok {
			return Key{}, errors.New("private or symmetric key")
		}
	}
	members := Claims{object: object}
	if err := forSignatures(members); err != nil {
		return Key{}, err
	}
	kid, err := members.String("kid")
	if err != nil {
		return Key{}, err
	}
	alg, err := members.String("alg")
	if err != nil {
		return Key{}, err
	}
	public, err := publicOf(members)
	if err != nil {
		return Key{}, err
	}
	if err := checkPublic(public); err != nil {
		return Key{}, err
	}
	key := Key{ID: kid, Alg: alg, public: public}
	if alg != "" && !key.does(alg) {
		return Key{}, errors.New("alg is not one of this key type")
	}
	return key, nil
}

// forSignatures holds use and key_ops (RFC 7517 §4.2, §4.3): absent, or naming signatures.
func forSignatures(members Claims) error {
	use, err := members.String("use")
	if err != nil {
		return err
	}
	if use != "" && use != "sig" {
		return errors.New("not for signatures")
	}
	ops, err := members.Strings("key_ops")
	if err != nil {
		return err
	}
	if members.Has("key_ops") && !slices.Contains(ops, "verify") {
		return errors.New("not for verifying")
	}
	return nil
}

func publicOf(members Claims) (crypto.PublicKey, error) {
	kty, err := members.String("kty")
	if err != nil {
		return nil, err
	}
	switch kty {
	case "RSA":
		return rsaOf(members)
	case "EC":
		return ecOf(members)
	case "OKP":
		return okpOf(members)
	default:
		return nil, errors.New("unknown kty")
	}
}

func rsaOf(members Claims) (crypto.PublicKey, error) {
	n, err := octets(members, "n")
	if err != nil {
		return nil, err
	}
	e, err := octets(members, "e")
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 {
		return nil, errors.New("RSA exponent too large")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exponent.Int64())}, nil
}

func ecOf(members Claims) (crypto.PublicKey, error) {
	crv, err := members.String("crv")
	if err != nil {
		return nil, err
	}
	curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[crv]
	if curve == nil {
		return nil, errors.New("unknown curve")
	}
	x, err := octets(members, "x")
	if err != nil {
		return nil, err
	}
	y, err := octets(members, "y")
	if err != nil {
		return nil, err
	}
	size := (curve.Params().BitSize + 7) / 8
	if len(x) > size || len(y) > size {
		return nil, errors.New("coordinates larger than the curve")
	}
	point := make([]byte, 1+2*size) // RFC 7518 §6.2.1.2 wants the full size; some providers drop leading zeros
	point[0] = 4
	copy(point[1+size-len(x):], x)
	copy(point[1+2*size-len(y):], y)
	return ecdsa.ParseUncompressedPublicKey(curve, point)
}

func okpOf(members Claims) (crypto.PublicKey, error) {
	crv, err := members.String("crv")
	if err != nil {
		return nil, err
	}
	if crv != "Ed25519" {
		return nil, errors.New("unknown curve")
	}
	x, err := octets(members, "x")
	if err != nil {
		return nil, err
	}
	return ed25519.PublicKey(x), nil
}

func octets(members Claims, name string) ([]byte, error) {
	text, err := members.String(name)
	if err != nil {
		return nil, err
	}
	return decodePart(text)
}
