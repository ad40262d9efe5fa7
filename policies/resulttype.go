package policies

import (
	"fmt"
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// checkResult compares the decision's static type with what we can act on. A value OPA knows nothing
// about waits for run time, where it is checked again.
func (l *loading) checkResult() []Finding {
	rules := l.served.GetRules(l.query)
	if len(rules) == 0 {
		if exists(l.data, l.query[1:]) {
			return []Finding{{Severity: SeverityError, Message: l.query.String() + ": data, not a rule", Hint: "decide in Rego"}}
		}
		return []Finding{{
			Severity: SeverityError, Message: l.query.String() + ": no rule",
			Hint: fmt.Sprintf("write package %s with a rule %s", l.query[1:len(l.query)-1], l.query[len(l.query)-1]),
		}}
	}
	at := rules[0].Location
	var found []Finding
	for _, t := range alternatives(l.served.TypeEnv.GetByRef(l.query)) {
		switch t := t.(type) {
		case types.Boolean:
		case *types.Object:
			found = append(found, l.checkObject(rules, t)...)
		default:
			found = append(found, place(at, Finding{
				Severity: SeverityError, Message: fmt.Sprintf("%s can be %s: want a boolean or an object", l.query, typeName(t)),
			}))
		}
	}
	return found
}

// alternatives flattens a union; an empty one is a type OPA could not tell.
func alternatives(t types.Type) []types.Type {
	switch t := t.(type) {
	case nil:
		return nil
	case types.Any:
		var out []types.Type
		for _, part := range t {
			out = append(out, alternatives(part)...)
		}
		return out
	case *types.NamedType:
		return alternatives(t.Type)
	default:
		return []types.Type{t}
	}
}

func (l *loading) checkObject(rules []*ast.Rule, o *types.Object) []Finding {
	var found []Finding
	hasAllowed := o.DynamicProperties() != nil
	for _, p := range o.StaticProperties() {
		name, ok := p.Key.(string)
		if !ok {
			name = fmt.Sprint(p.Key)
		}
		hasAllowed = hasAllowed || name == "allowed"
		want := resultFields[name]
		if want == nil {
			if !l.foreign {
				found = append(found, l.atKey(rules, name, Finding{
					Severity: SeverityError, Message: "a decision has no field " + quote(name), Hint: resultHint(name),
				}))
			}
			continue
		}
		for _, t := range alternatives(p.Value) {
			if !slices.Contains(want.kinds, typeName(t)) {
				found = append(found, l.atKey(rules, name, Finding{
					Severity: SeverityError, Message: fmt.Sprintf("%s is %s, want %s", name, typeName(t), orList(want.kinds)),
				}))
			}
		}
	}
	if !hasAllowed {
		found = append(found, place(rules[0].Location, Finding{
			Severity: SeverityError, Message: l.query.String() + " can be an object without allowed",
			Hint: `write {"allowed": false, …}`,
		}))
	}
	return found
}

func resultHint(name string) string {
	names := slices.Sorted(maps.Keys(resultFields))
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return fmt.Sprintf("it has %v", names)
}

func orList(kinds []string) string {
	if len(kinds) == 1 {
		return kinds[0]
	}
	return kinds[0] + " or " + kinds[1]
}

// typeName is OPA's word for a type, as the kinds of resultFields use it.
func typeName(t types.Type) string {
	switch t.(type) {
	case types.Boolean:
		return "boolean"
	case types.String:
		return "string"
	case types.Number:
		return "number"
	case types.Null:
		return "null"
	case *types.Array:
		return "array"
	case *types.Set:
		return "set"
	case *types.Object:
		return "object"
	case *types.Function:
		return "function"
	default:
		return types.Sprint(t)
	}
}

// atKey looks for the field's name in the source of the rules, else points at the first rule.
func (l *loading) atKey(rules []*ast.Rule, name string, f Finding) Finding {
	for _, rule := range rules {
		var at *ast.Location
		ast.WalkTerms(rule, func(t *ast.Term) bool {
			if o, ok := t.Value.(ast.Object); ok && at == nil {
				if v := o.Get(ast.StringTerm(name)); v != nil {
					at = keyLocation(o, name, t.Location)
				}
			}
			return at != nil
		})
		if at != nil {
			return place(at, f)
		}
	}
	return place(rules[0].Location, f)
}

func keyLocation(o ast.Object, name string, fallback *ast.Location) *ast.Location {
	at := fallback
	o.Foreach(func(k, _ *ast.Term) {
		if k.Value.Compare(ast.String(name)) == 0 && k.Location != nil {
			at = k.Location
		}
	})
	return at
}

func (l *loading) checkRolesType(query ast.Ref) []Finding {
	rules := l.served.GetRules(query)
	if len(rules) == 0 {
		return []Finding{{Severity: SeverityError, Message: rolesQuery + ": no rule", Hint: "write: granted contains role if { … }"}}
	}
	var found []Finding
	for _, t := range alternatives(l.served.TypeEnv.GetByRef(query)) {
		set, ok := t.(*types.Set)
		if !ok {
			found = append(found, place(rules[0].Location, Finding{
				Severity: SeverityError, Message: rolesQuery + " is " + typeName(t) + ", want a set of strings",
				Hint: "write: granted contains role if { … }",
			}))
			continue
		}
		for _, of := range alternatives(set.Of()) {
			if typeName(of) != "string" {
				found = append(found, place(rules[0].Location, Finding{
					Severity: SeverityError, Message: rolesQuery + " holds " + typeName(of) + ", want strings",
				}))
			}
		}
	}
	return found
}
