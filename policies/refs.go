package policies

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// inspect proves what OPA's compiler lets pass: data that is not there, results nobody can read, roles
// that depend on the request.
func (l *loading) inspect() error {
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(l.served.Modules)) {
		found = append(found, l.missingData(l.served, l.served.Modules[name])...)
	}
	found = append(found, l.checkResult()...)
	if !l.noRoles {
		found = append(found, l.checkRoles()...)
	}
	for _, name := range slices.Sorted(maps.Keys(l.modules)) {
		found = append(found, inputLiterals(l.modules[name], l.input)...)
		if !isTest(name) {
			found = append(found, dynamicReads(l.modules[name])...)
		}
	}
	return l.settle(found)
}

// settle keeps notices and makes an error of the rest.
func (l *loading) settle(found []Finding) error {
	var errs []Finding
	for _, f := range found {
		if f.Severity == SeverityError {
			errs = append(errs, f)
		} else {
			l.note(f)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	sortFindings(errs)
	return &LoadError{Findings: slices.Compact(errs)}
}

// refs calls yield for every reference in a compiled node. The compiler makes terms that are nowhere in
// the source; they get the place of what was met before them, the rule or expression they are part of.
func refs(node any, yield func(*ast.Term, ast.Ref, *ast.Location)) {
	var at *ast.Location
	ast.NewGenericVisitor(func(x any) bool {
		if n, ok := x.(ast.Node); ok && n.Loc() != nil && n.Loc().Row > 0 {
			at = n.Loc()
		}
		if t, ok := x.(*ast.Term); ok {
			if ref, ok := t.Value.(ast.Ref); ok {
				yield(t, ref, at)
			}
		}
		return false
	}).Walk(node)
}

// missingData finds references that neither a rule nor the data can answer. To OPA they are undefined,
// and "not data.blocked[user]" then holds for everybody.
func (l *loading) missingData(c *ast.Compiler, m *ast.Module) []Finding {
	var found []Finding
	targets := withTargets(m)
	refs(m, func(t *ast.Term, ref ast.Ref, at *ast.Location) {
		if !ref.HasPrefix(ast.DefaultRootRef) || targets[t] || c.TypeEnv == nil {
			return
		}
		if len(rulesFor(c, ref)) > 0 || exists(l.data, ref.ConstantPrefix()[1:]) {
			if len(rulesFor(c, ref)) == 0 && !exists(l.data, ref[1:]) {
				found = append(found, place(at, Finding{
					Severity: SeverityWarning, Message: readable(ref) + ": no entry of the data has it",
				}))
			}
			return
		}
		prefix := ref.ConstantPrefix()
		found = append(found, place(at, Finding{
			Severity: SeverityError, Message: readable(prefix) + ": no rule, no data", Hint: l.nearData(c, prefix),
		}))
	})
	return found
}

// withTargets are the left sides of "with data.x as y", which may add what is not there.
func withTargets(m *ast.Module) map[*ast.Term]bool {
	targets := map[*ast.Term]bool{}
	ast.WalkWiths(m, func(w *ast.With) bool {
		targets[w.Target] = true
		return false
	})
	return targets
}

// rulesFor are the rules a reference can evaluate; when in doubt, more.
func rulesFor(c *ast.Compiler, ref ast.Ref) []*ast.Rule {
	rules := c.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true})
	return append(rules, c.GetRules(ref.ConstantPrefix())...)
}

// exists follows a path through the data; a variable step may be any child, and an empty container
// could hold anything one day.
func exists(x any, path ast.Ref) bool {
	if len(path) == 0 {
		return true
	}
	var children []any
	switch x := x.(type) {
	case map[string]any:
		if key, ok := path[0].Value.(ast.String); ok {
			child, there := x[string(key)]
			return there && exists(child, path[1:])
		}
		children = slices.Collect(maps.Values(x))
	case []any:
		if n, ok := path[0].Value.(ast.Number); ok {
			i, err := strconv.Atoi(string(n))
			return err == nil && i >= 0 && i < len(x) && exists(x[i], path[1:])
		}
		children = x
	default:
		return false
	}
	if ast.IsConstant(path[0].Value) {
		return false
	}
	return len(children) == 0 || slices.ContainsFunc(children, func(c any) bool { return exists(c, path[1:]) })
}

// nearData suggests what was meant, from the deepest level that does exist.
func (l *loading) nearData(c *ast.Compiler, ref ast.Ref) string {
	var at any = l.data
	node := c.RuleTree.Child(ref[0].Value)
	for i := 1; i < len(ref); i++ {
		key, ok := ref[i].Value.(ast.String)
		if !ok {
			return ""
		}
		children, _ := at.(map[string]any)
		next, inData := children[string(key)]
		var nextNode *ast.TreeNode
		if node != nil {
			nextNode = node.Child(key)
		}
		if inData || nextNode != nil {
			at, node = next, nextNode
			continue
		}
		names := slices.Collect(maps.Keys(children))
		if node != nil {
			for k := range node.Children {
				if s, ok := k.(ast.String); ok {
					names = append(names, string(s))
				}
			}
		}
		if near := nearest(string(key), names); near != "" {
			return fmt.Sprintf("did you mean %s.%s?", ref[:i], near)
		}
		return "add it to data.json or write the rule"
	}
	return ""
}

// readable prints a reference without the compiler's own variable names.
func readable(ref ast.Ref) string {
	out := slices.Clone(ref)
	for i, t := range out {
		if v, ok := t.Value.(ast.Var); ok && i > 0 && (v.IsGenerated() || v.IsWildcard()) {
			out[i] = ast.VarTerm("_")
		}
	}
	return out.String()
}

func place(at *ast.Location, f Finding) Finding {
	if at != nil {
		f.File, f.Line, f.Col = at.File, at.Row, at.Col
	}
	return f
}

// read is one way in which a query depends on the input or on something that changes by itself.
type read struct {
	ref     ast.Ref // constant prefix below input; nil for a builtin
	builtin string
	at      *ast.Location
}

// reads lists what a query can depend on beside the data, over-approximated: every reference in every
// rule it can reach counts, whether or not it is evaluated.
func reads(c *ast.Compiler, query ast.Ref) []read {
	builtins := map[string]*ast.Builtin{}
	for _, b := range c.Capabilities().Builtins {
		builtins[b.Name] = b
	}
	var out []read
	seen := map[*ast.Rule]bool{}
	queue := rulesFor(c, query)
	for len(queue) > 0 {
		rule := queue[0]
		queue = queue[1:]
		if seen[rule] {
			continue
		}
		seen[rule] = true
		if rule.Else != nil {
			queue = append(queue, rule.Else)
		}
		refs(rule, func(_ *ast.Term, ref ast.Ref, at *ast.Location) {
			switch {
			case ref.HasPrefix(ast.InputRootRef):
				out = append(out, read{ref: ref.ConstantPrefix(), at: at})
			case ref.HasPrefix(ast.DefaultRootRef):
				queue = append(queue, rulesFor(c, ref)...)
			default:
				if b := builtins[ref.String()]; b != nil && !repeatable(b) {
					out = append(out, read{builtin: b.Name, at: at})
				}
			}
		})
	}
	return out
}

// rolesMayRead are the parts of the input that are the same for every request of a person.
var rolesMayRead = []string{"subject", "tenant", "connection"}

// checkRoles proves that granted depends on the person, the tenant and the connection alone.
func (l *loading) checkRoles() []Finding {
	var found []Finding
	query := ast.MustParseRef(rolesQuery)
	found = append(found, l.checkRolesType(query)...)
	for _, r := range reads(l.served, query) {
		f := Finding{Severity: SeverityError}
		switch {
		case r.ref == nil:
			f.Message = "roles.granted calls " + r.builtin + ": roles are computed once per change, not per request"
			f.Hint = "decide by time or chance in authz.decision"
		case len(r.ref) == 1:
			f.Message = "roles.granted reads the whole input: roles are computed once per change, not per request"
			f.Hint = "read single fields of input.subject, input.tenant or input.connection"
		case r.ref.HasPrefix(ast.MustParseRef("input.subject.roles")):
			f.Message = "roles.granted reads input.subject.roles: that is its own answer"
			f.Hint = "start from input.subject.groups or input.tenant.role_mappings"
		case !slices.Contains(rolesMayRead, strings.Trim(r.ref[1].String(), `"`)):
			f.Message = "roles.granted reads " + r.ref.String() + ": roles are computed once per change, not per request"
			f.Hint = "move this condition to authz.decision"
		default:
			continue
		}
		found = append(found, place(r.at, f))
	}
	return found
}
