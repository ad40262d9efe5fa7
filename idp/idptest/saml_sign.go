package idptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/md5" // for the attacks that must be refused
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // what old providers sign with
	"crypto/sha256"
	_ "crypto/sha512" // SHA-384 and SHA-512
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// Algorithms of XML Signature and their RFC 9231 relatives.
const (
	AlgRSASHA1     = nsDSig + "rsa-sha1"
	AlgRSASHA256   = nsMore + "rsa-sha256"
	AlgRSASHA384   = nsMore + "rsa-sha384"
	AlgRSASHA512   = nsMore + "rsa-sha512"
	AlgECDSASHA256 = nsMore + "ecdsa-sha256"
	AlgECDSASHA384 = nsMore + "ecdsa-sha384"
	AlgECDSASHA512 = nsMore + "ecdsa-sha512"
	AlgSHA1        = nsDSig + "sha1"
	AlgSHA256      = nsXEnc + "sha256"
	AlgSHA384      = nsMore + "sha384"
	AlgSHA512      = nsXEnc + "sha512"
	AlgExcC14N     = "http://www.w3.org/2001/10/xml-exc-c14n#"

	nsMore       = "http://www.w3.org/2001/04/xmldsig-more#"
	algEnveloped = nsDSig + "enveloped-signature"
	algRSAMD5    = nsMore + "rsa-md5"
	algHMAC      = nsMore + "hmac-sha256"
	algPSS       = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
	algMD5       = nsMore + "md5"
)

var samlHashes = map[string]crypto.Hash{
	AlgSHA1: crypto.SHA1, AlgSHA256: crypto.SHA256, AlgSHA384: crypto.SHA384, AlgSHA512: crypto.SHA512, algMD5: crypto.MD5,
	AlgRSASHA1: crypto.SHA1, AlgRSASHA256: crypto.SHA256, AlgRSASHA384: crypto.SHA384, AlgRSASHA512: crypto.SHA512,
	AlgECDSASHA256: crypto.SHA256, AlgECDSASHA384: crypto.SHA384, AlgECDSASHA512: crypto.SHA512,
	algRSAMD5: crypto.MD5, algPSS: crypto.SHA256,
}

// sum digests b by a digest's or signature's algorithm.
func sum(alg string, b []byte) ([]byte, crypto.Hash, error) {
	h, ok := samlHashes[alg]
	if !ok {
		return nil, 0, fmt.Errorf("no algorithm %q", alg)
	}
	if h == crypto.MD5 {
		s := md5.Sum(b)
		return s[:], h, nil
	}
	w := h.New()
	w.Write(b)
	return w.Sum(nil), h, nil
}

// signing is one signature as it is to be made. The zero value of most fields is what a sane provider does.
type signing struct {
	key        SAMLKey
	alg        string // empty: by the key
	digest     string // empty: SHA-256
	prefix     string // of the XML Signature namespace; "-" is the default namespace
	c14n       string
	transforms []string // empty: enveloped-signature and exclusive canonicalisation
	prefixList string   // of the reference's canonicalisation
	signedList string   // of SignedInfo's canonicalisation
	uri        *string  // of the reference; nil: the element's ID
	keyInfo    func(prefix string, k SAMLKey) *node
	edit       func(signedInfo *node) // before the value is made
}

func (s signing) algorithm() string {
	if s.alg != "" {
		return s.alg
	}
	if k, ok := s.key.Signer.(*ecdsa.PrivateKey); ok {
		switch k.Curve.Params().BitSize {
		case 384:
			return AlgECDSASHA384
		case 521:
			return AlgECDSASHA512
		}
		return AlgECDSASHA256
	}
	return AlgRSASHA256
}

func (s signing) q(name string) string {
	switch s.prefix {
	case "":
		return "ds:" + name
	case "-":
		return name
	}
	return s.prefix + ":" + name
}

func (s signing) declaration() attr {
	switch s.prefix {
	case "":
		return attr{"xmlns:ds", nsDSig}
	case "-":
		return attr{"xmlns", nsDSig}
	}
	return attr{"xmlns:" + s.prefix, nsDSig}
}

// sign puts a signature over target behind its Issuer (SAML 2.0 Core §5.4).
func sign(root, target *node, s signing) error {
	sig, err := s.over(canonical(target, scopeOf(root, target), strings.Fields(s.prefixList)), target.get("ID"))
	if err != nil {
		return err
	}
	target.insert(slices.Index(target.Kids, target.child("Issuer"))+1, sig)
	return nil
}

// over makes the Signature element of canonical bytes that are found under id.
func (s signing) over(bytes []byte, id string) (*node, error) {
	digestAlg := s.digest
	if digestAlg == "" {
		digestAlg = AlgSHA256
	}
	digest, _, err := sum(digestAlg, bytes)
	if err != nil {
		return nil, err
	}
	c14n, uri := s.c14n, "#"+id
	if c14n == "" {
		c14n = AlgExcC14N
	}
	if s.uri != nil {
		uri = *s.uri
	}
	info := el(s.q("SignedInfo"), nil,
		el(s.q("CanonicalizationMethod"), []attr{{"Algorithm", c14n}}, inclusive(s.signedList)),
		el(s.q("SignatureMethod"), []attr{{"Algorithm", s.algorithm()}}),
		el(s.q("Reference"), []attr{{"URI", uri}},
			s.transformList(c14n),
			el(s.q("DigestMethod"), []attr{{"Algorithm", digestAlg}}),
			leaf(s.q("DigestValue"), base64.StdEncoding.EncodeToString(digest))))
	if s.edit != nil {
		s.edit(info)
	}
	d := s.declaration()
	p, _ := declares(d.Name)
	value, err := s.value(canonical(info, scope{p: nsDSig}, strings.Fields(s.signedList)))
	if err != nil {
		return nil, err
	}
	var keyInfo *node
	if s.keyInfo != nil {
		keyInfo = s.keyInfo(strings.TrimSuffix(s.q(""), ":"), s.key)
	}
	return el(s.q("Signature"), []attr{d}, info, leaf(s.q("SignatureValue"), base64.StdEncoding.EncodeToString(value)), keyInfo), nil
}

func (s signing) transformList(c14n string) *node {
	list := s.transforms
	if list == nil {
		list = []string{algEnveloped, c14n}
	}
	out := el(s.q("Transforms"), nil)
	for _, t := range list {
		n := el(s.q("Transform"), []attr{{"Algorithm", t}})
		if t == c14n {
			n = el(s.q("Transform"), []attr{{"Algorithm", t}}, inclusive(s.prefixList))
		}
		out.Kids = append(out.Kids, n)
	}
	return out
}

func inclusive(list string) *node {
	if list == "" {
		return nil
	}
	return el("ec:InclusiveNamespaces", []attr{{"xmlns:ec", AlgExcC14N}, {"PrefixList", list}})
}

// value makes SignatureValue. ECDSA values are r and s side by side (RFC 6931 §2.3.6), not ASN.1.
func (s signing) value(signedInfo []byte) ([]byte, error) {
	alg := s.algorithm()
	switch alg {
	case algHMAC: // keyed with what everybody has
		m := hmac.New(sha256.New, s.key.Certificate)
		m.Write(signedInfo)
		return m.Sum(nil), nil
	case "":
		return nil, nil
	}
	digest, h, err := sum(alg, signedInfo)
	if err != nil {
		return nil, err
	}
	switch k := s.key.Signer.(type) {
	case *rsa.PrivateKey:
		if alg == algPSS {
			return rsa.SignPSS(rand.Reader, k, h, digest, nil)
		}
		return rsa.SignPKCS1v15(rand.Reader, k, h, digest)
	case *ecdsa.PrivateKey:
		r, t, err := ecdsa.Sign(rand.Reader, k, digest)
		if err != nil {
			return nil, err
		}
		size := (k.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		t.FillBytes(out[size:])
		return out, nil
	}
	return nil, errors.New("no such key")
}

// verifies tells whether value is a signature of b by the certificate's public key.
func verifies(public crypto.PublicKey, alg string, b, value []byte) bool {
	digest, h, err := sum(alg, b)
	if err != nil || h == crypto.MD5 || h == crypto.SHA1 {
		return false
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		return strings.Contains(alg, "#rsa-") && rsa.VerifyPKCS1v15(k, h, digest, value) == nil
	case *ecdsa.PublicKey:
		half := len(value) / 2
		return strings.Contains(alg, "#ecdsa-") && len(value) == 2*half &&
			ecdsa.Verify(k, digest, new(big.Int).SetBytes(value[:half]), new(big.Int).SetBytes(value[half:]))
	}
	return false
}

// checkEnveloped verifies the signature of a request that came over POST: one direct Signature of the root.
func checkEnveloped(root *node, public crypto.PublicKey) error {
	sig := root.child("Signature")
	if sig == nil {
		return errors.New("the request is not signed")
	}
	info := sig.child("SignedInfo")
	if info == nil || info.child("Reference") == nil || info.child("SignatureMethod") == nil || info.child("CanonicalizationMethod") == nil {
		return errors.New("the signature is not complete")
	}
	ref := info.child("Reference")
	method := ref.child("DigestMethod")
	if ref.get("URI") != "#"+root.get("ID") || method == nil || info.child("CanonicalizationMethod").get("Algorithm") != AlgExcC14N {
		return errors.New("the signature is of something else")
	}
	value, err := base64.StdEncoding.DecodeString(squeeze(text64(sig.child("SignatureValue"))))
	if err != nil || !verifies(public, info.child("SignatureMethod").get("Algorithm"), canonical(info, scopeOf(root, info), nil), value) {
		return errors.New("the signature is false")
	}
	bare := root.clone()
	bare.Kids = slices.DeleteFunc(bare.Kids, func(k *node) bool { return k.Name != "" && local(k.Name) == "Signature" })
	digest, _, err := sum(method.get("Algorithm"), canonical(bare, scope{}, nil))
	if err != nil || base64.StdEncoding.EncodeToString(digest) != squeeze(text64(ref.child("DigestValue"))) {
		return errors.New("the digest is another")
	}
	return nil
}

func text64(n *node) string {
	if n == nil {
		return ""
	}
	return n.content()
}

// squeeze takes white space out of base64.
func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }
