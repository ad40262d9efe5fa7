package jwt

import (
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// The signature algorithms this package verifies: all with a public key.
const (
	RS256 = "RS256"
	RS384 = "RS384"
	RS512 = "RS512"
	PS256 = "PS256"
	PS384 = "PS384"
	PS512 = "PS512"
	ES256 = "ES256"
	ES384 = "ES384"
	ES512 = "ES512"
	EdDSA = "EdDSA"
)

// maxTries bounds the keys tried on one token, for each costs a signature check.
const maxTries = 8

// Algorithms returns every algorithm that can be verified. It is never widened by what a provider's metadata lists.
func Algorithms() []string {
	return []string{RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA}
}

// Allowed narrows [Algorithms] to those a provider's metadata lists. A provider that lists none gets RS256, the default of OpenID Connect
// Discovery 1.0 §3; one that lists only others gets none.
func Allowed(listed []string) []string {
	if len(listed) == 0 {
		return []string{RS256}
	}
	return slices.DeleteFunc(Algorithms(), func(alg string) bool { return !slices.Contains(listed, alg) })
}

// Verify parses the token, chooses the fitting keys and returns the payload with the key that signed it. The payload still needs [StrictClaims].
func Verify(compact string, keys Set, algs []string) ([]byte, Key, error) {
	token, err := Parse(compact)
	if err != nil {
		return nil, Key{}, err
	}
	return token.Verify(keys, algs)
}

// Verify is the second half of the function [Verify], for callers that parsed the token to find out whose keys to use.
func (t Token) Verify(keys Set, algs []string) ([]byte, Key, error) {
	alg := t.Header.Alg
	if !slices.Contains(algs, alg) || !slices.Contains(Algorithms(), alg) {
		return nil, Key{}, fmt.Errorf("%w: %s", ErrAlg, quoteShort(alg))
	}
	fitting := keys.Fitting(t.Header)
	if len(fitting) == 0 {
		return nil, Key{}, fmt.Errorf("%w: kid %s, alg %s", ErrNoKey, quoteShort(t.Header.KeyID), alg)
	}
	jws, err := jose.ParseSignedCompact(t.compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		return nil, Key{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for _, key := range fitting {
		payload, err := jws.Verify(key.public)
		if err == nil {
			return payload, key, nil
		}
	}
	return nil, Key{}, fmt.Errorf("%w: kid %s, alg %s", ErrSignature, quoteShort(t.Header.KeyID), alg)
}
