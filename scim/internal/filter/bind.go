package filter

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Binder gives the names in a filter their meaning: which attribute, of what type, compared how.
type Binder struct {
	Type *schema.ResourceType
	Fold func(string) string // makes two strings equal that differ in case only

	// Undefined treats an attribute the resource type does not have as unassigned, as a search across resource types
	// must (RFC 7644 §3.4.2.1). Without it such a filter is an error.
	Undefined bool
}

// Filter is a filter that can be answered. It is safe for concurrent use.
type Filter struct {
	root node
	typ  *schema.ResourceType
}

// Target is what a PATCH path is about.
type Target struct {
	schema.Ref         // Attr is nil where the path is the URN of a schema
	Filter     *Filter // which values of a multi-valued attribute; nil: the path says nothing about it
	Shape      string  // the path with ? for every value, for a log
}

// Filter reads a filter and binds it.
func (b Binder) Filter(text string) (*Filter, error) {
	e, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return b.Bind(e)
}

// Bind gives a filter its meaning for the resource type. An error is an *Error.
func (b Binder) Bind(e Expr) (*Filter, error) {
	s := scope{Binder: b, kind: InvalidFilter}
	root, err := s.bind(e)
	if err != nil {
		return nil, err
	}
	return &Filter{root: root, typ: b.Type}, nil
}

// Path reads the path of a PATCH operation and binds it. An error is an *Error, and matches schema.ErrUnknownSchema
// where the path names a schema that is not ours. A filter in the path that cannot be answered is invalidFilter.
func (b Binder) Path(text string) (Target, error) {
	e, err := ParsePath(text)
	if err != nil {
		return Target{}, err
	}
	attr := e.Path
	if e.Filter != nil {
		attr.Sub = ""
	}
	ref, err := b.Type.Lookup(attr)
	if err != nil {
		return Target{}, refused(InvalidPath, 1, err)
	}
	t := Target{Ref: ref, Shape: e.Shape()}
	if e.Filter == nil {
		return t, nil
	}
	s := scope{Binder: b, kind: InvalidFilter}
	inner, err := s.elements(ref, Elements{Filter: e.Filter, pos: 1})
	if err != nil {
		return Target{}, err
	}
	t.Filter = &Filter{root: inner.within, typ: b.Type}
	if e.Path.Sub == "" {
		return t, nil
	}
	if t.Sub = ref.Attr.SubAttribute(e.Path.Sub); t.Sub == nil {
		return Target{}, refused(InvalidPath, len(text)-len(e.Path.Sub)+1,
			fmt.Errorf("%w: %s has no sub-attribute %s", schema.ErrUnknownAttribute, ref.Attr.Name, e.Path.Sub))
	}
	return t, nil
}

func refused(kind string, pos int, err error) *Error {
	return &Error{Type: kind, Pos: pos, Detail: err.Error(), Err: err}
}

// scope is where names are looked up: the resource, or one value of a complex attribute.
type scope struct {
	Binder
	kind string
	of   *schema.Ref // the attribute whose values are looked at; nil: the resource
}

func (s *scope) bind(e Expr) (node, error) {
	switch e := e.(type) {
	case And:
		terms, err := s.list(e.Terms)
		return all(terms), err
	case Or:
		terms, err := s.list(e.Terms)
		return some(terms), err
	case Not:
		n, err := s.bind(e.Term)
		return inverse{n}, err
	case Compare:
		return s.compare(e)
	case Elements:
		return s.valuePath(e)
	default:
		return nil, &Error{Type: s.kind, Pos: 1, Detail: "not a filter"}
	}
}

func (s *scope) list(terms []Expr) ([]node, error) {
	var bound []node
	for _, t := range terms {
		n, err := s.bind(t)
		if err != nil {
			return nil, err
		}
		bound = append(bound, n)
	}
	return bound, nil
}

// lookup finds an attribute. Undefined is a reference without attribute, where that is allowed.
func (s *scope) lookup(p schema.Path, pos int) (schema.Ref, error) {
	ref, err := s.find(p)
	unknown := errors.Is(err, schema.ErrUnknownAttribute) || errors.Is(err, schema.ErrUnknownSchema)
	switch {
	case unknown && s.Undefined:
		return schema.Ref{}, nil
	case err != nil:
		return schema.Ref{}, refused(s.kind, pos, err)
	case ref.Attr == nil:
		return schema.Ref{}, &Error{Type: s.kind, Pos: pos, Detail: "a schema is not an attribute", Err: schema.ErrUnknownAttribute}
	case ref.Attr.Dropped, ref.Sub != nil && ref.Sub.Dropped:
		return schema.Ref{}, &Error{Type: s.kind, Pos: pos, Detail: ref.Leaf().Name + " is not kept and cannot be searched"}
	}
	return ref, nil
}

func (s *scope) find(p schema.Path) (schema.Ref, error) {
	if s.of == nil {
		return s.Type.Lookup(p)
	}
	ref := *s.of
	if p.URN == "" && p.Sub == "" {
		ref.Sub = ref.Attr.SubAttribute(p.Name)
	}
	if ref.Sub == nil || p.URN != "" || p.Sub != "" {
		return ref, fmt.Errorf("%w: %s has no sub-attribute %s", schema.ErrUnknownAttribute, ref.Attr.Name, p)
	}
	return ref, nil
}

func (s *scope) valuePath(e Elements) (node, error) {
	ref, err := s.lookup(e.Path, e.pos)
	if err != nil {
		return nil, err
	}
	if ref.Attr == nil {
		return constant(false), nil
	}
	return s.elements(ref, e)
}

func (s *scope) elements(ref schema.Ref, e Elements) (elements, error) {
	if ref.Attr == nil || ref.Attr.Type != schema.Complex {
		return elements{}, &Error{Type: s.kind, Pos: e.pos, Detail: "only an attribute with sub-attributes takes a filter in brackets"}
	}
	in := scope{Binder: s.Binder, kind: s.kind, of: &ref}
	within, err := in.bind(e.Filter)
	return elements{ref: ref, at: steps(ref), within: within}, err
}

// steps are the keys that lead from a resource to an attribute.
func steps(ref schema.Ref) []string {
	var keys []string
	if ref.Extension {
		keys = append(keys, ref.Schema.URN)
	}
	keys = append(keys, ref.Attr.Name)
	if ref.Sub != nil {
		keys = append(keys, ref.Sub.Name)
	}
	return keys
}

func (s *scope) compare(e Compare) (node, error) {
	ref, err := s.lookup(e.Path, e.pos)
	if err != nil {
		return nil, err
	}
	unassigned := e.Value.isNull()
	if ref.Attr == nil {
		holds := e.Op == Equal && unassigned || e.Op == NotEqual && !unassigned
		return constant(holds), nil
	}
	if leaf := ref.Leaf(); leaf.Type == schema.Complex && e.Op != Present && !unassigned {
		ref.Sub = leaf.Value()
		if ref.Sub == nil {
			return nil, s.refuse(e, "%s has sub-attributes: write which one, like %[1]s.%s", leaf.Name, leaf.Sub[0].Name)
		}
	}
	t := test{ref: ref, key: ref.Key(), op: e.Op, multi: ref.Attr.MultiValued, leaf: ref.Leaf(), fold: s.Fold}
	t.at = steps(ref)
	if s.of != nil {
		t.at = []string{ref.Sub.Name}
	}
	if t.leaf.CaseExact || t.leaf.Type != schema.String {
		t.fold = nil
	}
	return s.operand(t, e)
}

func (s *scope) refuse(e Compare, format string, args ...any) error {
	return &Error{Type: s.kind, Pos: e.pos, Detail: fmt.Sprintf(format, args...)}
}

// operand gives a test its value, according to the attribute's type.
func (s *scope) operand(t test, e Compare) (node, error) {
	if e.Op == Present {
		return t, nil
	}
	if n, ok := t.assigned(e.Value); ok {
		return n, nil
	}
	if e.Value.isNull() {
		return nil, s.refuse(e, "null can be compared by eq and ne only")
	}
	t.raw = e.Value.Text
	switch t.leaf.Type {
	case schema.String, schema.Reference:
		t.text = t.folded(t.raw)
		return t, nil
	case schema.Binary:
		t.text = t.raw
		if e.Op.orders() {
			return nil, s.refuse(e, "%s is binary and has no order: use eq or ne", t.leaf.Name)
		}
		return t, nil
	case schema.Boolean:
		return s.boolean(t, e)
	case schema.DateTime:
		return s.instant(t, e)
	case schema.Integer, schema.Decimal, schema.Complex:
	}
	return nil, s.refuse(e, "%s cannot be compared", t.leaf.Name)
}

func (s *scope) boolean(t test, e Compare) (node, error) {
	if e.Op != Equal && e.Op != NotEqual {
		return nil, s.refuse(e, "%s is true or false: use eq or ne", t.leaf.Name)
	}
	t.truth = strings.EqualFold(t.raw, "true")
	if !t.truth && !strings.EqualFold(t.raw, "false") {
		return nil, s.refuse(e, "%s is true or false", t.leaf.Name)
	}
	return t, nil
}

func (s *scope) instant(t test, e Compare) (node, error) {
	switch e.Op {
	case Contains, StartsWith, EndsWith:
		t.text = t.raw
		return t, nil
	case Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual, Present:
	}
	var ok bool
	if t.when, ok = instant(t.raw); !ok {
		return nil, s.refuse(e, "%s is a date: write it like \"2011-05-13T04:42:34Z\"", t.leaf.Name)
	}
	return t, nil
}

// instant reads the dateTime of RFC 7643 §2.3.5. Without a zone it is UTC.
func instant(text string) (time.Time, bool) {
	if strings.Contains(text, ",") { // time.Parse takes a comma for a point
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", text)
	}
	return t.UTC(), err == nil
}

// orders reports whether the operator asks which of two values is greater.
func (o Op) orders() bool {
	return o == Greater || o == GreaterEqual || o == Less || o == LessEqual
}
