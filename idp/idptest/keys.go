package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// key is one signing key: RSA or EC P-256.
type key struct {
	kid string
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
}

// keyring holds every key the provider publishes, newest last.
type keyring struct {
	mu   sync.Mutex
	keys []key
	oct  []byte
}

func family(alg string) string {
	if strings.HasPrefix(alg, "ES") {
		return "EC"
	}
	return "RSA"
}

func newKey(fam string) (key, error) {
	kid := random(9)
	if fam == "EC" {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return key{kid: kid, ec: k}, err
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	return key{kid: kid, rsa: k}, err
}

// current returns the newest key that alg can use, making the first one.
func (r *keyring) current(alg string) (key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.keys) - 1; i >= 0; i-- {
		if (family(alg) == "EC") == (r.keys[i].ec != nil) {
			return r.keys[i], nil
		}
	}
	k, err := newKey(family(alg))
	if err != nil {
		return key{}, fmt.Errorf("make key: %w", err)
	}
	r.keys = append(r.keys, k)
	return k, nil
}

// RotateKeys makes a new signing key and keeps publishing the old ones.
func (o *OP) RotateKeys() error {
	k, err := newKey(family(o.opts.Alg))
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	o.keys.mu.Lock()
	defer o.keys.mu.Unlock()
	o.keys.keys = append(o.keys.keys, k)
	return nil
}

// WithdrawOldKeys publishes nothing but the newest key from now on.
func (o *OP) WithdrawOldKeys() {
	o.keys.mu.Lock()
	defer o.keys.mu.Unlock()
	o.keys.keys = o.keys.keys[len(o.keys.keys)-1:]
}

// octKey is the symmetric key of the fault hs256-oct-jwks.
func (r *keyring) octKey() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.oct == nil {
		r.oct = make([]byte, 32)
		_, _ = rand.Read(r.oct)
	}
	return r.oct
}

const octKid = "oct-key"

// jwks is the published set (RFC 7517).
func (o *OP) jwks() map[string]any {
	set := []map[string]any{}
	if o.faulty("hs256-oct-jwks") {
		set = append(set, map[string]any{"kty": "oct", "kid": octKid, "alg": "HS256", "use": "sig", "k": b64(o.keys.octKey())})
	}
	o.keys.mu.Lock()
	defer o.keys.mu.Unlock()
	for _, k := range o.keys.keys {
		set = append(set, k.jwk())
	}
	return map[string]any{"keys": set}
}

func (k key) jwk() map[string]any {
	if k.ec != nil {
		point, err := k.ec.PublicKey.Bytes() // 0x04 || x || y
		if err != nil {
			return nil
		}
		return map[string]any{"kty": "EC", "crv": "P-256", "kid": k.kid, "use": "sig", "alg": "ES256", "x": b64(point[1:33]), "y": b64(point[33:])}
	}
	e := big.NewInt(int64(k.rsa.E)).Bytes()
	return map[string]any{"kty": "RSA", "kid": k.kid, "use": "sig", "alg": "RS256", "n": b64(k.rsa.N.Bytes()), "e": b64(e)}
}

// Mint signs claims as one compact JWS with the provider's newest key. alg is RS256, ES256, HS256 (keyed with the
// oct key of the fault hs256-oct-jwks) or none.
func (o *OP) Mint(claims map[string]any, alg string) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return o.MintRaw(payload, alg, map[string]any{"typ": "JWT"})
}

// MintRaw signs payload byte for byte, so that it may be what no encoder would write. header is sent as given,
// with alg and, where it has no member kid, the kid of the key; a nil kid is left out.
func (o *OP) MintRaw(payload []byte, alg string, header map[string]any) (string, error) {
	h := map[string]any{"alg": alg}
	var sign func(input string) ([]byte, error)
	switch alg {
	case "none":
		sign = func(string) ([]byte, error) { return nil, nil }
	case "HS256":
		h["kid"] = octKid
		sign = hs256(o.keys.octKey())
	case "RS256", "ES256":
		k, err := o.keys.current(alg)
		if err != nil {
			return "", err
		}
		h["kid"] = k.kid
		sign = k.sign
	default:
		return "", fmt.Errorf("no algorithm %q", alg)
	}
	for name, v := range header {
		if h[name] = v; v == nil {
			delete(h, name)
		}
	}
	return serialise(h, payload, sign)
}

func serialise(header map[string]any, payload []byte, sign func(string) ([]byte, error)) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	input := b64(head) + "." + b64(payload)
	sig, err := sign(input)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return input + "." + b64(sig), nil
}

func hs256(secret []byte) func(string) ([]byte, error) {
	return func(input string) ([]byte, error) {
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(input))
		return m.Sum(nil), nil
	}
}

func (k key) sign(input string) ([]byte, error) {
	sum := sha256.Sum256([]byte(input))
	if k.rsa != nil {
		return rsa.SignPKCS1v15(rand.Reader, k.rsa, crypto.SHA256, sum[:])
	}
	r, s, err := ecdsa.Sign(rand.Reader, k.ec, sum[:])
	if err != nil {
		return nil, err
	}
	out := make([]byte, 64) // RFC 7518 §3.4: r and s, 32 bytes each
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out, nil
}

// check verifies one of our own tokens and returns its claims; age does not matter, since sign-out hints are old.
func (o *OP) check(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a compact JWS")
	}
	var header struct{ Kid, Alg string }
	var claims map[string]any
	if err := errors.Join(unb64JSON(parts[0], &header), unb64JSON(parts[1], &claims)); err != nil {
		return nil, err
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	o.keys.mu.Lock()
	defer o.keys.mu.Unlock()
	for _, k := range o.keys.keys {
		if k.kid == header.Kid && k.verify(sum[:], sig) {
			return claims, nil
		}
	}
	return nil, errors.New("not signed by this provider")
}

func (k key) verify(sum, sig []byte) bool {
	if k.rsa != nil {
		return rsa.VerifyPKCS1v15(&k.rsa.PublicKey, crypto.SHA256, sum, sig) == nil
	}
	return len(sig) == 64 && ecdsa.Verify(&k.ec.PublicKey, sum, new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

func unb64JSON(part string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// random returns n random bytes in base64url.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return b64(b)
}
