package filter

import (
	"slices"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Reads lists the top-level attributes Match looks at, in canonical spelling, those of an extension with its URN: what
// must be loaded before asking.
func (f *Filter) Reads() []string {
	var keys []string
	walk(f.root, func(ref schema.Ref) {
		ref.Sub = nil
		if key := ref.Key(); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	})
	return keys
}

// walk visits the attributes a filter looks at.
func walk(n node, visit func(schema.Ref)) {
	switch n := n.(type) {
	case all:
		for _, t := range n {
			walk(t, visit)
		}
	case some:
		for _, t := range n {
			walk(t, visit)
		}
	case inverse:
		walk(n.of, visit)
	case test:
		visit(n.ref)
	case elements:
		visit(n.ref)
	}
}

// Equalities answers what a new value must hold to satisfy the filter of a Target, if that says so plainly: eq, joined
// by and, as in [type eq "work" and primary eq true]. Values are string or bool, under canonical names.
func (f *Filter) Equalities() (map[string]any, bool) {
	terms, ok := f.root.(all)
	if !ok {
		terms = all{f.root}
	}
	found := map[string]any{}
	for _, n := range terms {
		t, ok := n.(test)
		if !ok || t.op != Equal {
			return nil, false
		}
		name, value := t.leaf.Name, t.value()
		if have, ok := found[name]; ok && have != value {
			return nil, false
		}
		found[name] = value
	}
	return found, true
}

func (t test) value() any {
	if t.leaf.Type == schema.Boolean {
		return t.truth
	}
	return t.raw
}

// Choices answers which values of one sub-attribute satisfy the filter of a Target, if it is a plain list of them: eq,
// joined by or, as in [value eq "a" or value eq "b"]. name is the canonical one.
func (f *Filter) Choices(name string) ([]string, bool) {
	terms, ok := f.root.(some)
	if !ok {
		terms = some{f.root}
	}
	var found []string
	for _, n := range terms {
		t, ok := n.(test)
		if !ok || t.op != Equal || t.leaf.Name != name || t.leaf.Type == schema.Boolean {
			return nil, false
		}
		found = append(found, t.raw)
	}
	return found, true
}
