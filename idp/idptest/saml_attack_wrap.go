package idptest

import (
	"net/url"

	"github.com/tracio-ai/ssogate/idp"
)

// wrapping is an attack in which a true signature stands in the document and another element is read (Somorovsky and
// others, "On Breaking SAML: Be Whoever You Want to Be", 2012). Whoever has any signed response of the provider becomes
// anybody.
func wrapping(name, detail string, what SAMLSign, change func(f SAMLForgery, m *message)) SAMLAttack {
	return SAMLAttack{Name: name, Wins: "with a signed response of their own the attacker signs in as anybody", Code: idp.CodeSAMLShape, Detail: detail, Forge: after(what, change)}
}

func wrappingAttacks() []SAMLAttack {
	return []SAMLAttack{
		wrapping("xsw1-response-in-its-signature", "reference-uri", SignResponse, func(f SAMLForgery, m *message) {
			f.wrapResponse(m, func(evil, original, sig *node) {
				sig.Kids = append(sig.Kids, sigObject(sig, original))
				evil.insert(1, sig)
			})
		}),
		wrapping("xsw1-response-inside-signature-without-object", "reference-uri", SignResponse, func(f SAMLForgery, m *message) {
			f.wrapResponse(m, func(evil, original, sig *node) {
				sig.Kids = append(sig.Kids, original)
				evil.insert(1, sig)
			})
		}),
		wrapping("xsw2-response-before-its-signature", "misplaced-response", SignResponse, func(f SAMLForgery, m *message) {
			f.wrapResponse(m, func(evil, original, sig *node) { evil.insert(1, original, sig) })
		}),
		wrapping("xsw2-response-in-extensions", "reference-uri", SignResponse, func(f SAMLForgery, m *message) {
			f.wrapResponse(m, func(evil, original, sig *node) { evil.insert(1, sig, el(m.p("Extensions"), nil, original)) })
		}),
		wrapping("xsw2-response-in-status-detail", "reference-uri", SignResponse, func(f SAMLForgery, m *message) {
			f.wrapResponse(m, func(evil, original, sig *node) {
				evil.insert(1, sig)
				evil.child("Status").Kids = append(evil.child("Status").Kids, el(m.p("StatusDetail"), nil, original))
			})
		}),
		wrapping("xsw3-evil-assertion-first", "two-assertions", SignAssertion, func(f SAMLForgery, m *message) {
			m.root.insert(2, f.evil(m))
		}),
		wrapping("xsw3-evil-assertion-last", "two-assertions", SignAssertion, func(f SAMLForgery, m *message) {
			m.root.Kids = append(m.root.Kids, f.evil(m))
		}),
		wrapping("xsw3-evil-assertion-with-the-same-id", "duplicate-id", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			evil.set("ID", m.assertion.get("ID"))
			m.root.insert(2, evil)
		}).coded(idp.CodeSAMLXML),
		wrapping("xsw4-evil-assertion-around-the-signed-one", "misplaced-assertion", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.replace(m.assertion, evil)
			evil.Kids = append(evil.Kids, m.assertion)
		}),
		wrapping("xsw5-evil-assertion-takes-the-signature", "reference-uri", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			evil.insert(1, take(m.assertion))
			m.root.insert(2, evil)
		}),
		wrapping("xsw6-signed-assertion-in-its-signature", "reference-uri", SignAssertion, func(f SAMLForgery, m *message) {
			evil, sig := f.evil(m), take(m.assertion)
			sig.Kids = append(sig.Kids, m.assertion)
			evil.insert(1, sig)
			m.root.replace(m.assertion, evil)
		}),
		wrapping("xsw7-evil-assertion-in-extensions", "misplaced-assertion", SignAssertion, func(f SAMLForgery, m *message) {
			m.root.insert(1, el(m.p("Extensions"), nil, f.evil(m)))
		}),
		wrapping("xsw7-signed-assertion-in-extensions", "misplaced-assertion", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.replace(m.assertion, evil)
			m.root.insert(1, el(m.p("Extensions"), nil, m.assertion))
		}),
		wrapping("xsw8-signed-assertion-in-object", "reference-uri", SignAssertion, func(f SAMLForgery, m *message) {
			evil, sig := f.evil(m), take(m.assertion)
			sig.Kids = append(sig.Kids, sigObject(sig, m.assertion))
			evil.insert(1, sig)
			m.root.replace(m.assertion, evil)
		}),
		wrapping("wrap-object-after-own-signature", "signature-object", SignAssertion, func(f SAMLForgery, m *message) {
			sig := m.assertion.child("Signature")
			sig.Kids = append(sig.Kids, sigObject(sig, f.evil(m)))
		}),
		wrapping("wrap-in-advice", "advice", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.replace(m.assertion, evil)
			evil.insert(3, el(m.a("Advice"), nil, m.assertion))
		}),
		wrapping("wrap-in-confirmation-data", "misplaced-assertion", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.replace(m.assertion, evil)
			evil.find("SubjectConfirmationData").Kids = []*node{m.assertion}
		}),
		wrapping("wrap-in-attribute-value", "misplaced-assertion", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.replace(m.assertion, evil)
			evil.find("AttributeValue").Kids = []*node{m.assertion}
		}),
		wrapping("wrap-in-key-info", "reference-uri", SignAssertion, func(f SAMLForgery, m *message) {
			evil, sig := f.evil(m), m.assertion.child("Signature").clone()
			sig.child("KeyInfo").Kids = []*node{m.assertion}
			evil.insert(1, sig)
			m.root.replace(m.assertion, evil)
		}),
		wrapping("wrap-signature-at-response", "reference-uri", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.insert(1, take(m.assertion))
			m.root.insert(3, evil)
		}),
		wrapping("wrap-unknown-element", "unexpected-element", SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			m.root.replace(m.assertion, evil)
			m.root.insert(0, el("x:Wrapper", []attr{{"xmlns:x", "urn:example:x"}}, m.assertion))
		}),
		wrapping("wrap-assertion-as-root", "root", SignAssertion, func(_ SAMLForgery, m *message) { m.root = m.assertion }),
		wrapping("wrap-response-in-response", "misplaced-response", SignResponse, func(_ SAMLForgery, m *message) {
			inner := m.root
			m.root = el(inner.Name, inner.clone().Attrs, inner.child("Issuer").clone(), inner.child("Status").clone(), inner)
			m.root.set("ID", newID())
		}),
		{Name: "wrap-swapped-assertion", Wins: "a signed envelope carries an assertion nobody signed", Code: idp.CodeSAMLSignature, Detail: "digest",
			Forge: after(SignResponse, func(f SAMLForgery, m *message) { m.root.replace(m.assertion, f.evil(m)) })},
		{Name: "wrap-swapped-signed-assertion", Wins: "the assertion of an earlier sign-in is put into a newer envelope", Code: idp.CodeSAMLSignature, Detail: "digest",
			Forge: after(SignBoth, func(f SAMLForgery, m *message) {
				old, err := f.IdP.respond(RespondOptions{SP: f.SP, Person: f.Person, InResponseTo: f.InResponseTo, Now: f.Now, Sign: SignAssertion})
				if err == nil {
					m.root.replace(m.assertion, old.assertion)
				}
			})},
		{Name: "signature-moved-behind-subject", Wins: "two readers take different children for the signed ones", Code: idp.CodeSAMLShape, Detail: "element-order",
			Forge: after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.insert(3, take(m.assertion)) })},
		{Name: "signature-in-subject", Wins: "a signature anywhere below vouches for the whole", Code: idp.CodeSAMLShape, Detail: "misplaced-signature",
			Forge: after(SignAssertion, func(_ SAMLForgery, m *message) {
				s := m.assertion.child("Subject")
				s.Kids = append(s.Kids, take(m.assertion))
			})},
		{Name: "signature-in-attribute-value", Wins: "a person who can set an attribute brings a signature", Code: idp.CodeSAMLShape, Detail: "misplaced-signature",
			Forge: after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.find("AttributeValue").Kids = []*node{take(m.assertion)} })},
		{Name: "two-signatures", Wins: "one signature is verified and another is read", Code: idp.CodeSAMLShape, Detail: "two-signatures",
			Forge: after(SignAssertion, func(_ SAMLForgery, m *message) { m.assertion.insert(1, m.assertion.child("Signature").clone()) })},
	}
}

func (a SAMLAttack) coded(c idp.Code) SAMLAttack { a.Code = c; return a }

func (a SAMLAttack) set(change func(*idp.SAMLSettings)) SAMLAttack { a.Settings = change; return a }

// wrapResponse makes a false response around the true one: place puts original and signature where the attack wants them.
func (f SAMLForgery) wrapResponse(m *message, place func(evil, original, sig *node)) {
	sig := take(m.root)
	evil := m.root.clone()
	evil.set("ID", newID())
	if a := evil.child("Assertion"); a != nil {
		a.set("ID", newID())
	}
	f.become(evil)
	place(evil, m.root, sig)
	m.root = evil
}

// unsignedForm is a response that nobody signed.
func (f SAMLForgery) unsignedForm() url.Values {
	o := f.base()
	o.Sign = SignNothing
	o.Person = f.Victim
	return f.form(o)
}
