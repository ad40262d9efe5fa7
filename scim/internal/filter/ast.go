package filter

import (
	"encoding/json"
	"strings"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// Op is an operator that compares an attribute with a value (RFC 7644 table 3).
type Op string

// The operators of RFC 7644 table 3.
const (
	Equal        Op = "eq"
	NotEqual     Op = "ne"
	Contains     Op = "co"
	StartsWith   Op = "sw"
	EndsWith     Op = "ew"
	Present      Op = "pr"
	Greater      Op = "gt"
	GreaterEqual Op = "ge"
	Less         Op = "lt"
	LessEqual    Op = "le"
)

// Expr is a filter as it was written: And, Or, Not, Compare or Elements. Its String is read back as the same
// expression.
type Expr interface {
	String() string
	write(*printer)
}

// And holds when all its terms do. There are two at least, and none of them is an And.
type And struct{ Terms []Expr }

// Or holds when one of its terms does. There are two at least, and none of them is an Or.
type Or struct{ Terms []Expr }

// Not holds when its term does not.
type Not struct{ Term Expr }

// Compare is one comparison, or the question whether an attribute is there at all (Present, which has no value).
type Compare struct {
	Path  schema.Path
	Op    Op
	Value Value
	pos   int
}

// Elements is a value path: it holds when one value of a complex attribute satisfies the filter (RFC 7644 §3.4.2.2).
type Elements struct {
	Path   schema.Path
	Filter Expr
	pos    int
}

// Value is the right-hand side of a comparison. What it means is decided by the attribute it is compared with.
type Value struct {
	Text   string // without quotes and escapes
	Quoted bool
}

// isNull reports whether the value is the literal null.
func (v Value) isNull() bool { return !v.Quoted && strings.EqualFold(v.Text, "null") }

// PathExpr is the path of a PATCH operation as it was written (RFC 7644 §3.5.2).
type PathExpr struct {
	Path   schema.Path // its Sub is behind the dot, also where that follows a filter
	Filter Expr        // nil: none
	pos    int
}

// String prints in the grammar of RFC 7644.
func (e And) String() string { return text(e) }

// String prints in the grammar of RFC 7644.
func (e Or) String() string { return text(e) }

// String prints in the grammar of RFC 7644.
func (e Not) String() string { return text(e) }

// String prints in the grammar of RFC 7644.
func (e Compare) String() string { return text(e) }

// String prints in the grammar of RFC 7644.
func (e Elements) String() string { return text(e) }

// String prints in the grammar of RFC 7644.
func (e PathExpr) String() string {
	p := printer{}
	p.path(e)
	return p.String()
}

// Shape prints the filter with ? for every value: what a log may hold.
func Shape(e Expr) string {
	p := printer{hide: true}
	e.write(&p)
	return p.String()
}

// Shape prints the path with ? for every value: what a log may hold.
func (e PathExpr) Shape() string {
	p := printer{hide: true}
	p.path(e)
	return p.String()
}

func text(e Expr) string {
	p := printer{}
	e.write(&p)
	return p.String()
}

type printer struct {
	strings.Builder
	hide bool // values
}

func (e And) write(p *printer) { p.terms(e.Terms, " and ") }
func (e Or) write(p *printer)  { p.terms(e.Terms, " or ") }

// terms joins terms. And binds tighter than or: an Or among them needs parentheses, everything else needs none.
func (p *printer) terms(terms []Expr, word string) {
	for i, t := range terms {
		if i > 0 {
			p.WriteString(word)
		}
		if or, ok := t.(Or); ok {
			p.group(or)
			continue
		}
		t.write(p)
	}
}

func (p *printer) group(e Expr) {
	p.WriteByte('(')
	e.write(p)
	p.WriteByte(')')
}

func (e Not) write(p *printer) {
	p.WriteString("not ")
	p.group(e.Term)
}

func (e Compare) write(p *printer) {
	p.WriteString(e.Path.String() + " " + string(e.Op))
	if e.Op != Present {
		p.WriteByte(' ')
		e.Value.write(p)
	}
}

func (e Elements) write(p *printer) {
	p.WriteString(e.Path.String())
	p.WriteByte('[')
	e.Filter.write(p)
	p.WriteByte(']')
}

func (v Value) write(p *printer) {
	switch {
	case p.hide:
		p.WriteByte('?')
	case v.Quoted:
		quoted, _ := json.Marshal(v.Text) // a string of valid UTF-8 always marshals
		p.Write(quoted)
	default:
		p.WriteString(v.Text)
	}
}

func (p *printer) path(e PathExpr) {
	if e.Filter == nil {
		p.WriteString(e.Path.String())
		return
	}
	attr := e.Path
	attr.Sub = ""
	Elements{Path: attr, Filter: e.Filter}.write(p)
	if e.Path.Sub != "" {
		p.WriteString("." + e.Path.Sub)
	}
}
