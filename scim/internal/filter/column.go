package filter

import (
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
	// AND {})". Every assigned value has a row; where several columns have the same Rows, so has every value of the
	// complex attribute. Empty: Value is a column of the resource itself.
	Rows string
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
	if l.row {
		return c
	}
	return c.in(column.Rows)
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

func query(text string, args ...any) cond {
	return cond{state: asked, sql: text, args: args, exact: true}
}

func (t test) onText(c Column) cond {
	if t.op == Present {
		return query(c.Value + " <> ''")
	}
	if c.Fold != (t.fold != nil) || t.leaf.Type == schema.DateTime || t.text == "" {
		return cond{} // the column's equality is not the attribute's
	}
	switch t.op {
	case Equal:
		return query(c.Value+" = ?", t.text).indexed(c)
	case NotEqual:
		return query(c.Value+" IS DISTINCT FROM ?", t.text)
	case StartsWith:
		return startsWith(c, t.text)
	case Contains:
		return query("strpos("+c.Value+", ?) > 0", t.text)
	case EndsWith:
		n := int64(utf8.RuneCountInString(t.text))
		return query("(length("+c.Value+") >= ? AND substr("+c.Value+", length("+c.Value+") - ? + 1) = ?)", n, n, t.text)
	case Greater:
		return query(c.Value+" > ?", t.text)
	case GreaterEqual:
		return query("("+c.Value+" <> '' AND "+c.Value+" >= ?)", t.text)
	case Less:
		return query("("+c.Value+" <> '' AND "+c.Value+" < ?)", t.text)
	case LessEqual:
		return query("("+c.Value+" <> '' AND "+c.Value+" <= ?)", t.text)
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
		return query(c.Value+" >= ?", prefix).indexed(c)
	}
	return query("("+c.Value+" >= ? AND "+c.Value+" < ?)", prefix, end).indexed(c)
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
		return query(c.Value + " IS NOT NULL")
	}
	var bit int64
	if t.truth {
		bit = 1
	}
	switch {
	case t.leaf.Type != schema.Boolean:
		return cond{}
	case t.op == NotEqual:
		return query(c.Value+" IS DISTINCT FROM ?", bit)
	case t.op == Equal:
		return query(c.Value+" = ?", bit)
	default:
		return cond{}
	}
}

// onTicks compares dates. What lies between two ticks equals neither.
func (t test) onTicks(c Column) cond {
	if t.op == Present {
		return query(c.Value + " IS NOT NULL")
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
		return query(c.Value+" = ?", tick)
	case NotEqual:
		if !exact {
			return decided(true)
		}
		return query(c.Value+" IS DISTINCT FROM ?", tick)
	case Greater:
		return query(c.Value+" > ?", tick)
	case GreaterEqual:
		if !exact {
			return query(c.Value+" > ?", tick)
		}
		return query(c.Value+" >= ?", tick)
	case Less:
		if !exact {
			return query(c.Value+" <= ?", tick)
		}
		return query(c.Value+" < ?", tick)
	case LessEqual:
		return query(c.Value+" <= ?", tick)
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
