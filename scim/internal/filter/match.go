package filter

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Match reports whether a resource satisfies the filter; the filter of a Target is asked about one value of its
// attribute. Names are in their canonical spelling, values as encoding/json decodes them.
func (f *Filter) Match(resource map[string]any) bool { return f.root.match(resource) }

// node is a part of a bound filter.
type node interface {
	match(scope any) bool
	lower(l *lowering) cond
}

type (
	all      []node
	some     []node
	inverse  struct{ of node }
	constant bool
)

func (n all) match(scope any) bool {
	for _, t := range n {
		if !t.match(scope) {
			return false
		}
	}
	return true
}

func (n some) match(scope any) bool {
	for _, t := range n {
		if t.match(scope) {
			return true
		}
	}
	return false
}

func (n inverse) match(scope any) bool { return !n.of.match(scope) }

func (n constant) match(any) bool { return bool(n) }

// elements holds when one value of a complex attribute satisfies the filter within.
type elements struct {
	ref    schema.Ref
	at     []string
	within node
}

func (n elements) match(scope any) bool {
	return reach(scope, n.at, func(v any) bool {
		_, complex := v.(map[string]any)
		return complex && n.within.match(v)
	})
}

// test is one comparison.
type test struct {
	ref   schema.Ref
	key   string   // of the attribute, wherever the test stands: emails.value
	at    []string // the keys from the scope to the values
	leaf  *schema.Attribute
	multi bool
	op    Op
	raw   string              // the value as it was written
	text  string              // the value, folded
	when  time.Time           // the value of a date
	truth bool                // the value of a boolean
	fold  func(string) string // nil: case counts
}

func (t test) folded(s string) string {
	if t.fold == nil {
		return s
	}
	return t.fold(s)
}

// assigned turns a comparison with null or "" into the question whether there is a value.
func (t test) assigned(v Value) (node, bool) {
	texts := t.leaf.Type == schema.String || t.leaf.Type == schema.Reference || t.leaf.Type == schema.Binary
	if !v.isNull() && (v.Text != "" || !texts) {
		return nil, false
	}
	op := t.op
	t.op = Present
	switch {
	case op == Equal:
		return inverse{t}, true
	case op == NotEqual:
		return t, true
	case v.isNull(), op.orders():
		return nil, false
	default: // every value contains, begins and ends with nothing
		return t, true
	}
}

// match asks each value. An unassigned attribute differs from everything and is nothing else.
func (t test) match(scope any) bool {
	if t.op == Present {
		return reach(scope, t.at, func(any) bool { return true })
	}
	none := true
	found := reach(scope, t.at, func(v any) bool {
		holds, comparable := t.holds(v)
		none = none && !comparable
		return holds
	})
	return found || none && t.op == NotEqual
}

// holds compares one value. A value of another type than the attribute's is none.
func (t test) holds(v any) (holds, comparable bool) {
	switch v := v.(type) {
	case bool:
		if t.leaf.Type != schema.Boolean {
			return false, false
		}
		return (v == t.truth) == (t.op == Equal), true
	case string:
		switch t.leaf.Type {
		case schema.String, schema.Reference, schema.Binary:
			return t.holdsText(t.folded(v)), true
		case schema.DateTime:
			return t.holdsDate(v)
		case schema.Boolean, schema.Decimal, schema.Integer, schema.Complex:
		}
	}
	return false, false
}

func (t test) holdsText(v string) bool {
	switch t.op {
	case Contains:
		return strings.Contains(v, t.text)
	case StartsWith:
		return strings.HasPrefix(v, t.text)
	case EndsWith:
		return strings.HasSuffix(v, t.text)
	case Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual, Present:
	}
	return t.op.ordered(cmp.Compare(v, t.text))
}

func (t test) holdsDate(v string) (holds, comparable bool) {
	switch t.op {
	case Contains, StartsWith, EndsWith:
		return t.holdsText(v), true
	case Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual, Present:
	}
	when, ok := instant(v)
	return ok && t.op.ordered(when.Compare(t.when)), ok
}

// ordered reports whether an operator accepts the outcome of a comparison.
func (o Op) ordered(outcome int) bool {
	switch o {
	case Equal:
		return outcome == 0
	case NotEqual:
		return outcome != 0
	case Greater:
		return outcome > 0
	case GreaterEqual:
		return outcome >= 0
	case Less:
		return outcome < 0
	case LessEqual:
		return outcome <= 0
	case Present, Contains, StartsWith, EndsWith:
	}
	return false
}

// reach walks from v along the keys, through every value of what is multi-valued, and asks about each assigned value
// at the end, until one answer is yes.
func reach(v any, keys []string, ask func(any) bool) bool {
	if list, ok := v.([]any); ok {
		for _, one := range list {
			if reach(one, keys, ask) {
				return true
			}
		}
		return false
	}
	if len(keys) == 0 {
		return isAssigned(v) && ask(v)
	}
	object, ok := v.(map[string]any)
	return ok && reach(object[keys[0]], keys[1:], ask)
}

// isAssigned reports whether there is a value (RFC 7643 §2.5).
func isAssigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return slices.ContainsFunc(v, isAssigned)
	case map[string]any:
		for _, one := range v {
			if isAssigned(one) {
				return true
			}
		}
		return false
	default:
		return true
	}
}
