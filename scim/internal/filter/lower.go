package filter

import (
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Lowered is a filter in two parts: what the database decides and what is left.
type Lowered struct {
	Where    string  // a condition with a ? for each of Args; empty: every row
	Args     []any   // string or int64
	Never    bool    // no row can match: there is no need to ask
	Narrow   bool    // Where reads few rows, by an index
	Residual *Filter // what rows must match as well; nil: Where says it all
}

// Lower splits the filter. columns has the attributes the database keeps apart, by canonical spelling: "userName",
// "emails.value", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value". Statements are written for
// PostgreSQL; SQLite calls strpos instr.
func (f *Filter) Lower(columns map[string]Column) Lowered {
	l := &lowering{typ: f.typ, columns: columns}
	terms, ok := f.root.(all)
	if !ok {
		terms = all{f.root}
	}
	var left all
	var conds []cond
	for _, n := range terms {
		c := n.lower(l)
		if c.state != never && !c.exact {
			left = append(left, n)
		}
		conds = append(conds, c)
	}
	whole := allOf(conds)
	lowered := Lowered{Where: whole.sql, Args: whole.args, Never: whole.state == never}
	lowered.Narrow = whole.state == asked && whole.narrow
	if len(left) > 0 && !lowered.Never {
		lowered.Residual = &Filter{root: left, typ: f.typ}
	}
	return lowered
}

// lowering is what nodes need to know about the database.
type lowering struct {
	typ     *schema.ResourceType
	columns map[string]Column
	inside  bool // of a value path: a condition is about one value, SQL about the attribute
	row     bool // of a value path, and SQL is about the row of one value
}

// cond is a condition that every matching row satisfies. Exact: no other row does.
type cond struct {
	state  state
	sql    string
	args   []any
	exact  bool
	narrow bool
}

type state uint8

const (
	open   state = iota // every row, for the database knows no better
	asked               // the rows that satisfy sql
	never               // no row
	always              // every row
)

func decided(yes bool) cond {
	if yes {
		return cond{state: always, exact: true}
	}
	return cond{state: never, exact: true}
}

// allOf joins conditions: a row has to satisfy each.
func allOf(conds []cond) cond {
	whole := cond{state: always, exact: true}
	var parts []string
	for _, c := range conds {
		switch c.state {
		case never:
			return c
		case open:
			whole.exact = false
		case always:
		case asked:
			parts = append(parts, c.sql)
			whole.args = append(whole.args, c.args...)
			whole.narrow = whole.narrow || c.narrow
			whole.exact = whole.exact && c.exact
		}
	}
	switch {
	case len(parts) > 0:
		whole.state, whole.sql = asked, join(parts, " AND ")
	case !whole.exact:
		whole.state = open
	}
	return whole
}

// someOf joins conditions: a row has to satisfy one.
func someOf(conds []cond) cond {
	whole := cond{state: never, exact: true, narrow: true}
	var parts []string
	for _, c := range conds {
		switch c.state {
		case always, open:
			return cond{state: c.state, exact: c.exact}
		case never:
		case asked:
			parts = append(parts, c.sql)
			whole.args = append(whole.args, c.args...)
			whole.narrow = whole.narrow && c.narrow
			whole.exact = whole.exact && c.exact
		}
	}
	if len(parts) > 0 {
		whole.state, whole.sql = asked, join(parts, " OR ")
	}
	return whole
}

func join(parts []string, word string) string {
	if len(parts) == 1 {
		return parts[0]
	}
	return "(" + strings.Join(parts, word) + ")"
}

func (l *lowering) each(nodes []node) []cond {
	var conds []cond
	for _, n := range nodes {
		conds = append(conds, n.lower(l))
	}
	return conds
}

func (n all) lower(l *lowering) cond {
	c := allOf(l.each(n))
	if l.inside && c.state != never && len(n) > 1 {
		c.exact = false // one value has this and another has that, but none has both
	}
	return c
}

func (n some) lower(l *lowering) cond { return someOf(l.each(n)) }

func (n inverse) lower(l *lowering) cond {
	c := n.of.lower(l)
	switch {
	case c.state == always:
		return decided(false)
	case c.state == never:
		return decided(true)
	case l.inside, !c.exact:
		return cond{} // one value that is not x is not the same as no value that is x
	}
	// IS NOT TRUE takes NULL for false, as Match does. NOT would drop the rows without a value.
	return cond{state: asked, sql: "((" + c.sql + ") IS NOT TRUE)", args: c.args, exact: true}
}

func (n constant) lower(*lowering) cond { return decided(bool(n)) }

func (n elements) lower(l *lowering) cond {
	if rows, ok := l.sameRows(n.within); ok {
		in := *l
		in.row = true
		return n.within.lower(&in).in(rows)
	}
	in := *l
	in.inside = true
	c := n.within.lower(&in)
	if c.state == always {
		return cond{} // of those that have a value
	}
	return c
}

// sameRows finds the rows that hold all that a filter asks of one value. Not of a filter with not: that is also
// satisfied by values that have no row.
func (l *lowering) sameRows(n node) (rows string, ok bool) {
	switch n := n.(type) {
	case all:
		return l.sameRowsOf(n)
	case some:
		return l.sameRowsOf(n)
	case test:
		rows = l.columns[n.key].Rows
		return rows, rows != ""
	default:
		return "", false
	}
}

func (l *lowering) sameRowsOf(nodes []node) (rows string, ok bool) {
	for i, n := range nodes {
		r, ok := l.sameRows(n)
		if !ok || i > 0 && r != rows {
			return "", false
		}
		rows = r
	}
	return rows, rows != ""
}

// in puts a condition on rows into the condition on the resource.
func (c cond) in(rows string) cond {
	if c.state == asked && rows != "" {
		c.sql = strings.Replace(rows, "{}", c.sql, 1)
	}
	return c
}
