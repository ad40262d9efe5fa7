package idptest

import (
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

const asVictim = "a name that is read differently from how it was signed is the victim's"

// subjectAttacks blur who is meant.
func subjectAttacks() []SAMLAttack {
	named := func(name, detail, wins string, change func(f SAMLForgery, o *RespondOptions)) SAMLAttack {
		return refused(name, idp.CodeSAMLNameID, detail, wins, ask(change))
	}
	return []SAMLAttack{
		named("name-id-empty", "empty", "everybody is one person", func(_ SAMLForgery, o *RespondOptions) {
			o.hooks.message = func(m *message) { m.nameID().Kids = nil }
		}),
		named("name-id-of-spaces", "empty", "everybody is one person", func(_ SAMLForgery, o *RespondOptions) { o.NameID = " \n " }),
		named("name-id-missing", "missing", "everybody is one person", func(_ SAMLForgery, o *RespondOptions) { o.NameID = None }),
		shaped("two-name-ids", "two-name-ids", asVictim, before(func(f SAMLForgery, m *message) {
			evil := m.nameID().clone()
			evil.setText(f.Victim.Sub)
			m.assertion.child("Subject").insert(1, evil)
		})),
		shaped("two-subjects", "two-subjects", asVictim, before(func(f SAMLForgery, m *message) {
			evil := m.assertion.child("Subject").clone()
			f.become(evil)
			m.assertion.insert(2, evil)
		})),
		shaped("subject-missing", "no-subject", "everybody is one person", before(func(_ SAMLForgery, m *message) { m.assertion.remove(m.assertion.child("Subject")) })),
		shaped("base-id", "base-id", asVictim, before(func(f SAMLForgery, m *message) {
			m.assertion.child("Subject").insert(0, leaf(m.a("BaseID"), f.Victim.Sub))
		})),
		shaped("encrypted-id", "encrypted-id", asVictim, before(func(_ SAMLForgery, m *message) {
			s := m.assertion.child("Subject")
			s.replace(m.nameID(), el(m.a("EncryptedID"), nil))
		})),
		shaped("encrypted-attribute", "encrypted-attribute", "what cannot be read is passed over", before(func(_ SAMLForgery, m *message) {
			m.attributes().Kids = append(m.attributes().Kids, el(m.a("EncryptedAttribute"), nil))
		})),
		shaped("element-in-name-id", "element-in-text", asVictim, before(func(f SAMLForgery, m *message) {
			m.nameID().Kids = []*node{text(f.Victim.Sub), el("x:y", []attr{{"xmlns:x", "urn:example:x"}}, text("evil"))}
		})),
		named("name-id-of-300-characters", "text", "a store that cuts names takes two for one", func(_ SAMLForgery, o *RespondOptions) { o.NameID = strings.Repeat("x", 300) }),
		named("name-id-with-line-end", "text", "a name that forges lines of a log or splits a header", func(_ SAMLForgery, o *RespondOptions) { o.NameID = "mallory\r\nadmin" }),
		named("name-id-with-delete", "text", asVictim, func(_ SAMLForgery, o *RespondOptions) { o.NameID = "mal\u007Flory" }),
		named("name-id-qualifier-with-line-end", "text", asVictim, func(_ SAMLForgery, o *RespondOptions) { o.NameQualifier = "a\nb" }),
		named("name-id-in-another-format", "format", "a name somebody can choose passes for the one that is assigned", func(_ SAMLForgery, o *RespondOptions) { o.NameIDFormat = FormatUnspecified }).
			set(func(s *idp.SAMLSettings) { s.NameIDFormat = FormatPersistent }),
		named("name-id-transient", "transient", "a name that comes again by chance is another person", func(_ SAMLForgery, o *RespondOptions) { o.NameIDFormat = FormatTransient }),
		shaped("confirmation-missing", "no-confirmation", "whoever holds the assertion is its subject", before(func(_ SAMLForgery, m *message) {
			s := m.assertion.child("Subject")
			s.remove(m.confirmation())
		})),
		shaped("five-confirmations", "too-many-confirmations", "one of many holds by luck", before(func(_ SAMLForgery, m *message) {
			s := m.assertion.child("Subject")
			for range 4 {
				s.Kids = append(s.Kids, m.confirmation().clone())
			}
		})),
		refused("confirmation-holder-of-key", idp.CodeSAMLRecipient, "no-bearer", "an assertion that is bound to a key is used without it", before(func(_ SAMLForgery, m *message) {
			m.confirmation().set("Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
		})),
		refused("confirmations-that-hold-only-together", idp.CodeSAMLRecipient, "other", "fields of two confirmations are merged into one that holds", before(func(_ SAMLForgery, m *message) {
			second := m.confirmation().clone()
			m.confirmation().find("SubjectConfirmationData").set("Recipient", "https://other.example/acs")
			second.find("SubjectConfirmationData").set("InResponseTo", "")
			s := m.assertion.child("Subject")
			s.Kids = append(s.Kids, second)
		})),
		shaped("two-confirmation-data", "two-confirmation-data", "fields of two are merged into one that holds", before(func(_ SAMLForgery, m *message) {
			c := m.confirmation()
			c.Kids = append(c.Kids, c.find("SubjectConfirmationData").clone())
		})),
		refused("email-twice", idp.CodeSAMLAttributes, "several", asVictim, ask(func(f SAMLForgery, o *RespondOptions) {
			o.Extra = []SAMLAttribute{{Name: "email", Values: []string{f.Victim.Email}}}
		})).set(mapped),
		refused("email-with-two-values", idp.CodeSAMLAttributes, "several", asVictim, ask(func(f SAMLForgery, o *RespondOptions) {
			o.Attributes = []SAMLAttribute{{Name: "email", Values: []string{f.Person.Email, f.Victim.Email}}}
		})).set(mapped),
		refused("email-with-elements", idp.CodeSAMLAttributes, "not-text", asVictim, before(func(f SAMLForgery, m *message) {
			m.assertion.find("AttributeValue").Kids = []*node{text(f.Victim.Email), el("x:y", []attr{{"xmlns:x", "urn:example:x"}}, text(".evil.example"))}
		})).set(mapped),
		refused("group-with-elements", idp.CodeSAMLAttributes, "not-text", "a group's name is put together from pieces", before(func(_ SAMLForgery, m *message) {
			all := m.attributes().Kids
			all[len(all)-1].find("AttributeValue").Kids = []*node{text("admin"), el("x:y", []attr{{"xmlns:x", "urn:example:x"}}, text("-of-the-canteen"))}
		})).set(mapped),
		refused("subject-attribute-missing", idp.CodeSAMLAttributes, "subject", "everybody is one person", ask(func(SAMLForgery, *RespondOptions) {})).
			set(func(s *idp.SAMLSettings) { s.SubjectFrom = "employeeNumber" }),
		refused("subject-attribute-twice", idp.CodeSAMLAttributes, "several", asVictim, ask(func(_ SAMLForgery, o *RespondOptions) {
			o.Extra = []SAMLAttribute{{Name: "employeeNumber", Values: []string{"1", "2"}}}
		})).set(func(s *idp.SAMLSettings) { s.SubjectFrom = "employeeNumber" }),
	}
}

func mapped(s *idp.SAMLSettings) {
	s.Attributes = idp.SAMLAttributes{Email: []string{"email"}, Groups: []string{"groups"}}
}
