package saml

import (
	"strings"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp"
)

// parse reads a document that xmlguard has accepted, or that we have made canonical ourselves.
func parse(b []byte) (*etree.Element, error) {
	doc := etree.NewDocument()
	doc.ReadSettings.PreserveDuplicateAttrs = true // a second one is refused, not dropped
	doc.ReadSettings.Entity = map[string]string{}
	doc.ReadSettings.MaxDepth = 40
	if err := doc.ReadFromBytes(b); err != nil {
		return nil, fault(idp.CodeSAMLXML, "parse", "", "document does not parse")
	}
	if doc.Root() == nil {
		return nil, fault(idp.CodeSAMLXML, "parse", "", "document has no root")
	}
	return doc.Root(), nil
}

// is reports that el has this expanded name.
func is(el *etree.Element, ns, local string) bool {
	return el.Tag == local && el.NamespaceURI() == ns
}

// children are the child elements of that name, in order.
func children(el *etree.Element, ns, local string) []*etree.Element {
	if el == nil {
		return nil
	}
	var out []*etree.Element
	for c := range el.ChildElementsSeq() {
		if is(c, ns, local) {
			out = append(out, c)
		}
	}
	return out
}

// child is the only child element of that name; nil where there is none, or several.
func child(el *etree.Element, ns, local string) *etree.Element {
	all := children(el, ns, local)
	if len(all) != 1 {
		return nil
	}
	return all[0]
}

// text is the text of an element without child elements, untouched.
func text(el *etree.Element) string {
	if el == nil {
		return ""
	}
	if len(el.Child) == 1 {
		if t, ok := el.Child[0].(*etree.CharData); ok {
			return t.Data
		}
	}
	var b strings.Builder
	for _, c := range el.Child {
		if t, ok := c.(*etree.CharData); ok {
			b.WriteString(t.Data)
		}
	}
	return b.String()
}

// trimmed is text without the white space of XML around it; Unicode's stays.
func trimmed(el *etree.Element) string {
	return strings.Trim(text(el), " \t\r\n")
}

// attr is the value of an attribute without prefix, which is what SAML and XML Signature use throughout. etree's own
// look-up takes a prefixed one for it.
func attr(el *etree.Element, name string) string {
	v, _ := lookup(el, name)
	return v
}

func lookup(el *etree.Element, name string) (string, bool) {
	if el == nil {
		return "", false
	}
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// leaf reports that el has no child elements.
func leaf(el *etree.Element) bool {
	for range el.ChildElementsSeq() {
		return false
	}
	return true
}
