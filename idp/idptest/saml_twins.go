package idptest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// SAMLTwin is a response that looks like an attack and is none: it must sign the person in.
type SAMLTwin struct {
	Name     string
	Why      string // who sends it
	Groups   int    // how many it lists; negative: as many as the person has
	Settings func(*idp.SAMLSettings)
	Forge    func(SAMLForgery) url.Values
	Deliver  func(*http.Request)
}

// BenignTwins returns what a verifier that refuses too much refuses.
func BenignTwins() []SAMLTwin {
	return append(keyTwins(), contentTwins()...)
}

// manyGroups are values of 36 characters, as directories name groups.
func manyGroups(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
	}
	return out
}

// keyTwins are about who signs and how.
func keyTwins() []SAMLTwin {
	by := func(name, why, kind string, change func(*RespondOptions)) SAMLTwin {
		when := time.Unix(1_600_000_000, 0)
		k, err := NewSAMLKey(kind, "next", when, when.AddDate(30, 0, 0))
		if err != nil {
			panic(err)
		}
		return SAMLTwin{Name: name, Why: why, Groups: -1,
			Settings: func(s *idp.SAMLSettings) {
				s.IdP.Keys = append(s.IdP.Keys, idp.SAMLKey{Certificate: k.Certificate, SHA256: k.SHA256(), State: idp.KeyActive, Source: "metadata"})
			},
			Forge: ask(func(_ SAMLForgery, o *RespondOptions) { o.Key = &k; change(o) })}
	}
	twin := func(name, why string, change func(*RespondOptions)) SAMLTwin {
		return SAMLTwin{Name: name, Why: why, Groups: -1, Forge: ask(func(_ SAMLForgery, o *RespondOptions) { change(o) })}
	}
	return []SAMLTwin{
		by("second-key-without-key-info", "a provider in the middle of a rollover that names no key", "rsa", func(o *RespondOptions) { o.KeyInfo = KeyInfoNone }),
		by("ecdsa-p256", "Keycloak with an EC key", "p256", func(*RespondOptions) {}),
		by("ecdsa-p384", "Keycloak with an EC key", "p384", func(*RespondOptions) {}),
		by("ecdsa-p521", "Keycloak with an EC key", "p521", func(*RespondOptions) {}),
		twin("no-key-info", "a provider that names no key", func(o *RespondOptions) { o.KeyInfo = KeyInfoNone }),
		{Name: "key-info-of-a-renewed-certificate", Why: "a provider that renewed its certificate and kept the key", Groups: -1,
			Forge: ask(func(f SAMLForgery, o *RespondOptions) {
				k, err := CertifySAMLKey(f.IdP.Key().Signer, "renewed", f.Now.Add(-time.Hour), f.Now.Add(time.Hour))
				if err != nil {
					panic(err)
				}
				o.KeyInfo, o.OtherCertificate = KeyInfoOther, k.Certificate
			})},
		twin("rsa-sha384", "a strict provider", func(o *RespondOptions) { o.Algorithm, o.Digest = AlgRSASHA384, AlgSHA384 }),
		twin("rsa-sha512", "a strict provider", func(o *RespondOptions) { o.Algorithm, o.Digest = AlgRSASHA512, AlgSHA512 }),
		twin("assertion-signed-alone", "Entra ID", func(o *RespondOptions) { o.Sign = SignAssertion }),
		twin("response-signed-alone", "Google", func(o *RespondOptions) { o.Sign = SignResponse }),
		{Name: "sha-1-by-exception", Why: "a provider whose admin has until a date to change it", Groups: -1,
			Settings: func(s *idp.SAMLSettings) { s.AllowSHA1 = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC) },
			Forge:    ask(func(_ SAMLForgery, o *RespondOptions) { o.Algorithm, o.Digest = AlgRSASHA1, AlgSHA1 })},
		{Name: "signed-info-with-prefix-list", Why: "a provider whose library lists prefixes everywhere", Groups: -1,
			Forge: signed(func(_ SAMLForgery, s *signing) { s.signedList, s.prefixList = "ds", "saml" })},
		{Name: "key-info-elsewhere", Why: "a provider that says where its key is: nothing is fetched", Groups: -1, Forge: signed(func(_ SAMLForgery, s *signing) {
			s.keyInfo = func(p string, _ SAMLKey) *node {
				return el(p+":KeyInfo", nil, el(p+":RetrievalMethod", []attr{{"URI", "http://evil.example/key"}}))
			}
		})},
		{Name: "encrypted", Why: "a provider with our encryption key", Groups: -1, Forge: ask(func(f SAMLForgery, o *RespondOptions) { o.EncryptTo = f.Encryption })},
		{Name: "encrypted-key-beside", Why: "Shibboleth", Groups: -1, Forge: ask(func(f SAMLForgery, o *RespondOptions) {
			o.EncryptTo, o.Encryption = f.Encryption, SAMLEncryption{Beside: true, KeyInfo: true}
		})},
		{Name: "encrypted-oaep-sha-256", Why: "a strict provider", Groups: -1, Forge: ask(func(f SAMLForgery, o *RespondOptions) {
			o.EncryptTo, o.Encryption = f.Encryption, SAMLEncryption{Transport: AlgOAEP11, Digest: AlgSHA256, MGF: AlgMGF1SHA256, Data: AlgAES128GCM}
		})},
		{Name: "encrypted-cbc-in-a-signed-response", Why: "Entra ID that signs response and assertion, SimpleSAMLphp", Groups: -1, Forge: ask(func(f SAMLForgery, o *RespondOptions) {
			o.Sign, o.EncryptTo, o.Encryption = SignBoth, f.Encryption, SAMLEncryption{Data: AlgAES128CBC}
		})},
	}
}

// contentTwins are about what is said and how it is written.
func contentTwins() []SAMLTwin {
	twin := func(name, why string, forge func(SAMLForgery) url.Values) SAMLTwin {
		return SAMLTwin{Name: name, Why: why, Groups: -1, Forge: forge}
	}
	grouped := func(name string, profile SAMLProfile, encrypt bool) SAMLTwin {
		return SAMLTwin{Name: name, Why: "a directory of a large customer", Groups: 2000, Forge: ask(func(f SAMLForgery, o *RespondOptions) {
			o.Profile, o.Groups, o.NameIDFormat = profile, manyGroups(2000), FormatPersistent
			if encrypt {
				o.EncryptTo = f.Encryption
			}
		}), Settings: func(s *idp.SAMLSettings) { s.Attributes.Groups = []string{samlManners[profile].groups} }}
	}
	return []SAMLTwin{
		twin("plain", "everybody", ask(func(SAMLForgery, *RespondOptions) {})),
		grouped("2000-groups-with-types", SAMLOkta, false),
		grouped("2000-groups-with-types-encrypted", SAMLOkta, true),
		grouped("2000-groups-in-an-attribute-each", SAMLKeycloak, false),
		twin("confirmation-of-another-method", "a provider that serves other protocols", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.ExtraConfirmation = "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"
		})),
		twin("second-bearer-confirmation-for-another", "a provider that serves two addresses", before(func(_ SAMLForgery, m *message) {
			other := m.confirmation().clone()
			other.find("SubjectConfirmationData").set("Recipient", "https://other.example/acs")
			m.assertion.child("Subject").insert(1, other)
		})),
		twin("name-id-in-confirmation", "a provider that says who may bring the assertion (SAML 2.0 Core §2.4.1.1)", before(func(f SAMLForgery, m *message) {
			m.confirmation().insert(0, leaf(m.a("NameID"), f.Victim.Sub))
		})),
		twin("confirmation-with-address", "a provider that notes who asked", before(func(_ SAMLForgery, m *message) {
			m.assertion.find("SubjectConfirmationData").Attrs = append([]attr{{"Address", "192.0.2.7"}}, m.assertion.find("SubjectConfirmationData").Attrs...)
		})),
		{Name: "groups-in-repeated-attributes", Why: "Keycloak", Groups: 3, Settings: mapped, Forge: ask(func(_ SAMLForgery, o *RespondOptions) {
			o.Attributes = []SAMLAttribute{{Name: "groups", Values: []string{"a"}}, {Name: "email", Values: []string{"x@acme.example"}}, {Name: "groups", Values: []string{"b", "c"}}}
		})},
		{Name: "groups-in-two-statements", Why: "a provider that keeps sources apart", Groups: 2, Settings: mapped, Forge: before(func(_ SAMLForgery, m *message) {
			second := m.attributes().clone()
			for _, s := range []*node{m.attributes(), second} {
				s.Kids = []*node{el(m.a("Attribute"), []attr{{"Name", "groups"}}, leaf(m.a("AttributeValue"), "g"+s.Kids[0].content()))}
			}
			m.assertion.Kids = append(m.assertion.Kids, second)
		})},
		twin("padded-text", "a provider that indents its XML", before(func(_ SAMLForgery, m *message) {
			for _, n := range []*node{m.nameID(), m.assertion.child("Issuer"), m.assertion.find("Audience")} {
				n.setText("\n\t " + n.content() + "\n")
			}
		})),
		twin("indented", "a provider that indents its XML", before(func(_ SAMLForgery, m *message) { indent(m.root) })),
		twin("two-audiences", "a provider that serves a second application", ask(func(f SAMLForgery, o *RespondOptions) {
			o.Audiences = []string{"https://other.example", f.SP.EntityID}
		})),
		twin("one-time-use", "a careful provider", before(func(_ SAMLForgery, m *message) {
			m.conditions().Kids = append(m.conditions().Kids, el(m.a("OneTimeUse"), nil))
		})),
		twin("prefix-list", "Okta", ask(func(_ SAMLForgery, o *RespondOptions) { o.Profile, o.NameIDFormat = SAMLOkta, FormatPersistent })),
		twin("default-namespaces", "Entra ID", ask(func(_ SAMLForgery, o *RespondOptions) { o.Profile, o.NameIDFormat = SAMLEntra, FormatPersistent })),
		twin("prefixes-of-samlp-inside", "crewjam/saml repeats xmlns:saml", before(func(_ SAMLForgery, m *message) {
			m.assertion.child("Subject").insertAttr(m.declareAssertion())
		})),
		twin("no-destination-on-an-unsigned-response", "old providers", ask(func(_ SAMLForgery, o *RespondOptions) { o.Destination, o.Sign = None, SignAssertion })),
		twin("ampersand-and-brackets-in-values", "R&D departments", ask(func(_ SAMLForgery, o *RespondOptions) {
			o.Extra = []SAMLAttribute{{Name: "department", Values: []string{"R&D <x> \"y\" 'z' ]]>"}}}
		})),
		twin("characters-outside-ascii", "people", ask(func(_ SAMLForgery, o *RespondOptions) { o.Person.Name = "Zoë 山田 😀" })),
		twin("xml-declaration", "most libraries", prolog(`<?xml version="1.0" encoding="UTF-8"?>`+"\n")),
		twin("clock-a-minute-behind", "clocks", ask(func(f SAMLForgery, o *RespondOptions) { o.Now = f.Now.Add(-time.Minute) })),
		twin("clock-a-minute-ahead", "clocks", ask(func(f SAMLForgery, o *RespondOptions) { o.Now = f.Now.Add(time.Minute) })),
		twin("time-without-fraction", "AD FS", before(func(f SAMLForgery, m *message) { m.assertion.set("IssueInstant", f.Now.UTC().Format(time.RFC3339)) })),
		twin("time-with-seven-digits", ".NET", before(func(f SAMLForgery, m *message) {
			m.assertion.set("IssueInstant", f.Now.UTC().Format("2006-01-02T15:04:05.0000000Z"))
		})),
		twin("good-for-an-hour", "Auth0", ask(func(_ SAMLForgery, o *RespondOptions) { o.Lifetime = time.Hour })),
		twin("base64-in-lines", "Java", func(f SAMLForgery) url.Values {
			form := f.form(f.base())
			form.Set("SAMLResponse", inLines(form.Get("SAMLResponse")))
			return form
		}),
		twin("signature-in-lines", "Java", after(SignAssertion, func(_ SAMLForgery, m *message) {
			for _, name := range []string{"SignatureValue", "X509Certificate"} {
				n := m.assertion.find(name)
				n.setText("\n" + strings.ReplaceAll(inLines(n.content()), "\r", "") + "\n")
			}
		})),
		twin("no-relay-state", "a provider that loses it", func(f SAMLForgery) url.Values {
			form := f.form(f.base())
			form.Del("RelayState")
			return form
		}),
		{Name: "form-with-charset", Why: "some browsers", Groups: -1, Forge: ask(func(SAMLForgery, *RespondOptions) {}),
			Deliver: func(r *http.Request) {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
			}},
		{Name: "query-of-somebody-else", Why: "analytics", Groups: -1, Forge: ask(func(SAMLForgery, *RespondOptions) {}),
			Deliver: func(r *http.Request) { r.URL.RawQuery = "utm_source=x" }},
		{Name: "attribute-with-elements-that-nothing-maps", Why: "eduPersonTargetedID", Groups: -1, Forge: before(func(_ SAMLForgery, m *message) {
			m.attributes().Kids = append(m.attributes().Kids, el(m.a("Attribute"), []attr{{"Name", "urn:oid:1.3.6.1.4.1.5923.1.1.1.10"}},
				el(m.a("AttributeValue"), nil, el("x:id", []attr{{"xmlns:x", "urn:example:x"}}, text("y")))))
		})},
	}
}

func inLines(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}

// indent puts white space between elements.
func indent(n *node) {
	if len(n.Kids) == 0 || n.Kids[0].Name == "" {
		return
	}
	var out []*node
	for _, k := range n.Kids {
		indent(k)
		out = append(out, text("\n  "), k)
	}
	n.Kids = append(out, text("\n"))
}
