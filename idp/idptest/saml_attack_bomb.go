package idptest

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// SAMLBombs returns the attacks that want CPU or memory of a gate before anybody has proved anything. Each is to cost no
// more than a good document of its size.
func SAMLBombs() []SAMLAttack {
	const stall = "a few such messages at once and nobody signs in"
	many := func(n int, one func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(one(i))
		}
		return b.String()
	}
	inValue := func(name, detail string, code idp.Code, content func() string) SAMLAttack {
		return refused(name, code, detail, stall, after(SignAssertion, func(_ SAMLForgery, m *message) {
			m.assertion.find("AttributeValue").Kids = []*node{raw(content())}
		}))
	}
	onRoot := func(name, detail string, attrs func() string) SAMLAttack {
		return refused(name, idp.CodeSAMLXML, detail, stall, written(func(xml string) string {
			i := strings.Index(xml, ">")
			return xml[:i] + attrs() + xml[i:]
		}))
	}
	under := func(name string, content func() string) SAMLAttack { // every limit, so that it is parsed; who signed it is found out then
		return refused(name, idp.CodeSAMLKey, "unknown", stall, ask(func(f SAMLForgery, o *RespondOptions) {
			k := attacker(f, "rsa")
			o.Sign, o.Key, o.KeyInfo = SignBoth, &k, KeyInfoNone
			o.hooks.signed = func(m *message) { m.assertion.find("AttributeValue").Kids = []*node{raw(content())} }
		}))
	}
	return []SAMLAttack{
		under("bomb-below-the-limit-of-elements", func() string { return strings.Repeat("<x></x>", 4900) }),
		under("bomb-below-the-limit-of-attributes", func() string {
			return strings.Repeat("<x"+many(30, func(i int) string { return fmt.Sprintf(` attribute%d="value"`, i) })+"></x>", 600)
		}),
		under("bomb-below-the-limit-of-depth", func() string {
			return strings.Repeat(strings.Repeat(`<x a="b">`, 20)+strings.Repeat("</x>", 20), 240)
		}),
		under("bomb-below-the-limit-of-namespaces", func() string {
			one := "<n0:x" + many(14, func(i int) string { return fmt.Sprintf(` xmlns:n%d="urn:n%d"`, i, i) }) + "></n0:x>"
			return strings.Repeat(one, 1300)
		}),
		under("bomb-below-the-limit-of-nested-namespaces", func() string {
			var b strings.Builder
			for i := range 22 {
				fmt.Fprintf(&b, `<n%d:x xmlns:n%d="urn:n%d">`, i, i, i)
			}
			b.WriteString(strings.Repeat("<n0:y></n0:y>", 4800))
			for i := 21; i >= 0; i-- {
				fmt.Fprintf(&b, `</n%d:x>`, i)
			}
			return b.String()
		}),
		onRoot("bomb-4000-namespaces-on-the-root", "too-many-xmlns", func() string {
			return many(4000, func(i int) string { return fmt.Sprintf(` xmlns:n%d="urn:n"`, i) })
		}),
		onRoot("bomb-100000-attributes", "too-many-attributes", func() string {
			return many(50_000, func(i int) string { return fmt.Sprintf(` a%d=""`, i) })
		}),
		onRoot("bomb-long-namespace", "xmlns-uri", func() string { return ` xmlns:long="urn:` + strings.Repeat("x", 400<<10) + `"` }),
		inValue("bomb-namespaces-nested", "too-deep", idp.CodeSAMLXML, func() string {
			return many(1000, func(i int) string { return fmt.Sprintf(`<x xmlns:n%d="urn:n%d">`, i, i) }) + strings.Repeat("</x>", 1000)
		}),
		inValue("bomb-namespaces-on-siblings", "too-many-prefixes", idp.CodeSAMLXML, func() string {
			return many(3000, func(i int) string { return fmt.Sprintf(`<n%d:x xmlns:n%d="urn:n"/>`, i, i) })
		}),
		inValue("bomb-long-namespace-on-siblings", "canonical-size", idp.CodeSAMLXML, func() string {
			return `<x xmlns:n="urn:` + strings.Repeat("x", 1000) + `">` + strings.Repeat("<n:x/>", 4000) + "</x>"
		}),
		inValue("bomb-deep", "too-many-elements", idp.CodeSAMLXML, func() string { return strings.Repeat("<x>", 50_000) + strings.Repeat("</x>", 50_000) }),
		inValue("bomb-wide", "too-many-elements", idp.CodeSAMLXML, func() string { return strings.Repeat("<x/>", 120_000) }),
		inValue("bomb-entities", "reference", idp.CodeSAMLXML, func() string { return strings.Repeat("&lol9;", 50_000) }),
		refused("bomb-billion-laughs", idp.CodeSAMLXML, "doctype", stall, prolog(`<!DOCTYPE lolz [<!ENTITY lol "lol">`+
			many(9, func(i int) string { return fmt.Sprintf(`<!ENTITY lol%d "%s">`, i+1, strings.Repeat("&lol;", 10)) })+`]>`)),
		refused("bomb-comments", idp.CodeSAMLXML, "comment", stall, prolog(strings.Repeat("<!-- -->", 50_000))),
		refused("bomb-open-tags", idp.CodeSAMLXML, "too-many-elements", stall, func(f SAMLForgery) url.Values { return f.posted(encodeForm(strings.Repeat("<", 600<<10))) }),
		refused("bomb-open-attribute", idp.CodeSAMLXML, "syntax", stall, func(f SAMLForgery) url.Values {
			return f.posted(encodeForm(`<a b="` + strings.Repeat("x", 600<<10)))
		}),
		shaped("bomb-many-signatures", "two-signatures", stall, after(SignAssertion, func(_ SAMLForgery, m *message) {
			sig := m.assertion.child("Signature")
			for range 200 {
				m.assertion.insert(1, sig.clone())
			}
		})),
		shaped("bomb-many-references", "two-references", stall, signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(info *node) {
				ref := info.find("Reference")
				for range 500 {
					info.Kids = append(info.Kids, ref.clone())
				}
			}
		})),
		shaped("bomb-many-transforms", "transforms", stall, signed(func(_ SAMLForgery, s *signing) {
			s.transforms = append([]string{algEnveloped}, strings.Fields(strings.Repeat(AlgExcC14N+" ", 1000))...)
		})),
		shaped("bomb-prefix-list", "prefix-list", stall, signed(func(_ SAMLForgery, s *signing) { s.prefixList = strings.Repeat("saml ds xs ", 10_000) })),
		shaped("bomb-many-assertions", "two-assertions", stall, after(SignAssertion, func(f SAMLForgery, m *message) {
			evil := f.evil(m)
			for range 100 {
				c := evil.clone()
				c.set("ID", newID())
				m.root.Kids = append(m.root.Kids, c)
			}
		})),
		shaped("bomb-certificates", "key-info", stall, signed(func(_ SAMLForgery, s *signing) {
			s.keyInfo = func(p string, k SAMLKey) *node {
				return el(p+":KeyInfo", nil, el(p+":X509Data", nil, leaf(p+":X509Certificate", strings.Repeat("A", 200<<10))))
			}
		})),
	}
}
