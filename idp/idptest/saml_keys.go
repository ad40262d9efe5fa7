package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// SAMLKey is a key pair and the self-signed certificate that carries it.
type SAMLKey struct {
	Signer      crypto.Signer
	Certificate []byte // DER
}

// NewSAMLKey makes a pair; kind is rsa, rsa1024, p256, p384 or p521.
func NewSAMLKey(kind, name string, notBefore, notAfter time.Time) (SAMLKey, error) {
	signer, err := newSigner(kind)
	if err != nil {
		return SAMLKey{}, fmt.Errorf("make key: %w", err)
	}
	return CertifySAMLKey(signer, name, notBefore, notAfter)
}

// CertifySAMLKey wraps a key that exists in a certificate, as a provider does that renews one without a new key.
func CertifySAMLKey(signer crypto.Signer, name string, notBefore, notAfter time.Time) (SAMLKey, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(notBefore.Unix()), Subject: pkix.Name{CommonName: name},
		NotBefore: notBefore, NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, signer.Public(), signer)
	if err != nil {
		return SAMLKey{}, fmt.Errorf("make certificate: %w", err)
	}
	return SAMLKey{Signer: signer, Certificate: der}, nil
}

func newSigner(kind string) (crypto.Signer, error) {
	switch kind {
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "rsa1024":
		return rsa.GenerateKey(rand.Reader, 1024) // too short on purpose: it must be refused
	case "p256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	}
	return nil, fmt.Errorf("no kind of key %q", kind)
}

// SHA256 is the certificate's fingerprint in lower-case hex.
func (k SAMLKey) SHA256() string {
	sum := sha256.Sum256(k.Certificate)
	return hex.EncodeToString(sum[:])
}
