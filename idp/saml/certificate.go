package saml

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

const (
	maxCertificate  = 64 << 10
	certificateHint = "Upload the identity provider's signing certificate: one, as PEM (-----BEGIN CERTIFICATE-----), as its bare base64 text, or as a .cer file."
)

// ParseCertificate reads one certificate that an admin vouches for, as PEM, base64 or DER. Warnings are sentences for
// that admin. The error is an *[idp.Error].
func ParseCertificate(b []byte, now time.Time) (idp.SAMLKey, []string, error) {
	der, err := certificateDER(b)
	if err != nil {
		return idp.SAMLKey{}, nil, err
	}
	cert, err := parseKey(der)
	if err != nil {
		return idp.SAMLKey{}, nil, unusable("certificate", certificateHint, err)
	}
	return newKey(der, sourceUpload, now), certificateWarnings(cert, now), nil
}

func certificateDER(b []byte) ([]byte, error) {
	if len(b) > maxCertificate {
		return nil, unusable("too-large", certificateHint, errors.New("certificate is longer than 64 KiB"))
	}
	if bytes.Contains(b, []byte("PRIVATE KEY-----")) {
		return nil, unusable("private-key", "Never give away a private key. "+certificateHint, errors.New("a private key instead of a certificate"))
	}
	if bytes.HasPrefix(b, []byte{0x30, 0x82}) { // a DER sequence
		return b, nil
	}
	if block, rest := pem.Decode(b); block != nil {
		if next, _ := pem.Decode(rest); next != nil || block.Type != "CERTIFICATE" {
			return nil, unusable("certificate", certificateHint, errors.New("not exactly one certificate in PEM"))
		}
		return block.Bytes, nil
	}
	der, err := decodeCertificate(string(b))
	if err != nil {
		return nil, unusable("certificate", certificateHint, err)
	}
	return der, nil
}

// certificateText reports whether b is a certificate without any wrapping.
func certificateText(b []byte) bool {
	if len(b) > maxCertificate {
		return false
	}
	if bytes.HasPrefix(b, []byte{0x30, 0x82}) {
		return true
	}
	der, err := decodeCertificate(string(b))
	return err == nil && bytes.HasPrefix(der, []byte{0x30})
}

// decodeCertificate reads the base64 of an X509Certificate element, which people break into lines as they please.
func decodeCertificate(text string) ([]byte, error) {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n", r) {
			return -1
		}
		return r
	}, text)
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(der) == 0 {
		return nil, errors.New("certificate is not base64")
	}
	return der, nil
}

// keys are the provider's signing keys. Those meant for encryption alone never count: a provider keeps them elsewhere,
// and less carefully.
func (r roleXML) keys(now time.Time) ([]idp.SAMLKey, []string, error) {
	var keys []idp.SAMLKey
	var warnings []string
	for _, k := range r.Keys {
		switch bareAttr(k.Attrs, "use") {
		case "", "signing":
		case "encryption":
			continue
		default:
			warnings = append(warnings, "A key for an unknown use is ignored.")
			continue
		}
		key, warn, ok := k.read(now)
		warnings = append(warnings, warn...)
		if ok && !slices.ContainsFunc(keys, func(have idp.SAMLKey) bool { return have.SHA256 == key.SHA256 }) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		hint := strings.Join(append([]string{"The metadata has no signing certificate that can be used."}, warnings...), " ")
		return nil, nil, unusable("no-key", hint, errors.New("metadata has no usable signing key"))
	}
	if len(keys) > maxKeys {
		return nil, nil, unusable("many-keys", metadataHint, fmt.Errorf("metadata has more than %d signing keys", maxKeys))
	}
	return keys, warnings, nil
}

// read takes the one certificate of a KeyDescriptor. Where there are several, the first is the key's own by convention,
// and the rest, its issuers, must not become keys.
func (k keyXML) read(now time.Time) (idp.SAMLKey, []string, bool) {
	var texts []string
	for _, info := range k.Info {
		for _, data := range info.Data {
			texts = append(texts, data.Certificates...)
		}
	}
	if len(texts) == 0 {
		return idp.SAMLKey{}, []string{"A signing key without a certificate is ignored."}, false
	}
	var warnings []string
	if len(texts) > 1 {
		warnings = append(warnings, "A signing key comes with several certificates; the first counts.")
	}
	der, err := decodeCertificate(texts[0])
	if err != nil {
		return idp.SAMLKey{}, append(warnings, "A signing certificate that is not base64 is ignored."), false
	}
	cert, err := parseKey(der)
	if err != nil {
		return idp.SAMLKey{}, append(warnings, fmt.Sprintf("The certificate %s is ignored: %v.", short(fingerprint(der)), err)), false
	}
	return newKey(der, sourceMetadata, now), append(warnings, certificateWarnings(cert, now)...), true
}

func newKey(der []byte, source string, now time.Time) idp.SAMLKey {
	return idp.SAMLKey{Certificate: der, SHA256: fingerprint(der), State: idp.KeyActive, Source: source, FirstSeen: now.UTC()}
}

// certificateWarnings is what an admin should see to about a certificate that is used all the same.
func certificateWarnings(cert *x509.Certificate, now time.Time) []string {
	var out []string
	name := short(fingerprint(cert.Raw))
	if now.After(cert.NotAfter) {
		out = append(out, fmt.Sprintf("The certificate %s expired on %s.", name, cert.NotAfter.UTC().Format(time.DateOnly)))
	}
	if now.Before(cert.NotBefore) {
		out = append(out, fmt.Sprintf("The certificate %s is not valid before %s.", name, cert.NotBefore.UTC().Format(time.DateOnly)))
	}
	switch cert.SignatureAlgorithm { //nolint:exhaustive // the old ones alone matter
	case x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA:
		out = append(out, fmt.Sprintf("The certificate %s is itself signed with SHA-1 or older. That does no harm here, but the identity provider may sign its messages that way too: check its signature algorithm.", name))
	}
	return out
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// short names a certificate in a sentence.
func short(sha256 string) string { return sha256[:min(len(sha256), 16)] }
