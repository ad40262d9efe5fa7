package idptest

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// The namespaces of a SAML message.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsDSig      = "http://www.w3.org/2000/09/xmldsig#"
	nsXEnc      = "http://www.w3.org/2001/04/xmlenc#"
	nsSchema    = "http://www.w3.org/2001/XMLSchema"
	nsInstance  = "http://www.w3.org/2001/XMLSchema-instance"
)

// node is an element, or text where Name is empty. Raw, where set, is what is written; canonicalisation reads Text.
type node struct {
	Name  string // with its prefix, as written
	Attrs []attr // namespace declarations too, as written
	Kids  []*node
	Text  string
	Raw   string
}

type attr struct{ Name, Value string }

// el makes an element; kids that are nil are left out.
func el(name string, attrs []attr, kids ...*node) *node {
	return &node{Name: name, Attrs: attrs, Kids: slices.DeleteFunc(kids, func(k *node) bool { return k == nil })}
}

func text(s string) *node { return &node{Text: s} }

// leaf is an element that holds only text.
func leaf(name, value string, attrs ...attr) *node { return el(name, attrs, text(value)) }

// raw is bytes that no tree can hold, for the attacks.
func raw(s string) *node { return &node{Raw: s} }

// pairs makes attributes of names and values in turn, leaving out those whose value is empty.
func pairs(s ...string) []attr {
	var out []attr
	for i := 0; i+1 < len(s); i += 2 {
		if s[i+1] != "" {
			out = append(out, attr{s[i], s[i+1]})
		}
	}
	return out
}

func (n *node) clone() *node {
	c := *n
	c.Attrs = slices.Clone(n.Attrs)
	c.Kids = make([]*node, len(n.Kids))
	for i, k := range n.Kids {
		c.Kids[i] = k.clone()
	}
	return &c
}

func local(name string) string { return name[strings.IndexByte(name, ':')+1:] }

func prefix(name string) string {
	if before, _, ok := strings.Cut(name, ":"); ok {
		return before
	}
	return ""
}

// find returns the first element called name below n, whatever its prefix.
func (n *node) find(name string) *node {
	for _, k := range n.Kids {
		if k.Name != "" && local(k.Name) == name {
			return k
		}
		if found := k.find(name); found != nil {
			return found
		}
	}
	return nil
}

// child returns the first child called name.
func (n *node) child(name string) *node {
	for _, k := range n.Kids {
		if k.Name != "" && local(k.Name) == name {
			return k
		}
	}
	return nil
}

func (n *node) get(name string) string {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// set changes an attribute; an empty value removes it.
func (n *node) set(name, value string) {
	i := slices.IndexFunc(n.Attrs, func(a attr) bool { return a.Name == name })
	switch {
	case value == "" && i >= 0:
		n.Attrs = slices.Delete(n.Attrs, i, i+1)
	case value == "":
	case i >= 0:
		n.Attrs[i].Value = value
	default:
		n.Attrs = append(n.Attrs, attr{name, value})
	}
}

// setText replaces everything inside n.
func (n *node) setText(s string) { n.Kids = []*node{text(s)} }

// content is the text below n.
func (n *node) content() string {
	if n.Name == "" {
		return n.Text
	}
	var b strings.Builder
	for _, k := range n.Kids {
		b.WriteString(k.content())
	}
	return b.String()
}

// remove takes a child out.
func (n *node) remove(k *node) {
	n.Kids = slices.DeleteFunc(n.Kids, func(x *node) bool { return x == k })
}

// insert puts children in front of the i-th.
func (n *node) insert(i int, kids ...*node) {
	n.Kids = slices.Insert(n.Kids, min(i, len(n.Kids)), kids...)
}

// replace puts another child where k is.
func (n *node) replace(k, by *node) {
	if i := slices.Index(n.Kids, k); i >= 0 {
		n.Kids[i] = by
	}
}

var (
	textEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	attrEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

// xml writes the tree as it is. Its attributes are written in their order and no tag closes itself, so that what the
// writer makes is its own canonical form, but for namespaces that nothing uses visibly.
func (n *node) xml() string {
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	switch {
	case n.Raw != "":
		b.WriteString(n.Raw)
		return
	case n.Name == "":
		_, _ = textEscapes.WriteString(b, n.Text)
		return
	}
	b.WriteString("<" + n.Name)
	for _, a := range n.Attrs {
		writeAttr(b, a.Name, a.Value)
	}
	b.WriteByte('>')
	for _, k := range n.Kids {
		k.write(b)
	}
	b.WriteString("</" + n.Name + ">")
}

func writeAttr(b *strings.Builder, name, value string) {
	b.WriteString(" " + name + `="`)
	_, _ = attrEscapes.WriteString(b, value)
	b.WriteByte('"')
}

// scope is the namespaces in force, by prefix.
type scope map[string]string

func (s scope) with(n *node) scope {
	out := s
	for _, a := range n.Attrs {
		if p, ok := declares(a.Name); ok {
			if len(out) == len(s) {
				out = maps.Clone(s)
			}
			out[p] = a.Value
		}
	}
	return out
}

func declares(name string) (prefix string, ok bool) {
	if name == "xmlns" {
		return "", true
	}
	return strings.CutPrefix(name, "xmlns:")
}

// scopeOf is what is in force at n's parent, for a tree that begins at root.
func scopeOf(root, n *node) scope {
	s, _ := scopeAbove(root, n, scope{})
	return s
}

func scopeAbove(root, n *node, s scope) (scope, bool) {
	if root == n {
		return s, true
	}
	s = s.with(root)
	for _, k := range root.Kids {
		if found, ok := scopeAbove(k, n, s); ok {
			return found, true
		}
	}
	return s, false
}

// canonical is Exclusive XML Canonicalization 1.0 without comments of n, where outer is in force around it and inclusive
// is the PrefixList.
func canonical(n *node, outer scope, inclusive []string) []byte {
	var b strings.Builder
	canonicalise(&b, n, outer, scope{"": ""}, inclusive)
	return []byte(b.String())
}

func canonicalise(b *strings.Builder, n *node, inForce, rendered scope, inclusive []string) {
	if n.Name == "" {
		_, _ = textEscapes.WriteString(b, n.Text)
		return
	}
	inForce = inForce.with(n)
	used := map[string]bool{prefix(n.Name): true}
	var plain []attr
	for _, a := range n.Attrs {
		if _, is := declares(a.Name); is {
			continue
		}
		plain = append(plain, a)
		if p := prefix(a.Name); p != "" && p != "xml" {
			used[p] = true
		}
	}
	for _, p := range inclusive {
		if _, known := inForce[p]; known {
			used[p] = true
		}
	}
	b.WriteString("<" + n.Name)
	rendered = maps.Clone(rendered)
	for _, p := range slices.Sorted(maps.Keys(used)) {
		if uri, was := rendered[p]; was && uri == inForce[p] {
			continue
		}
		rendered[p] = inForce[p]
		name := "xmlns"
		if p != "" {
			name += ":" + p
		}
		writeAttr(b, name, inForce[p])
	}
	slices.SortStableFunc(plain, func(x, y attr) int {
		return strings.Compare(expanded(x.Name, inForce), expanded(y.Name, inForce))
	})
	for _, a := range plain {
		writeAttr(b, a.Name, a.Value)
	}
	b.WriteByte('>')
	for _, k := range n.Kids {
		canonicalise(b, k, inForce, rendered, inclusive)
	}
	b.WriteString("</" + n.Name + ">")
}

// expanded orders attributes by namespace, then local name; those without a prefix are in none.
func expanded(name string, s scope) string {
	p := prefix(name)
	if p == "" {
		return "\x00" + name
	}
	return s[p] + "\x00" + local(name)
}

// parseXML reads what a service provider sends. Comments are dropped; nothing but elements and text is understood.
func parseXML(doc []byte) (*node, error) {
	if len(doc) > 1<<20 {
		return nil, errors.New("document is too large")
	}
	d := xml.NewDecoder(bytes.NewReader(doc))
	top := &node{Name: "top"}
	open := []*node{top}
	for {
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read XML: %w", err)
		}
		parent := open[len(open)-1]
		switch t := t.(type) {
		case xml.StartElement:
			n := &node{Name: qname(t.Name)}
			for _, a := range t.Attr {
				n.Attrs = append(n.Attrs, attr{qname(a.Name), a.Value})
			}
			parent.Kids = append(parent.Kids, n)
			if open = append(open, n); len(open) > 64 {
				return nil, errors.New("elements are nested too deep")
			}
		case xml.EndElement:
			if len(open) == 1 || parent.Name != qname(t.Name) {
				return nil, errors.New("tags do not match")
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 1 {
				parent.Kids = append(parent.Kids, text(string(t)))
			}
		case xml.Directive:
			return nil, errors.New("a document type is not read")
		}
	}
	if len(open) != 1 || len(top.Kids) != 1 {
		return nil, errors.New("not one document")
	}
	return top.Kids[0], nil
}

func qname(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}
