package saml

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
)

const (
	spKeyBits  = 2048
	spKeyYears = 10
)

var (
	// ErrRollover reports a rollover of our keys that is under way already.
	ErrRollover = errors.New("a rollover of the service provider's keys is under way")
	// ErrNoRollover reports that there is no next key of ours, or no old one to drop.
	ErrNoRollover = errors.New("no rollover of the service provider's keys is under way")
)

// NewSPKeys makes a key pair to sign with and one to have assertions encrypted for: apart, so that neither can be
// misused as the other. The certificates carry the keys and vouch for nothing; name, if any, is their common name.
func NewSPKeys(name string, now time.Time) ([]idp.SAMLSPKey, error) {
	var keys []idp.SAMLSPKey
	for _, use := range []string{idp.UseSigning, idp.UseEncryption} {
		k, err := newSPKey(use, name, now)
		if err != nil {
			return nil, fmt.Errorf("make %s key: %w", use, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// BeginRollover adds a next pair of each use. It is published from now on; signing goes on with the current one, and
// both decrypt, so the provider may take the new metadata whenever it likes.
func BeginRollover(have []idp.SAMLSPKey, name string, now time.Time) ([]idp.SAMLSPKey, error) {
	if slices.ContainsFunc(have, isNext) || superseded(have) {
		return nil, ErrRollover
	}
	next, err := NewSPKeys(name, now)
	if err != nil {
		return nil, err
	}
	for i := range next {
		next[i].Next = true
	}
	return append(slices.Clone(have), next...), nil
}

// Promote makes the next keys the current ones. Only an admin knows that the provider has them. What they replace
// still decrypts, until DropOld: the provider may have encrypted a moment ago.
func Promote(have []idp.SAMLSPKey) ([]idp.SAMLSPKey, error) {
	if !slices.ContainsFunc(have, isNext) {
		return nil, ErrNoRollover
	}
	var keys, old []idp.SAMLSPKey
	for _, k := range have {
		if !k.Next {
			old = append(old, k)
			continue
		}
		k.Next = false
		keys = append(keys, k)
	}
	return append(keys, old...), nil
}

// DropOld forgets the keys that Promote replaced.
func DropOld(have []idp.SAMLSPKey) ([]idp.SAMLSPKey, error) {
	if slices.ContainsFunc(have, isNext) || !superseded(have) {
		return nil, ErrNoRollover
	}
	var keys []idp.SAMLSPKey
	for _, use := range []string{idp.UseSigning, idp.UseEncryption} {
		if k, ok := currentSPKey(have, use); ok {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func isNext(k idp.SAMLSPKey) bool { return k.Next }

// superseded reports whether some use has an old key beside its current one.
func superseded(have []idp.SAMLSPKey) bool {
	n := map[string]int{}
	for _, k := range have {
		if !k.Next {
			n[k.Use]++
		}
	}
	return n[idp.UseSigning] > 1 || n[idp.UseEncryption] > 1
}

// currentSPKey is the newest key of a use that is not next. Of two made in the same instant the first in the list counts.
func currentSPKey(have []idp.SAMLSPKey, use string) (idp.SAMLSPKey, bool) {
	var current idp.SAMLSPKey
	found := false
	for _, k := range have {
		if k.Use == use && !k.Next && (!found || k.Created.After(current.Created)) {
			current, found = k, true
		}
	}
	return current, found
}

// publishedSPKeys are those the provider is told of: the current one of a use, then the next. An old one is not: nobody
// should encrypt for it any more.
func publishedSPKeys(have []idp.SAMLSPKey, use string) []idp.SAMLSPKey {
	var keys []idp.SAMLSPKey
	if k, ok := currentSPKey(have, use); ok {
		keys = append(keys, k)
	}
	for _, k := range have {
		if k.Use == use && k.Next {
			keys = append(keys, k)
		}
	}
	return keys
}

// spSigner is what we sign with. The fault is our own: nobody but the gate makes and keeps these keys.
func spSigner(have []idp.SAMLSPKey) (crypto.Signer, []byte, error) {
	k, ok := currentSPKey(have, idp.UseSigning)
	if !ok {
		return nil, nil, errors.New("connection has no key to sign with")
	}
	private, err := parseSPKey(k)
	if err != nil {
		return nil, nil, err
	}
	return private, k.Certificate, nil
}

func parseSPKey(k idp.SAMLSPKey) (*rsa.PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey([]byte(k.Key.Reveal()))
	if err != nil {
		return nil, errors.New("service provider's key does not parse") // the cause may quote the key
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("service provider's key is not RSA")
	}
	return private, nil
}

func newSPKey(use, name string, now time.Time) (idp.SAMLSPKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, spKeyBits)
	if err != nil {
		return idp.SAMLSPKey{}, fmt.Errorf("generate: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return idp.SAMLSPKey{}, fmt.Errorf("marshal: %w", err)
	}
	cert, err := selfSigned(private, use, name, now)
	if err != nil {
		return idp.SAMLSPKey{}, err
	}
	return idp.SAMLSPKey{Use: use, Key: secret.New(string(der)), Certificate: cert, Created: now.UTC()}, nil
}

// selfSigned wraps a public key for those who take nothing but certificates. It begins a day early: a provider whose
// clock is behind would call it not yet valid.
func selfSigned(private *rsa.PrivateKey, use, name string, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	usage := x509.KeyUsageDigitalSignature
	if use == idp.UseEncryption {
		usage = x509.KeyUsageKeyEncipherment
	}
	template := &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)), // RFC 5280 §4.1.2.2: positive
		Subject:               pkix.Name{CommonName: commonName(name)},
		NotBefore:             now.UTC().AddDate(0, 0, -1),
		NotAfter:              now.UTC().AddDate(spKeyYears, 0, 0),
		KeyUsage:              usage,
		BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return cert, nil
}

// commonName fits a name into the 64 characters of RFC 5280's upper bound.
func commonName(name string) string {
	if name == "" {
		return "ssogate"
	}
	if r := []rune(name); len(r) > 64 {
		return string(r[:64])
	}
	return name
}
