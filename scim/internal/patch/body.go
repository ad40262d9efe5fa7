package patch

import (
	"maps"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Mode says what a body is for.
type Mode int

// The requests that carry a whole resource.
const (
	Create  Mode = iota // POST
	Replace             // PUT
)

// Body is the resource that a POST or PUT describes.
type Body struct {
	// Doc holds every assigned attribute that a client may write, in canonical names; attributes of an extension in an
	// object under its URN. Active is in it where it is true or false.
	Doc map[string]any
	// KeepActive says that a PUT does not name active: what it was stays.
	KeepActive bool
	// HasMembers says that Members replaces those of a group. Without it they stay.
	HasMembers bool
	Members    Members
	// Dropped names what was accepted and thrown away.
	Dropped []string
}

// Over returns the document that a PUT leaves where old was. Neither is changed.
func (b *Body) Over(old map[string]any) map[string]any {
	out := clone(b.Doc)
	if active, ok := old["active"]; ok && b.KeepActive {
		out["active"] = active
	}
	return out
}

// Normalize reads the body of a POST or PUT, as package jsonread decodes it. An error is an *Error.
func Normalize(t *schema.ResourceType, body map[string]any, mode Mode) (*Body, error) {
	b := &Body{Doc: make(map[string]any), KeepActive: mode == Replace && t == schema.Users()}
	if err := checkSchemas(field(body, "schemas").value); err != nil {
		return nil, err
	}
	r := bodyReader{kind: t, body: b, seen: make(map[string]bool)}
	for _, key := range slices.Sorted(maps.Keys(body)) {
		if err := r.member(key, body[key]); err != nil {
			return nil, err
		}
	}
	if mode == Create && t == schema.Users() && !r.seen["active"] {
		b.Doc["active"] = true
	}
	if err := r.complete(); err != nil {
		return nil, err
	}
	b.Dropped = r.values.dropped
	return b, nil
}

// checkSchemas makes sure that schemas is a list of URNs. Which of them are named does not matter: what the body has
// data of does.
func checkSchemas(v any) error {
	list, ok := v.([]any)
	if v == nil || ok && !slices.ContainsFunc(list, func(item any) bool { _, text := item.(string); return !text }) {
		return nil
	}
	return refuse(invalidValue, "schemas takes an array of strings")
}

type bodyReader struct {
	kind   *schema.ResourceType
	values normaliser
	body   *Body
	seen   map[string]bool // keys of the attributes that were read
}

// complete checks what a resource has to have.
func (r *bodyReader) complete() error {
	for _, a := range r.kind.Schema.Attributes {
		if a.Required && r.body.Doc[a.Name] == nil {
			return refuse(invalidValue, "%s is required", a.Name)
		}
	}
	return nil
}

// member reads one attribute, or the object of an extension.
func (r *bodyReader) member(key string, v any) error {
	if s := r.kind.SchemaFor(key); s != nil && s != r.kind.Schema {
		return r.extension(s, v)
	}
	ref, ok := r.find(key)
	if !ok || ref.Extension && !strings.Contains(key, ":") {
		if !unassigned(v) { // null says that there is nothing to keep
			r.values.drop(key)
		}
		return nil
	}
	return r.attribute(ref, v)
}

// find looks up a whole attribute.
func (r *bodyReader) find(name string) (schema.Ref, bool) {
	ref, err := r.kind.Resolve(name)
	return ref, err == nil && ref.Attr != nil && ref.Sub == nil
}

func (r *bodyReader) extension(s *schema.Schema, v any) error {
	if unassigned(v) {
		return nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		return refuse(invalidValue, "%s takes an object", s.URN)
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		path := s.URN + ":" + key
		ref, ok := r.find(path)
		if !ok || ref.Schema != s {
			if !unassigned(object[key]) {
				r.values.drop(path)
			}
			continue
		}
		if err := r.attribute(ref, object[key]); err != nil {
			return err
		}
	}
	return nil
}

func (r *bodyReader) attribute(ref schema.Ref, v any) error {
	a, key := ref.Attr, ref.Key()
	switch {
	case a.Dropped, a.Mutability == schema.ReadOnly, a.Name == "schemas":
		return nil
	case r.seen[key]:
		return refuse(invalidValue, "%s is there twice", key)
	}
	r.seen[key] = true
	if isMembers(target{Ref: ref}) {
		return r.members(v)
	}
	value, err := r.values.value(key, a, v)
	if err != nil {
		return err
	}
	if object, ok := value.(map[string]any); ok {
		value = assigned(object)
	}
	if key == "active" {
		r.body.KeepActive = false
	}
	r.assign(ref, value)
	return nil
}

func (r *bodyReader) assign(ref schema.Ref, value any) {
	holder := r.body.Doc
	if ref.Extension {
		holder = element(holder[ref.Schema.URN])
		if holder == nil {
			holder = make(map[string]any)
		}
		defer func() { set(r.body.Doc, ref.Schema.URN, holder) }()
	}
	set(holder, ref.Attr.Name, value)
}

// members reads the members of a group. Null keeps those there are: clients send back what they read.
func (r *bodyReader) members(v any) error {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return refuse(invalidValue, memberShapes)
	}
	members, err := readMembers(list)
	if err != nil {
		return err
	}
	set := newMemberSet()
	set.replace(members)
	r.body.HasMembers, r.body.Members = true, set.change()
	return nil
}

// Schemas returns the schemas that a resource has data of: its own, and each extension in doc.
func Schemas(t *schema.ResourceType, doc map[string]any) []string {
	out := []string{t.Schema.URN}
	for _, s := range t.Extensions {
		if !unassigned(doc[s.URN]) {
			out = append(out, s.URN)
		}
	}
	return out
}
