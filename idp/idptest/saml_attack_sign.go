package idptest

import (
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

const anybody = "anybody who knows the gate's addresses signs in as anybody"

func unsigned(name, detail, wins string, forge func(SAMLForgery) url.Values) SAMLAttack {
	return SAMLAttack{Name: name, Wins: wins, Code: idp.CodeSAMLSignature, Detail: detail, Forge: forge}
}

func shaped(name, detail, wins string, forge func(SAMLForgery) url.Values) SAMLAttack {
	return SAMLAttack{Name: name, Wins: wins, Code: idp.CodeSAMLShape, Detail: detail, Forge: forge}
}

func wantSigned(w idp.SAMLWantSigned) func(*idp.SAMLSettings) {
	return func(s *idp.SAMLSettings) { s.WantSigned = w }
}

// attacker makes a key of the attacker's own under the provider's name.
func attacker(f SAMLForgery, kind string) SAMLKey {
	if f.Key != nil && kind == "rsa" {
		return *f.Key
	}
	k, err := NewSAMLKey(kind, "idptest", f.Now.AddDate(0, 0, -1), f.Now.AddDate(1, 0, 0))
	if err != nil {
		panic(err)
	}
	return k
}

// signatureAttacks confuse what is signed with what, and whether.
func signatureAttacks() []SAMLAttack {
	return []SAMLAttack{
		unsigned("unsigned", "missing", anybody, SAMLForgery.unsignedForm),
		unsigned("signature-removed", "missing", "an attacker on the way changes the person", after(SignBoth, func(f SAMLForgery, m *message) {
			take(m.root)
			take(m.assertion)
			f.become(m.assertion)
		})),
		unsigned("assertion-changed", "digest", "an attacker on the way changes the person", after(SignAssertion, func(f SAMLForgery, m *message) { f.become(m.assertion) })),
		unsigned("response-changed", "digest", "an attacker on the way changes the person", after(SignResponse, func(f SAMLForgery, m *message) { f.become(m.assertion) })),
		unsigned("inner-signature-false", "digest", "a provider's signing envelope vouches for a forged assertion", half(true)),
		unsigned("outer-signature-false", "digest", "only one of two signatures is looked at", half(false)),
		unsigned("assertion-alone-where-response-is-wanted", "response-unsigned", "status and destination nobody vouches for", ask(func(_ SAMLForgery, o *RespondOptions) { o.Sign = SignAssertion })).set(wantSigned(idp.SignedResponse)),
		unsigned("response-alone-where-assertion-is-wanted", "assertion-unsigned", "a weaker signature than the tenant asked for", ask(func(_ SAMLForgery, o *RespondOptions) { o.Sign = SignResponse })).set(wantSigned(idp.SignedAssertion)),
		unsigned("one-signature-where-both-are-wanted", "response-unsigned", "a weaker signature than the tenant asked for", ask(func(_ SAMLForgery, o *RespondOptions) { o.Sign = SignAssertion })).set(wantSigned(idp.SignedBoth)),
		unsigned("signed-info-changed", "value", "a digest of the attacker's choice", after(SignAssertion, func(f SAMLForgery, m *message) {
			f.become(m.assertion)
			sig := take(m.assertion)
			digest, _, err := sum(AlgSHA256, canonical(m.assertion, scope{}, nil))
			if err != nil {
				panic(err)
			}
			sig.find("DigestValue").setText(base64.StdEncoding.EncodeToString(digest))
			m.assertion.insert(1, sig)
		})),
		unsigned("signature-of-another-response", "digest", "any signature of the provider's will do", after(SignAssertion, func(f SAMLForgery, m *message) {
			other, err := f.IdP.respond(RespondOptions{SP: f.SP, Person: f.Person, InResponseTo: f.InResponseTo, Now: f.Now, Sign: SignAssertion, AssertionID: m.assertion.get("ID")})
			if err != nil {
				panic(err)
			}
			f.become(m.assertion)
			m.assertion.replace(m.assertion.child("Signature"), other.assertion.child("Signature"))
		})),
		shaped("signature-empty", "base64", "an empty value is compared with nothing", after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.find("SignatureValue").Kids = nil })),
		shaped("signature-short", "signature-length", "a short value is padded with zeros", after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.find("SignatureValue").setText("AAAA") })),
		shaped("digest-empty", "base64", "an empty digest is compared with nothing", after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.find("DigestValue").Kids = nil })),
		shaped("digest-short", "digest-length", "a prefix of the digest is enough", after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.find("DigestValue").setText("AAAA") })),
		shaped("two-digest-values", "two-digest-values", "the second is read where the first is signed", after(SignAssertion, func(_ SAMLForgery, m *message) {
			r := m.assertion.find("Reference")
			r.Kids = append(r.Kids, r.child("DigestValue").clone())
		})),
		shaped("comment-free-digest-element", "element-in-text", "a digest in pieces is put together differently", after(SignAssertion, func(_ SAMLForgery, m *message) {
			d := m.assertion.find("DigestValue")
			d.Kids = append(d.Kids, el("ds:x", nil))
		})),
		algorithmAttack("algorithm-hmac-with-the-certificate", algHMAC, AlgSHA256, "algorithm", "the public certificate becomes a shared secret: "+anybody),
		algorithmAttack("algorithm-rsa-pss", algPSS, AlgSHA256, "algorithm", "parameters that are not read choose the hash"),
		algorithmAttack("algorithm-rsa-md5", algRSAMD5, AlgSHA256, "algorithm", "MD5 collides at will"),
		algorithmAttack("algorithm-none", "http://example.com/none", AlgSHA256, "algorithm", anybody),
		algorithmAttack("algorithm-dsa", nsDSig+"dsa-sha1", AlgSHA256, "algorithm", "a verifier for it accepts r = s = 0"),
		algorithmAttack("algorithm-ecdsa-for-an-rsa-key", AlgECDSASHA256, AlgSHA256, "signature-length", "a key is used for what it was not made").coded(idp.CodeSAMLShape),
		algorithmAttack("algorithm-sha-1", AlgRSASHA1, AlgSHA256, "sha1", "a collision that money buys gives two documents one signature").coded(idp.CodeSAMLSHA1),
		algorithmAttack("digest-sha-1", AlgRSASHA256, AlgSHA1, "sha1", "a collision that money buys gives two documents one digest").coded(idp.CodeSAMLSHA1),
		algorithmAttack("digest-md5", AlgRSASHA256, algMD5, "algorithm", "MD5 collides at will"),
		algorithmAttack("algorithm-empty", "", AlgSHA256, "algorithm", anybody),
	}
}

// half signs both and spoils the inner or the outer one.
func half(inner bool) func(SAMLForgery) url.Values {
	return ask(func(f SAMLForgery, o *RespondOptions) {
		o.Sign = SignBoth
		o.hooks.signing = func(element string, s *signing) {
			if (element == "assertion") == inner {
				s.edit = func(info *node) {
					info.find("DigestValue").setText(base64.StdEncoding.EncodeToString(make([]byte, 32)))
				}
			}
		}
	})
}

// algorithmAttack names algorithms and, where they can be, signs by them.
func algorithmAttack(name, alg, digest, detail, wins string) SAMLAttack {
	return unsigned(name, detail, wins, signed(func(f SAMLForgery, s *signing) {
		s.digest = digest
		switch alg {
		case algHMAC, algPSS, algRSAMD5, AlgRSASHA1, AlgRSASHA256:
			s.alg = alg
		default: // the value is an RSA signature under another name
			s.edit = func(info *node) { info.find("SignatureMethod").Attrs = []attr{{"Algorithm", alg}} }
		}
	}))
}

// keyAttacks sign with a key that the connection has no reason to trust.
func keyAttacks() []SAMLAttack {
	by := func(name, detail, wins string, change func(f SAMLForgery, o *RespondOptions)) SAMLAttack {
		return SAMLAttack{Name: name, Wins: wins, Code: idp.CodeSAMLKey, Detail: detail, Forge: ask(func(f SAMLForgery, o *RespondOptions) {
			o.Person, o.Sign = f.Victim, SignBoth
			change(f, o)
		})}
	}
	own := func(f SAMLForgery, o *RespondOptions) { k := attacker(f, "rsa"); o.Key = &k }
	state := func(s idp.SAMLKeyState) func(*idp.SAMLSettings) {
		return func(c *idp.SAMLSettings) {
			for i := range c.IdP.Keys {
				c.IdP.Keys[i].State = s
			}
			fresh, err := NewSAMLKey("p256", "active", c.IdP.Keys[0].FirstSeen.AddDate(-1, 0, 0), c.IdP.Keys[0].FirstSeen.AddDate(1, 0, 0))
			if err != nil {
				panic(err)
			}
			c.IdP.Keys = append(c.IdP.Keys, idp.SAMLKey{Certificate: fresh.Certificate, SHA256: fresh.SHA256(), State: idp.KeyActive, Source: "upload"})
		}
	}
	return []SAMLAttack{
		by("key-of-the-attacker-in-key-info", "unknown", "a certificate that the message brings is believed: "+anybody, own),
		by("key-of-the-attacker-without-key-info", "unknown", anybody, func(f SAMLForgery, o *RespondOptions) { own(f, o); o.KeyInfo = KeyInfoNone }),
		by("key-of-the-attacker-under-the-providers-certificate", "value", "KeyInfo chooses what is checked", func(f SAMLForgery, o *RespondOptions) {
			own(f, o)
			o.KeyInfo, o.OtherCertificate = KeyInfoOther, f.IdP.Key().Certificate
		}).coded(idp.CodeSAMLSignature),
		by("key-of-the-attacker-under-a-certificate-of-the-same-name", "unknown", "names of certificates are compared, and not keys", func(f SAMLForgery, o *RespondOptions) {
			k := attacker(f, "rsa")
			o.Key = &k
			real, err := x509.ParseCertificate(f.IdP.Key().Certificate)
			if err == nil {
				k2, err := CertifySAMLKey(k.Signer, real.Subject.CommonName, real.NotBefore, real.NotAfter)
				if err == nil {
					o.Key = &k2
				}
			}
		}),
		by("key-of-another-connection", "unknown", "one customer's provider signs people into another customer's tenant", func(f SAMLForgery, o *RespondOptions) {
			k := f.Other.Key()
			o.Key, o.Issuer = &k, f.IdP.EntityID()
		}),
		by("key-of-the-gate", "unknown", "a key that the gate published for itself verifies what it is sent", func(f SAMLForgery, o *RespondOptions) {
			o.KeyInfo, o.OtherCertificate = KeyInfoOther, f.Encryption
			own(f, o)
		}),
		by("ecdsa-key-of-the-attacker", "type", anybody, func(f SAMLForgery, o *RespondOptions) { k := attacker(f, "p256"); o.Key = &k }),
		by("key-retired", "retired", "a key that leaked and was withdrawn still opens", func(SAMLForgery, *RespondOptions) {}).set(state(idp.KeyRetired)),
		by("key-pending", "pending", "whoever can change the published metadata brings a key", func(SAMLForgery, *RespondOptions) {}).set(state(idp.KeyPending)),
		shaped("key-info-flood", "key-info", "a thousand certificates are parsed before anything is verified", signed(func(_ SAMLForgery, s *signing) {
			one := s.keyInfo
			s.keyInfo = func(p string, k SAMLKey) *node {
				n := one(p, k)
				for range 100 {
					n.Kids = append(n.Kids, n.Kids[0])
				}
				return n
			}
		})),
	}
}

// referenceAttacks change what a signature says it is of. They are signed with the provider's key, as by one that can be
// made to sign what it does not understand.
func referenceAttacks() []SAMLAttack {
	edit := func(name, detail, wins string, change func(info *node)) SAMLAttack {
		return shaped(name, detail, wins, signed(func(_ SAMLForgery, s *signing) { s.edit = change }))
	}
	transforms := func(name, wins string, list ...string) SAMLAttack {
		return shaped(name, "transforms", wins, signed(func(_ SAMLForgery, s *signing) { s.transforms = list }))
	}
	const anything = "the signature is of something else than what is read"
	const inclusiveC14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	return []SAMLAttack{
		edit("reference-empty", "reference-empty", "the whole document is meant, whichever that is when it is verified", func(n *node) { n.find("Reference").Attrs = []attr{{"URI", ""}} }),
		edit("reference-without-uri", "reference-empty", "the application may choose", func(n *node) { n.find("Reference").Attrs = nil }),
		edit("reference-to-nothing", "reference-uri", anything, func(n *node) { n.find("Reference").Attrs = []attr{{"URI", "#_nothing"}} }),
		edit("reference-outside", "reference-uri", "the gate fetches what is signed from the attacker", func(n *node) { n.find("Reference").Attrs = []attr{{"URI", "http://evil.example/doc"}} }),
		edit("reference-by-xpointer", "reference-uri", anything, func(n *node) {
			n.find("Reference").Attrs = []attr{{"URI", "#xpointer(id('" + strings.TrimPrefix(n.find("Reference").get("URI"), "#") + "'))"}}
		}),
		shaped("reference-to-the-response", "reference-uri", "a signature of one element vouches for another", ask(func(f SAMLForgery, o *RespondOptions) {
			o.Sign = SignAssertion
			var root *node
			o.hooks.message = func(m *message) { root = m.root }
			o.hooks.signing = func(_ string, s *signing) { uri := "#" + root.get("ID"); s.uri = &uri }
		})),
		edit("two-references", "two-references", "the first that matches counts, and the other is read", func(n *node) { n.Kids = append(n.Kids, n.find("Reference").clone()) }),
		edit("no-reference", "no-reference", "nothing is signed, truly", func(n *node) { n.remove(n.find("Reference")) }),
		transforms("transform-none", "nothing says that the signature is left out", []string{}...),
		transforms("transform-enveloped-alone", "canonical form is the verifier's choice", algEnveloped),
		transforms("transform-c14n-alone", "the signature signs itself", AlgExcC14N),
		transforms("transform-order", anything, AlgExcC14N, algEnveloped),
		transforms("transform-twice", "each one costs a copy of the document", algEnveloped, AlgExcC14N, AlgExcC14N),
		transforms("transform-xpath", "an expression takes what is read out of what is signed", algEnveloped, "http://www.w3.org/TR/1999/REC-xpath-19991116", AlgExcC14N),
		transforms("transform-xslt", "a program of the sender's runs in the gate", algEnveloped, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
		transforms("transform-base64", anything, algEnveloped, nsDSig+"base64"),
		transforms("transform-inclusive-c14n", "what stands around an assertion is signed with it, and lost when it is taken out", algEnveloped, inclusiveC14N),
		transforms("transform-with-comments", "comments are signed, and then not", algEnveloped, AlgExcC14N+"WithComments"),
		shaped("c14n-inclusive", "c14n-algorithm", "what stands around SignedInfo changes what it says", signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(n *node) { n.find("CanonicalizationMethod").Attrs = []attr{{"Algorithm", inclusiveC14N}} }
		})),
		shaped("c14n-with-comments", "c14n-algorithm", "comments in SignedInfo", signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(n *node) {
				n.find("CanonicalizationMethod").Attrs = []attr{{"Algorithm", AlgExcC14N + "WithComments"}}
			}
		})),
		shaped("c14n-unknown", "c14n-algorithm", "a canonicaliser that writes nothing makes every SignedInfo alike", signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(n *node) { n.find("CanonicalizationMethod").Attrs = []attr{{"Algorithm", "urn:example:none"}} }
		})),
		shaped("prefix-list-default", "prefix-list", "libraries disagree on #default", signed(func(_ SAMLForgery, s *signing) { s.prefixList = "#default" })),
		shaped("prefix-list-undeclared", "prefix-list", twoWays, signed(func(_ SAMLForgery, s *signing) { s.prefixList = "zz" })),
		shaped("prefix-list-long", "prefix-list", "each prefix is looked for at each element", signed(func(_ SAMLForgery, s *signing) { s.prefixList = strings.Repeat("saml ", 500) })),
		shaped("signature-object", "signature-object", "content inside the signature passes for signed", after(SignAssertion, func(_ SAMLForgery, m *message) {
			s := m.assertion.child("Signature")
			s.Kids = append(s.Kids, sigObject(s, text("x")))
		})),
		shaped("signature-manifest", "unexpected-element", "a manifest's references need not be verified", signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(n *node) { n.Kids = append(n.Kids, el("ds:Manifest", nil)) }
		})),
		shaped("two-signed-infos", "two-signed-infos", "one is verified and one is read", after(SignAssertion, func(_ SAMLForgery, m *message) {
			s := m.assertion.child("Signature")
			s.insert(1, s.child("SignedInfo").clone())
		})),
		shaped("signature-without-signed-info", "no-signed-info", anything, after(SignAssertion, func(_ SAMLForgery, m *message) {
			s := m.assertion.child("Signature")
			s.remove(s.child("SignedInfo"))
		})),
		shaped("two-digest-methods", "two-digest-methods", twoWays, signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(n *node) { r := n.find("Reference"); r.insert(1, r.child("DigestMethod").clone()) }
		})),
		shaped("hmac-output-length", "unexpected-element", "one bit of the signature is compared (CVE-2009-0217)", signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(n *node) { n.find("SignatureMethod").Kids = []*node{leaf("ds:HMACOutputLength", "1")} }
		})),
	}
}
