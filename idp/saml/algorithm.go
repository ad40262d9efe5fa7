package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // providers that sign with it exist: it counts only while an admin's exception runs
	_ "crypto/sha256"
	_ "crypto/sha512"
	"math/big"
)

const digestSHA1 = nsDSig + "sha1"

// digests are the digest methods that may be used (XML Signature §6.2). What is not here is refused.
var digests = map[string]crypto.Hash{
	"http://www.w3.org/2001/04/xmlenc#sha256":       crypto.SHA256,
	"http://www.w3.org/2001/04/xmldsig-more#sha384": crypto.SHA384,
	"http://www.w3.org/2001/04/xmlenc#sha512":       crypto.SHA512,
	digestSHA1: crypto.SHA1,
}

// signatures are the signature methods that may be used (XML Signature §6.4, RFC 9231 §2.3). HMAC is not among them: its
// key would be a public one.
var signatures = map[string]signatureMethod{
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256":   {crypto.SHA256, true},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":   {crypto.SHA384, true},
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":   {crypto.SHA512, true},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": {crypto.SHA256, false},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": {crypto.SHA384, false},
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": {crypto.SHA512, false},
	nsDSig + "rsa-sha1": {crypto.SHA1, true},
}

type signatureMethod struct {
	hash crypto.Hash
	rsa  bool // PKCS #1 v1.5; otherwise ECDSA
}

func (m signatureMethod) fits(k key) bool {
	switch k.cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return m.rsa
	case *ecdsa.PublicKey:
		return !m.rsa
	default:
		return false
	}
}

func (m signatureMethod) verify(k key, signed, value []byte) bool {
	h := m.hash.New()
	h.Write(signed)
	sum := h.Sum(nil)
	switch pub := k.cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return m.rsa && rsa.VerifyPKCS1v15(pub, m.hash, sum, value) == nil
	case *ecdsa.PublicKey:
		return !m.rsa && verifyECDSA(pub, sum, value)
	default:
		return false
	}
}

// verifyECDSA takes the value as XML carries it: r and s at full length, one after the other (RFC 9231 §2.3.6), where
// X.509 has a pair in DER.
func verifyECDSA(pub *ecdsa.PublicKey, sum, value []byte) bool {
	size := (pub.Curve.Params().BitSize + 7) / 8
	if len(value) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:])
	return ecdsa.Verify(pub, sum, r, s)
}
