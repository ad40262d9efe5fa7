package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Signer signs tokens with one private key. It prints as its key id; only [Signer.PKCS8] gives the private half away. Safe for concurrent use.
type Signer struct {
	alg     string
	public  Key
	private crypto.Signer // *ecdsa.PrivateKey or *rsa.PrivateKey
}

// NewES256Key makes a fresh P-256 key whose id is its thumbprint.
func NewES256Key() (*Signer, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make P-256 key: %w", err)
	}
	return newSigner(private, ES256, "")
}

// NewRSAKey makes a fresh 2048-bit RSA key for alg, RS256 or PS256, whose id is its thumbprint.
func NewRSAKey(alg string) (*Signer, error) {
	private, err := rsa.GenerateKey(rand.Reader, minRSABits)
	if err != nil {
		return nil, fmt.Errorf("make RSA key: %w", err)
	}
	return newSigner(private, alg, "")
}

// ParseSigner reads a private key in PKCS #8 (RFC 5958), as [Signer.PKCS8] writes it, for use with alg. An empty kid becomes the thumbprint.
func ParseSigner(pkcs8 []byte, alg, kid string) (*Signer, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, errors.New("private key is not PKCS #8") // the parser's text may quote the key
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", parsed)
	}
	return newSigner(private, alg, kid)
}

func newSigner(private crypto.Signer, alg, kid string) (*Signer, error) {
	switch alg {
	case ES256, RS256, PS256:
	default:
		return nil, fmt.Errorf("%w for signing: %s", ErrAlg, quoteShort(alg))
	}
	public, err := NewKey(private.Public(), kid, alg)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return &Signer{alg: alg, public: public, private: private}, nil
}

// Alg is the algorithm it signs with.
func (s *Signer) Alg() string { return s.alg }

// KeyID is the kid it puts in tokens.
func (s *Signer) KeyID() string { return s.public.ID }

// Public is the half to publish.
func (s *Signer) Public() Key { return s.public }

// String names the key and nothing more.
func (s *Signer) String() string { return "signer " + s.public.ID }

// GoString is String, for %#v.
func (s *Signer) GoString() string { return s.String() }

// PKCS8 is the private key, to be sealed before it is stored.
func (s *Signer) PKCS8() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.private)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return der, nil
}

// Sign makes a compact JWS of claims, which must encode as a JSON object. typ goes into the header unless empty.
func (s *Signer) Sign(typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	if len(payload) == 0 || payload[0] != '{' {
		return "", errors.New("claims are not a JSON object")
	}
	opts := (&jose.SignerOptions{}).WithHeader("kid", s.public.ID)
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.alg), Key: s.private}, opts)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("write token: %w", err)
	}
	return compact, nil
}
