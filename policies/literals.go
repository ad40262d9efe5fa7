package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// OPA checks what a rule reads against the schema, but not what it builds or looks up by a computed
// path. This file looks at those places in the source.

// dynamicReads tells of reads the schema cannot check.
func dynamicReads(m *ast.Module) []Finding {
	var found []Finding
	look := func(call []*ast.Term, at *ast.Location) {
		if len(call) < 2 || call[0].Value.String() != ast.ObjectGet.Name {
			return
		}
		if of := call[1].Value.String(); of == "input" || strings.HasPrefix(of, "input.") {
			found = append(found, place(at, Finding{
				Severity: SeverityNotice,
				Message:  "object.get on input: a misspelt field is not noticed here",
				Hint:     "read the field itself, as input.subject.id",
			}))
		}
	}
	ast.WalkTerms(m, func(t *ast.Term) bool {
		if call, ok := t.Value.(ast.Call); ok {
			look(call, t.Location)
		}
		return false
	})
	ast.WalkExprs(m, func(x *ast.Expr) bool {
		if call, ok := x.Terms.([]*ast.Term); ok {
			look(call, x.Location)
		}
		return false
	})
	return found
}

// inputLiterals checks "with input as {…}" and "with input.subject.id as …" against the schema: a test
// that misspells what it sets proves the denial of an input that never comes.
func inputLiterals(m *ast.Module, input map[string]any) []Finding {
	var found []Finding
	ast.WalkWiths(m, func(w *ast.With) bool {
		at := w.Location
		path, ok := inputPath(w.Target)
		if !ok {
			return false
		}
		schema := any(input)
		name := "input"
		for _, key := range path {
			next, known := property(schema, key)
			if !known {
				found = append(found, noField(at, schema, name, key))
				return false
			}
			schema, name = next, name+"."+key
		}
		found = append(found, literal(w.Value, schema, name)...)
		return false
	})
	return found
}

// inputPath is the constant path of a with target below input.
func inputPath(t *ast.Term) (path []string, ok bool) {
	ref, isRef := t.Value.(ast.Ref)
	if !isRef {
		return nil, t.Value.Compare(ast.InputRootDocument.Value) == 0
	}
	if !ref.HasPrefix(ast.InputRootRef) {
		return nil, false
	}
	for _, part := range ref[1:] {
		key, isString := part.Value.(ast.String)
		if !isString {
			break
		}
		path = append(path, string(key))
	}
	return path, true
}

// literal checks the keys of an object written out, and of the objects inside.
func literal(t *ast.Term, schema any, name string) []Finding {
	var found []Finding
	switch v := t.Value.(type) {
	case ast.Object:
		v.Foreach(func(k, value *ast.Term) {
			key, ok := k.Value.(ast.String)
			if !ok {
				return
			}
			next, known := property(schema, string(key))
			if !known {
				found = append(found, noField(k.Location, schema, name, string(key)))
				return
			}
			found = append(found, literal(value, next, name+"."+string(key))...)
		})
	case *ast.Array:
		items := member(schema, "items")
		v.Foreach(func(value *ast.Term) { found = append(found, literal(value, items, name+"[_]")...) })
	}
	return found
}

// property is the schema below a key; nil is a schema that knows nothing and so allows everything.
func property(schema any, key string) (next any, known bool) {
	properties, ok := member(schema, "properties").(map[string]any)
	if !ok {
		return nil, true
	}
	next, known = properties[key]
	return next, known
}

func member(schema any, key string) any {
	m, _ := schema.(map[string]any)
	return m[key]
}

func noField(at *ast.Location, schema any, name, key string) Finding {
	properties, _ := member(schema, "properties").(map[string]any)
	names := slices.Sorted(maps.Keys(properties))
	hint := name + " has " + strings.Join(names, ", ")
	if near := nearest(key, names); near != "" {
		hint = fmt.Sprintf("did you mean %s.%s?", name, near)
	}
	return place(at, Finding{Severity: SeverityError, Message: name + " has no field " + quote(key), Hint: hint})
}
