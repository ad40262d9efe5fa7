package saml

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/tracio-ai/ssogate/idp"
)

// The namespaces of what we read.
const (
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsDSig      = "http://www.w3.org/2000/09/xmldsig#"
	nsExcC14N   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsXMLEnc    = "http://www.w3.org/2001/04/xmlenc#"

	excC14N   = nsExcC14N
	enveloped = nsDSig + "enveloped-signature"
)

// errUnsigned reports an element without a signature of its own: whether it needs one is its reader's rule.
var errUnsigned = errors.New("element is not signed")

// signaturePolicy is what a signature is held against besides its own mathematics.
type signaturePolicy struct {
	keys      []key         // the only keys that verify anything
	listed    []idp.SAMLKey // all that the connection knows, to say why another does not
	provider  idp.Provider  // chooses the hint
	now       time.Time
	allowSHA1 time.Time
	expiry    idp.SAMLCertExpiry
}

func policyOf(conn idp.Connection, keys []key, now time.Time) signaturePolicy {
	return signaturePolicy{
		keys: keys, listed: conn.SAML.IdP.Keys, provider: conn.Provider, now: now,
		allowSHA1: conn.SAML.AllowSHA1, expiry: conn.SAML.CertExpiry,
	}
}

// proof is what one signature vouches for: the canonical bytes it was computed over, and nothing else of the document.
type proof struct {
	canonical   []byte
	by          key
	sha1        bool // an admin's exception let it pass
	rsa         bool
	keyInfoCert []byte // DER of the first certificate in KeyInfo; it chose nothing
	keyInfo     bool
	infoPrefix  bool // CanonicalizationMethod has a PrefixList
	spaced      bool // base64 with blanks, which goxmldsig does not read
}

// verifyElement checks the enveloped signature of el, which is part of a document that xmlguard has accepted (XML
// Signature §3.2). Everything used afterwards is read from bytes that the key has signed: the reference from the
// canonical SignedInfo, the content from the canonical element.
func verifyElement(el *etree.Element, p signaturePolicy) (proof, error) {
	own, err := detach(el)
	if err != nil {
		return proof{}, err
	}
	all := children(own, nsDSig, "Signature")
	if len(all) == 0 {
		return proof{}, errUnsigned
	}
	if len(all) > 1 {
		return proof{}, signature("shape", "element has several signatures")
	}
	sig := all[0]
	out, info, err := verifySignedInfo(sig, p)
	if err != nil {
		return proof{}, err
	}
	ref, err := readReference(info, attr(own, "ID"))
	if err != nil {
		return proof{}, err
	}
	if err := p.admitSHA1(ref.digest == digestSHA1, &out); err != nil {
		return proof{}, err
	}
	out.spaced = out.spaced || ref.spaced
	own.RemoveChild(sig)
	out.canonical, err = canonicalize(own, ref.prefixes)
	if err != nil {
		return proof{}, err
	}
	h := digests[ref.digest].New()
	h.Write(out.canonical)
	if !bytes.Equal(h.Sum(nil), ref.value) {
		return proof{}, signature("digest", "digest differs from the signed one")
	}
	return out, nil
}

// verifySignedInfo checks SignatureValue and returns SignedInfo as it was signed.
func verifySignedInfo(sig *etree.Element, p signaturePolicy) (proof, *etree.Element, error) {
	info, err := detach(child(sig, nsDSig, "SignedInfo"))
	if err != nil {
		return proof{}, nil, err
	}
	method := child(info, nsDSig, "CanonicalizationMethod")
	if algorithm(method) != excC14N {
		return proof{}, nil, signature("c14n", "canonicalization is not exclusive")
	}
	prefixes := prefixList(method)
	canonical, err := canonicalize(info, prefixes)
	if err != nil {
		return proof{}, nil, err
	}
	encoded := text(child(sig, nsDSig, "SignatureValue"))
	value, err := decodeBase64(encoded)
	if err != nil {
		return proof{}, nil, signature("value", "signature value is not base64")
	}
	signed, err := parse(canonical) // from here on SignedInfo is what the key signed
	if err != nil {
		return proof{}, nil, err
	}
	out := proof{infoPrefix: prefixes != "", spaced: blanks(encoded)}
	out.keyInfo, out.keyInfoCert = readKeyInfo(sig)
	alg, ok := signatures[algorithm(child(signed, nsDSig, "SignatureMethod"))]
	if !ok {
		return proof{}, nil, signature("algorithm", "signature algorithm is not one of ours")
	}
	if err := p.admitSHA1(alg.hash == crypto.SHA1, &out); err != nil {
		return proof{}, nil, err
	}
	out.rsa = alg.rsa
	out.by, err = p.match(alg, canonical, value, out.keyInfoCert)
	return out, signed, err
}

// match finds the active key that made the signature. KeyInfo takes no part: it only words the refusal.
func (p signaturePolicy) match(alg signatureMethod, signed, value, named []byte) (key, error) {
	fits := false
	for _, k := range p.keys {
		if !alg.fits(k) {
			continue
		}
		fits = true
		if !alg.verify(k, signed, value) {
			continue
		}
		if p.expiry == idp.ExpiryStrict && !p.now.Before(k.cert.NotAfter) {
			return key{}, fault(idp.CodeSAMLKey, "expired", "The identity provider signs with a certificate that has expired. Renew it there and upload the new metadata.", "matching certificate has expired")
		}
		return k, nil
	}
	return key{}, p.unmatched(alg, signed, value, named, fits)
}

// unmatched says why no active key matched. That another key of the connection made the signature is only said when it
// did: an admin who reads of a certificate that waits may confirm it, and anybody can name one in a KeyInfo.
func (p signaturePolicy) unmatched(alg signatureMethod, signed, value, named []byte, fits bool) error {
	for _, k := range p.listed {
		if k.State == idp.KeyActive {
			if len(named) > 0 && bytes.Equal(named, k.Certificate) {
				return signature("value", "signature value is false")
			}
			continue
		}
		cert, err := parseKey(k.Certificate)
		if made := (key{cert: cert}); err != nil || !alg.fits(made) || !alg.verify(made, signed, value) {
			continue
		}
		switch k.State {
		case idp.KeyPending:
			return fault(idp.CodeSAMLKey, "pending", "Signed with a certificate that waits for confirmation. Compare its fingerprint with the identity provider's and confirm it.", "key is pending")
		case idp.KeyRetired:
			return fault(idp.CodeSAMLKey, "retired", "Signed with a certificate that was retired. Activate the identity provider's newer certificate there, or upload its metadata again.", "key is retired")
		case idp.KeyActive:
		default:
			return fault(idp.CodeSAMLKey, "unknown", hintUnknownKey(p.provider), "key is in no known state")
		}
	}
	if !fits {
		return fault(idp.CodeSAMLKey, "type", "Signed with another kind of key than the connection has. Upload the identity provider's metadata again.", "no active key fits the algorithm")
	}
	return fault(idp.CodeSAMLKey, "unknown", hintUnknownKey(p.provider), "no active key matches")
}

// admitSHA1 refuses SHA-1 unless an admin's exception still runs: collisions can be bought.
func (p signaturePolicy) admitSHA1(used bool, out *proof) error {
	if !used {
		return nil
	}
	if !p.now.Before(p.allowSHA1) {
		return fault(idp.CodeSAMLSHA1, "sha1", hintSHA1(p.provider), "signed with SHA-1")
	}
	out.sha1 = true
	return nil
}

// reference is the one Reference of a signature, read from signed bytes.
type reference struct {
	digest   string
	value    []byte
	prefixes string
	spaced   bool
}

// readReference repeats what xmlguard holds a signature against: it saw the bytes before they were canonical, and a
// reader of them must not have to trust that.
func readReference(info *etree.Element, id string) (reference, error) {
	refs := children(info, nsDSig, "Reference")
	if len(refs) != 1 || len(info.ChildElements()) != 3 {
		return reference{}, signature("reference", "SignedInfo has not exactly one reference")
	}
	ref := refs[0]
	if id == "" || attr(ref, "URI") != "#"+id {
		return reference{}, signature("reference", "reference is to another element")
	}
	list := child(ref, nsDSig, "Transforms")
	if list == nil || len(ref.ChildElements()) != 3 {
		return reference{}, signature("transforms", "reference has no transforms")
	}
	steps := children(list, nsDSig, "Transform")
	if len(steps) != 2 || len(list.ChildElements()) != 2 || algorithm(steps[0]) != enveloped || algorithm(steps[1]) != excC14N {
		return reference{}, signature("transforms", "transforms are not enveloped signature and exclusive canonicalization")
	}
	out := reference{digest: algorithm(child(ref, nsDSig, "DigestMethod")), prefixes: prefixList(steps[1])}
	h, ok := digests[out.digest]
	if !ok {
		return reference{}, signature("algorithm", "digest algorithm is not one of ours")
	}
	encoded := text(child(ref, nsDSig, "DigestValue"))
	value, err := decodeBase64(encoded)
	if err != nil || len(value) != h.Size() {
		return reference{}, signature("digest", "digest has the wrong length")
	}
	out.value, out.spaced = value, blanks(encoded)
	return out, nil
}

// readKeyInfo reads the first certificate that a signature brings, to explain refusals and to tell what gosaml2 can judge.
func readKeyInfo(sig *etree.Element) (present bool, cert []byte) {
	all := certificateTexts(sig)
	if len(all) == 0 {
		return child(sig, nsDSig, "KeyInfo") != nil, nil
	}
	der, err := decodeBase64(all[0])
	if err != nil {
		return true, nil
	}
	return true, der
}

// certificateTexts lists the certificates in the KeyInfo of a signature or an encrypted key.
func certificateTexts(el *etree.Element) (all []string) {
	for _, data := range children(child(el, nsDSig, "KeyInfo"), nsDSig, "X509Data") {
		for _, c := range children(data, nsDSig, "X509Certificate") {
			all = append(all, text(c))
		}
	}
	return all
}

// detach copies el out of its document, with every namespace in scope declared on the copy. The empty context counts no
// steps: xmlguard has bounded them.
func detach(el *etree.Element) (*etree.Element, error) {
	if el == nil {
		return nil, signature("shape", "signature misses an element")
	}
	ctx, err := scope(el.Parent())
	if err != nil {
		return nil, signature("namespace", "namespaces do not resolve")
	}
	out, err := etreeutils.NSDetatch(ctx, el)
	if err != nil {
		return nil, signature("namespace", "namespaces do not resolve")
	}
	return out, nil
}

func scope(el *etree.Element) (etreeutils.NSContext, error) {
	if el == nil {
		return etreeutils.EmptyNSContext, nil
	}
	ctx, err := scope(el.Parent())
	if err != nil {
		return ctx, err
	}
	return ctx.SubContext(el)
}

// canonicalize renders el, which it changes, in exclusive canonical form (Exclusive XML Canonicalization §2).
func canonicalize(el *etree.Element, prefixes string) ([]byte, error) {
	out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(el)
	if err != nil {
		return nil, signature("c14n", "element cannot be canonicalized")
	}
	return out, nil
}

// prefixList is the InclusiveNamespaces of a canonicalization.
func prefixList(method *etree.Element) string {
	return attr(child(method, nsExcC14N, "InclusiveNamespaces"), "PrefixList")
}

func algorithm(el *etree.Element) string {
	return attr(el, "Algorithm")
}

// blanks reports white space within base64 that encoding/base64 does not pass over.
func blanks(s string) bool { return strings.ContainsAny(s, " \t") }

// decodeBase64 reads base64 as XML carries it: with white space anywhere (XML Schema Part 2 §3.2.16).
func decodeBase64(s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, s)
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("read base64: %w", err)
	}
	return b, nil
}

func signature(detail, what string) error {
	return fault(idp.CodeSAMLSignature, detail, "The answer was changed on its way, or the identity provider signs in a way that is not accepted. Try again; if it goes on, compare the signing settings.", what)
}
