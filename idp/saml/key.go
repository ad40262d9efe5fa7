package saml

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/idp"
)

// The sizes of RSA keys that count, in bits: a shorter one can be factored, a longer one costs too much to verify.
const (
	minRSA = 2048
	maxRSA = 8192
)

// key is a provider's key that is pinned and active. Its certificate is a container: neither chain nor revocation says
// anything about it.
type key struct {
	cert   *x509.Certificate
	sha256 string
}

// activeKeys parses the keys that may verify something.
func activeKeys(s idp.SAMLSettings) ([]key, error) {
	var keys []key
	for _, k := range s.IdP.Keys {
		if k.State != idp.KeyActive {
			continue
		}
		cert, err := parseKey(k.Certificate)
		if err != nil {
			return nil, wrapped(idp.CodeSAMLConfig, "certificate", "A certificate of this connection cannot be used. Upload the identity provider's signing certificate again.", err)
		}
		keys = append(keys, key{cert: cert, sha256: k.SHA256})
	}
	if len(keys) == 0 {
		return nil, fault(idp.CodeSAMLConfig, "no-key", "The connection has no active signing certificate. Upload the identity provider's metadata, or confirm the certificate that waits.", "no active key")
	}
	return keys, nil
}

// maxDER is how long a certificate may be. They are parsed with every message: one with sixty thousand names in it costs
// 5 ms each time, and who runs a provider would have others wait for it.
const maxDER = 16 << 10

// parseKey reads a certificate whose key is of a kind and size that we verify with.
func parseKey(der []byte) (*x509.Certificate, error) {
	if len(der) > maxDER {
		return nil, errors.New("certificate is longer than 16 KiB")
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("certificate does not parse")
	}
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := pub.N.BitLen(); n < minRSA || n > maxRSA {
			return nil, fmt.Errorf("rsa key of %d bits", n)
		}
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() && pub.Curve != elliptic.P384() && pub.Curve != elliptic.P521() {
			return nil, errors.New("key on a curve that is not P-256, P-384 or P-521")
		}
	default:
		return nil, errors.New("key is neither RSA nor ECDSA")
	}
	return cert, nil
}
