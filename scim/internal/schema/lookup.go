package schema

import (
	"errors"
	"fmt"
	"strings"
)

// Why a path was refused. PATCH and POST treat them differently: a name we should know and do not is an error, a
// schema we never heard of is somebody's custom mapping.
var (
	ErrUnknownSchema    = errors.New("unknown schema")
	ErrUnknownAttribute = errors.New("unknown attribute")
	ErrSyntax           = errors.New("not an attribute path")
)

// Path is an attribute path as somebody wrote it (RFC 7644 §3.10), cut up but not looked up.
type Path struct {
	URN  string // schema, without the colon that ends it; empty: not given
	Name string // attribute; empty: URN is all there is
	Sub  string // sub-attribute; empty: none
}

// String is the path as it is written.
func (p Path) String() string {
	text := p.Name
	switch {
	case p.URN != "" && p.Name != "":
		text = p.URN + ":" + p.Name
	case p.URN != "":
		text = p.URN
	}
	if p.Sub != "" {
		text += "." + p.Sub
	}
	return text
}

// Split cuts a path up: `name`, `name.sub`, `urn:…:name`, `urn:…:name.sub`. A schema alone looks like a schema and
// an attribute and is cut so; Resolve knows better.
func Split(text string) (Path, error) {
	var p Path
	rest := text
	if isURN(text) {
		for i := range len(text) {
			if !urnByte(text[i]) {
				return Path{}, fmt.Errorf("%w: %q does not belong into a schema", ErrSyntax, text[i:i+1])
			}
		}
		colon := strings.LastIndexByte(text, ':')
		p.URN, rest = text[:colon], text[colon+1:]
	}
	name, sub, dotted := strings.Cut(rest, ".")
	if IsName(name) && (!dotted || IsName(sub)) {
		p.Name, p.Sub = name, sub
		return p, nil
	}
	if p.URN != "" && rest != "" && len(p.URN) > len("urn:") { // urn:example:thing:1.0 has no attribute at its end
		return Path{URN: text}, nil
	}
	return Path{}, fmt.Errorf("%w: want a name like userName or name.givenName", ErrSyntax)
}

// IsName reports whether text can be the name of an attribute (RFC 7643 §2.1), $ref included.
func IsName(text string) bool {
	text = strings.TrimPrefix(text, "$")
	if text == "" || !letter(text[0]) {
		return false
	}
	for i := range len(text) {
		if !NameByte(text[i]) {
			return false
		}
	}
	return true
}

// NameByte reports whether a name may have c inside.
func NameByte(c byte) bool {
	return letter(c) || '0' <= c && c <= '9' || c == '-' || c == '_'
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// urnByte reports whether a URN may have c (RFC 8141 §2). Parentheses could, but end a filter's words.
func urnByte(c byte) bool {
	return NameByte(c) || strings.IndexByte(".:~%!$&'*+,;=@/", c) >= 0
}

func isURN(text string) bool {
	const scheme = "urn:"
	return len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme)
}

// Ref is an attribute that was found: where it stands and how its values behave.
type Ref struct {
	Schema    *Schema    // core schema or extension
	Extension bool       // Schema is an extension: its attributes lie in an object of their own under the URN
	Attr      *Attribute // nil: the schema as a whole
	Sub       *Attribute // nil: the attribute as a whole
}

// Leaf is the attribute at the end of the path; nil for a whole schema.
func (r Ref) Leaf() *Attribute {
	if r.Sub != nil {
		return r.Sub
	}
	return r.Attr
}

// Key is the canonical spelling: `name.givenName`, and with the URN for an extension. Two paths mean the same
// attribute exactly when their keys are the same text.
func (r Ref) Key() string {
	p := Path{}
	if r.Extension || r.Attr == nil {
		p.URN = r.Schema.URN
	}
	if r.Attr != nil {
		p.Name = r.Attr.Name
	}
	if r.Sub != nil {
		p.Sub = r.Sub.Name
	}
	return p.String()
}

// Resolve splits a path and looks it up.
func (t *ResourceType) Resolve(text string) (Ref, error) {
	p, err := Split(text)
	if err != nil {
		return Ref{}, err
	}
	return t.Lookup(p)
}

// Lookup finds what a path means for this resource type, in any case. Without a URN the core schema comes first, then
// an extension, if only one has the name. Errors are ErrUnknownSchema or ErrUnknownAttribute, wrapped.
func (t *ResourceType) Lookup(p Path) (Ref, error) {
	if ref, ok := t.bare(p); ok {
		return ref, nil
	}
	if p.URN == "" {
		return t.unqualified(p)
	}
	for i, s := range t.schemas() {
		if strings.EqualFold(s.URN, p.URN) {
			return t.in(s, i > 0, p)
		}
	}
	return Ref{}, fmt.Errorf("%w: %s has no schema %s", ErrUnknownSchema, t.Name, p.URN)
}

// SchemaFor finds the core schema or an extension of this resource type by its URN, in any case; nil if it has none.
func (t *ResourceType) SchemaFor(urn string) *Schema {
	for _, s := range t.schemas() {
		if strings.EqualFold(s.URN, urn) {
			return s
		}
	}
	return nil
}

func (t *ResourceType) schemas() []*Schema {
	return append([]*Schema{t.Schema}, t.Extensions...)
}

// bare recognises a schema's URN that was cut up as if its last part were an attribute.
func (t *ResourceType) bare(p Path) (Ref, bool) {
	if p.URN == "" {
		return Ref{}, false
	}
	text := p.String()
	for i, s := range t.schemas() {
		if strings.EqualFold(s.URN, text) {
			return Ref{Schema: s, Extension: i > 0}, true
		}
	}
	return Ref{}, false
}

func (t *ResourceType) unqualified(p Path) (Ref, error) {
	if t.attribute(t.Schema, false, p.Name) != nil {
		return t.in(t.Schema, false, p)
	}
	var found []*Schema
	for _, s := range t.Extensions {
		if s.Attribute(p.Name) != nil {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return Ref{}, fmt.Errorf("%w: %s has no attribute %s", ErrUnknownAttribute, t.Name, p.Name)
	case 1:
		return t.in(found[0], true, p)
	default:
		return Ref{}, fmt.Errorf("%w: several schemas have an attribute %s, write it with its schema: %s:%s",
			ErrUnknownAttribute, p.Name, found[0].URN, p.Name)
	}
}

// attribute finds a top-level attribute. The common ones (RFC 7643 §3.1) belong to no schema and are found in the core.
func (t *ResourceType) attribute(s *Schema, extension bool, name string) *Attribute {
	if !extension {
		if a := find(common, name); a != nil {
			return a
		}
	}
	return s.Attribute(name)
}

func (t *ResourceType) in(s *Schema, extension bool, p Path) (Ref, error) {
	attr := t.attribute(s, extension, p.Name)
	if attr == nil {
		return Ref{}, fmt.Errorf("%w: %s has no attribute %s", ErrUnknownAttribute, s.URN, p.Name)
	}
	ref := Ref{Schema: s, Extension: extension, Attr: attr}
	if p.Sub == "" {
		return ref, nil
	}
	ref.Sub = attr.SubAttribute(p.Sub)
	if ref.Sub == nil {
		return Ref{}, fmt.Errorf("%w: %s has no sub-attribute %s", ErrUnknownAttribute, attr.Name, p.Sub)
	}
	return ref, nil
}

func find(list []*Attribute, name string) *Attribute {
	for _, a := range list {
		if strings.EqualFold(a.Name, name) {
			return a
		}
	}
	return nil
}
