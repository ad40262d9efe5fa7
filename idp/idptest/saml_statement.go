package idptest

import (
	"cmp"
	"strings"
)

func (p *SAMLIdP) subject(m *message, o RespondOptions) *node {
	life := cmp.Or(o.ConfirmFor, o.Lifetime, m.m.life)
	var extra *node
	if o.ExtraConfirmation != "" {
		extra = el(m.a("SubjectConfirmation"), []attr{{"Method", o.ExtraConfirmation}})
	}
	return el(m.a("Subject"), nil, m.nameIDElement(o), extra,
		el(m.a("SubjectConfirmation"), []attr{{"Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer"}},
			el(m.a("SubjectConfirmationData"), pairs("InResponseTo", o.InResponseTo, "NotOnOrAfter", instant(o.Now.Add(life)), "Recipient", or(o.Recipient, o.SP.ACS)))))
}

func (m *message) nameIDElement(o RespondOptions) *node {
	format := or(o.NameIDFormat, cmp.Or(o.SP.NameIDFormat, m.m.format))
	value := o.Person.Sub
	switch format {
	case FormatEmail:
		value = o.Person.Email
	case FormatTransient:
		value = newID()
	}
	if o.NameID == None {
		return nil
	}
	return leaf(m.a("NameID"), cmp.Or(o.NameID, value),
		pairs("Format", format, "NameQualifier", o.NameQualifier, "SPNameQualifier", o.SPNameQualifier)...)
}

func (m *message) conditionsElement(o RespondOptions) *node {
	from := o.NotBefore
	if from.IsZero() {
		from = o.Now.Add(-m.m.early)
	}
	audiences := o.Audiences
	if audiences == nil {
		audiences = []string{o.SP.EntityID}
	}
	n := el(m.a("Conditions"), pairs("NotBefore", instant(from), "NotOnOrAfter", instant(o.Now.Add(cmp.Or(o.Lifetime, m.m.life)))))
	if len(audiences) == 0 {
		return n
	}
	restriction := el(m.a("AudienceRestriction"), nil)
	for _, a := range audiences {
		restriction.Kids = append(restriction.Kids, leaf(m.a("Audience"), a))
	}
	n.Kids = append(n.Kids, restriction)
	return n
}

func (m *message) authnStatement(o RespondOptions) *node {
	at := o.AuthnInstant
	if at.IsZero() {
		at = o.Now
	}
	ends := ""
	if session := cmp.Or(o.SessionFor, m.m.session); session > 0 {
		ends = instant(o.Now.Add(session))
	}
	return el(m.a("AuthnStatement"), pairs("AuthnInstant", instant(at), "SessionIndex", or(o.SessionIndex, newID()), "SessionNotOnOrAfter", ends),
		el(m.a("AuthnContext"), nil, leaf(m.a("AuthnContextClassRef"), or(o.ACR, m.m.authn))))
}

// attributeStatement is absent where there is nothing to say: the schema wants one Attribute at least.
func (m *message) attributeStatement(o RespondOptions) *node {
	n := el(m.a("AttributeStatement"), nil)
	if m.m.typing == statement {
		n.Attrs = []attr{{"xmlns:xs", nsSchema}, {"xmlns:xsi", nsInstance}}
	}
	for _, a := range m.said(o) {
		e := el(m.a("Attribute"), pairs("FriendlyName", a.FriendlyName, "Name", a.Name, "NameFormat", m.m.nameFormat))
		for _, v := range a.Values {
			e.Kids = append(e.Kids, leaf(m.a("AttributeValue"), v, m.valueAttrs()...))
		}
		n.Kids = append(n.Kids, e)
	}
	if len(n.Kids) == 0 {
		return nil
	}
	return n
}

func (m *message) valueAttrs() []attr {
	switch m.m.typing {
	case onValue:
		return []attr{{"xmlns:xs", nsSchema}, {"xmlns:xsi", nsInstance}, {"xsi:type", m.m.xsiType}}
	case statement:
		return []attr{{"xsi:type", m.m.xsiType}}
	case untyped:
	}
	return nil
}

// said is what the assertion says about the person.
func (m *message) said(o RespondOptions) []SAMLAttribute {
	if o.Attributes != nil {
		return o.Attributes
	}
	given, family, _ := strings.Cut(o.Person.Name, " ")
	var out []SAMLAttribute
	for _, a := range [][2]string{{m.m.email, o.Person.Email}, {m.m.given, given}, {m.m.family, family}, {m.m.display, o.Person.Name}, {m.m.objectID, o.Person.Sub}} {
		if a[0] != "" && a[1] != "" {
			out = append(out, SAMLAttribute{Name: a[0], Values: []string{a[1]}})
		}
	}
	return append(append(out, m.groupAttributes(o)...), o.Extra...)
}

func (m *message) groupAttributes(o RespondOptions) []SAMLAttribute {
	groups := o.Groups
	if groups == nil {
		groups = o.Person.Groups
	}
	switch over := m.m.maxGroups > 0 && len(groups) > m.m.maxGroups; {
	case over && m.m.link != "":
		return []SAMLAttribute{{Name: m.m.link, Values: []string{"https://graph.windows.net/" + tenantGUID + "/users/" + o.Person.Sub + "/getMemberObjects"}}}
	case over:
		groups = groups[:m.m.maxGroups]
	case len(groups) == 0:
		return nil
	}
	if !m.m.splitRoles {
		return []SAMLAttribute{{Name: m.m.groups, Values: groups}}
	}
	var out []SAMLAttribute
	for _, g := range groups {
		out = append(out, SAMLAttribute{Name: m.m.groups, Values: []string{g}})
	}
	return out
}
