package filter

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Kind is how a column holds its values.
type Kind uint8

// The kinds of columns.
const (
	Text  Kind = iota // a string, sorted by its bytes; unassigned is NULL or ''
	Flag              // 1 or 0; unassigned is NULL
	Ticks             // an integer: a date as a number of Column.Unit since 1970; unassigned is NULL
)

// Column is where the database keeps an attribute. Its strings are written into statements as they are and come from
// constants, never from a request. They hold no question mark.
type Column struct {
	Value   string        // SQL of the value: "u.user_name_ci", "v.val"
	Kind    Kind          // how it is stored
	Fold    bool          // stored folded, as is every id: right where the attribute is not case exact, and only there
	Unit    time.Duration // of Ticks
	Indexed bool          // eq and sw on it read few rows

	// Rows is for an attribute whose values lie in rows of their own: a condition with one {} where a condition on
	// Value goes, such as "EXISTS (SELECT 1 FROM user_values v WHERE v.user_seq = u.seq AND v.attr = 'emails.value'
	// AND {})". Every assigned value has a row. Empty: Value is a column of the resource itself.
	Rows string
}

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
	in := *l
	in.inside = true
	c := n.within.lower(&in)
	if c.state == always {
		return cond{} // of those that have a value
	}
	return c
}

func (t test) lower(l *lowering) cond {
	if t.key == "meta.resourceType" { // every row of a table has the same
		return decided(t.match(map[string]any{"meta": map[string]any{"resourceType": l.typ.Name}}))
	}
	column, ok := l.columns[t.key]
	if !ok || t.op == NotEqual && (l.inside || column.Rows != "") {
		return cond{}
	}
	c := t.condition(column)
	if c.state == asked && column.Rows != "" {
		c.sql = strings.Replace(column.Rows, "{}", c.sql, 1)
	}
	return c
}

// condition compares one column.
func (t test) condition(c Column) cond {
	switch c.Kind {
	case Text:
		return t.onText(c)
	case Flag:
		return t.onFlag(c)
	case Ticks:
		return t.onTicks(c)
	default:
		return cond{}
	}
}

func sql(text string, args ...any) cond {
	return cond{state: asked, sql: text, args: args, exact: true}
}

func (t test) onText(c Column) cond {
	if t.op == Present {
		return sql(c.Value + " <> ''")
	}
	if c.Fold != (t.fold != nil) || t.leaf.Type == schema.DateTime || t.text == "" {
		return cond{} // the column's equality is not the attribute's
	}
	switch t.op {
	case Equal:
		return sql(c.Value+" = ?", t.text).indexed(c)
	case NotEqual:
		return sql(c.Value+" IS DISTINCT FROM ?", t.text)
	case StartsWith:
		return startsWith(c, t.text)
	case Contains:
		return sql("strpos("+c.Value+", ?) > 0", t.text)
	case EndsWith:
		n := int64(utf8.RuneCountInString(t.text))
		return sql("(length("+c.Value+") >= ? AND substr("+c.Value+", length("+c.Value+") - ? + 1) = ?)", n, n, t.text)
	case Greater:
		return sql(c.Value+" > ?", t.text)
	case GreaterEqual:
		return sql("("+c.Value+" <> '' AND "+c.Value+" >= ?)", t.text)
	case Less:
		return sql("("+c.Value+" <> '' AND "+c.Value+" < ?)", t.text)
	case LessEqual:
		return sql("("+c.Value+" <> '' AND "+c.Value+" <= ?)", t.text)
	case Present:
	}
	return cond{}
}

func (c cond) indexed(column Column) cond {
	c.narrow = column.Indexed
	return c
}

// startsWith is a range: LIKE and starts_with mean something else in each database.
func startsWith(c Column, prefix string) cond {
	end, ok := successor(prefix)
	if !ok {
		return sql(c.Value+" >= ?", prefix).indexed(c)
	}
	return sql("("+c.Value+" >= ? AND "+c.Value+" < ?)", prefix, end).indexed(c)
}

// successor is the least text above everything that begins with prefix. It is valid UTF-8, for PostgreSQL takes no
// other; the bytes of UTF-8 sort as its characters do. There is none above a row of U+10FFFF.
func successor(prefix string) (string, bool) {
	const beforeSurrogates, afterSurrogates = 0xD7FF, 0xE000
	runes := []rune(prefix)
	for i := len(runes) - 1; i >= 0; i-- {
		switch runes[i] {
		case utf8.MaxRune:
			continue
		case beforeSurrogates:
			runes[i] = afterSurrogates
		default:
			runes[i]++
		}
		return string(runes[:i+1]), true
	}
	return "", false
}

func (t test) onFlag(c Column) cond {
	if t.op == Present {
		return sql(c.Value + " IS NOT NULL")
	}
	var bit int64
	if t.truth {
		bit = 1
	}
	switch {
	case t.leaf.Type != schema.Boolean:
		return cond{}
	case t.op == NotEqual:
		return sql(c.Value+" IS DISTINCT FROM ?", bit)
	case t.op == Equal:
		return sql(c.Value+" = ?", bit)
	default:
		return cond{}
	}
}

// onTicks compares dates. What lies between two ticks equals neither.
func (t test) onTicks(c Column) cond {
	if t.op == Present {
		return sql(c.Value + " IS NOT NULL")
	}
	if t.leaf.Type != schema.DateTime || c.Unit <= 0 {
		return cond{}
	}
	tick, exact, ok := ticks(t.when, c.Unit)
	if !ok {
		return cond{}
	}
	switch t.op {
	case Equal:
		if !exact {
			return decided(false)
		}
		return sql(c.Value+" = ?", tick)
	case NotEqual:
		if !exact {
			return decided(true)
		}
		return sql(c.Value+" IS DISTINCT FROM ?", tick)
	case Greater:
		return sql(c.Value+" > ?", tick)
	case GreaterEqual:
		if !exact {
			return sql(c.Value+" > ?", tick)
		}
		return sql(c.Value+" >= ?", tick)
	case Less:
		if !exact {
			return sql(c.Value+" <= ?", tick)
		}
		return sql(c.Value+" < ?", tick)
	case LessEqual:
		return sql(c.Value+" <= ?", tick)
	case Present, Contains, StartsWith, EndsWith:
	}
	return cond{}
}

// ticks is the last tick not after t, and whether that is t itself. Not ok: too far away to count.
func ticks(t time.Time, unit time.Duration) (tick int64, exact, ok bool) {
	if t.Year() < 1700 || t.Year() > 2250 { // time.Time counts nanoseconds from 1678 to 2262
		return 0, false, false
	}
	n := t.UnixNano()
	tick = n / int64(unit)
	if n%int64(unit) < 0 {
		tick--
	}
	return tick, n%int64(unit) == 0, true
}
