package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// The limits of a filter. Beyond them it is invalid: no client of ours comes near.
const (
	MaxBytes = 4 << 10
	MaxDepth = 32  // parentheses and brackets inside each other
	MaxNodes = 200 // comparisons, value paths and logical operators
)

// blanks separate words.
const blanks = " \t"

// Parse reads a filter. An error is an *Error.
func Parse(text string) (Expr, error) {
	p := &parser{text: text, kind: InvalidFilter}
	if err := p.check(); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	p.skip()
	if p.at < len(text) {
		return nil, p.errorf("want and, or, or the end")
	}
	return e, nil
}

// ParsePath reads the path of a PATCH operation. An error is an *Error.
func ParsePath(text string) (PathExpr, error) {
	p := &parser{text: strings.TrimRight(text, blanks), kind: InvalidPath}
	if err := p.check(); err != nil {
		return PathExpr{}, err
	}
	p.skip()
	e := PathExpr{pos: p.at}
	path, err := p.attribute()
	if err != nil {
		return PathExpr{}, err
	}
	e.Path = path
	if p.peek() == '[' {
		if e.Filter, err = p.brackets(path); err != nil {
			return PathExpr{}, err
		}
		if e.Path.Sub, err = p.subAttribute(); err != nil {
			return PathExpr{}, err
		}
	}
	if p.at < len(p.text) {
		return PathExpr{}, p.errorf("want the end of the path")
	}
	return e, nil
}

// parser reads by recursive descent, one method a rule of the grammar; at is the byte it stands before.
type parser struct {
	text  string
	at    int
	depth int
	nodes int
	inner bool   // inside the brackets of a value path
	kind  string // of errors

	counted, runes int // bytes whose characters pos has counted, and how many those are
}

func (p *parser) check() error {
	switch {
	case len(p.text) > MaxBytes:
		return &Error{Type: p.kind, Pos: 1, Detail: fmt.Sprintf("longer than %d bytes", MaxBytes)}
	case !utf8.ValidString(p.text):
		return &Error{Type: p.kind, Pos: 1, Detail: "not UTF-8"}
	default:
		return nil
	}
}

func (p *parser) errorf(format string, args ...any) error { return p.errorAt(p.at, format, args...) }

func (p *parser) errorAt(at int, format string, args ...any) error {
	return &Error{Type: p.kind, Pos: p.pos(at), Detail: fmt.Sprintf(format, args...)}
}

// pos turns a byte offset into what an error shows: the character, counted from 1. It goes on from the last offset it
// was asked about: counting from the beginning for every comparison would take quadratic time.
func (p *parser) pos(at int) int {
	if at < p.counted {
		return utf8.RuneCountInString(p.text[:at]) + 1
	}
	p.runes += utf8.RuneCountInString(p.text[p.counted:at])
	p.counted = at
	return p.runes + 1
}

func (p *parser) skip() {
	for p.at < len(p.text) && strings.IndexByte(blanks, p.text[p.at]) >= 0 {
		p.at++
	}
}

// peek is the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

// word reads to the next blank, quote, parenthesis or bracket.
func (p *parser) word() string {
	n := strings.IndexAny(p.text[p.at:], blanks+`"()[]`)
	if n < 0 {
		n = len(p.text) - p.at
	}
	word := p.text[p.at : p.at+n]
	p.at += n
	return word
}

// keyword reads past a word that has a blank on both sides.
func (p *parser) keyword(word string) bool {
	start := p.at
	p.skip()
	if p.at > start && strings.EqualFold(p.word(), word) {
		end := p.at
		p.skip()
		if p.at > end {
			return true
		}
	}
	p.at = start
	return false
}

func (p *parser) node() error {
	p.nodes++
	if p.nodes > MaxNodes {
		return p.errorf("more than %d comparisons and operators", MaxNodes)
	}
	return nil
}

// enter goes past an opening bracket or parenthesis.
func (p *parser) enter() error {
	p.depth++
	if p.depth > MaxDepth {
		return p.errorf("more than %d parentheses inside each other", MaxDepth)
	}
	p.at++
	return nil
}

func (p *parser) leave(closing byte) error {
	p.skip()
	if p.peek() != closing {
		return p.errorf("want and, or, or %c", closing)
	}
	p.at++
	p.depth--
	return nil
}

func (p *parser) or() (Expr, error) {
	terms, err := p.chain("or", p.and)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	var flat []Expr
	for _, t := range terms {
		if or, ok := t.(Or); ok {
			flat = append(flat, or.Terms...)
			continue
		}
		flat = append(flat, t)
	}
	return Or{Terms: flat}, nil
}

func (p *parser) and() (Expr, error) {
	terms, err := p.chain("and", p.term)
	if err != nil || len(terms) == 1 {
		return first(terms), err
	}
	return and(terms...), nil
}

// and joins terms, taking those that are an And apart.
func and(terms ...Expr) And {
	var flat []Expr
	for _, t := range terms {
		if and, ok := t.(And); ok {
			flat = append(flat, and.Terms...)
			continue
		}
		flat = append(flat, t)
	}
	return And{Terms: flat}
}

func first(terms []Expr) Expr {
	if len(terms) == 0 {
		return nil
	}
	return terms[0]
}

func (p *parser) chain(word string, next func() (Expr, error)) ([]Expr, error) {
	var terms []Expr
	for {
		t, err := next()
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if !p.keyword(word) {
			return terms, nil
		}
		if err := p.node(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) term() (Expr, error) {
	p.skip()
	if p.peek() == '(' {
		return p.parentheses()
	}
	if p.not() {
		if err := p.node(); err != nil {
			return nil, err
		}
		e, err := p.parentheses()
		if err != nil {
			return nil, err
		}
		return Not{Term: e}, nil
	}
	return p.comparison()
}

// not reads past the word not, if a parenthesis follows.
func (p *parser) not() bool {
	start := p.at
	if strings.EqualFold(p.word(), "not") {
		p.skip()
		if p.peek() == '(' {
			return true
		}
	}
	p.at = start
	return false
}

func (p *parser) parentheses() (Expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	return e, p.leave(')')
}

func (p *parser) comparison() (Expr, error) {
	if err := p.node(); err != nil {
		return nil, err
	}
	pos := p.at
	path, err := p.attribute()
	if err != nil {
		return nil, err
	}
	if path.Name == "" {
		return nil, p.errorAt(pos, "a schema is not an attribute")
	}
	if p.peek() != '[' {
		return p.operator(path, pos)
	}
	inner, err := p.brackets(path)
	if err != nil {
		return nil, err
	}
	sub, err := p.subAttribute()
	if err != nil || sub == "" {
		return Elements{Path: path, Filter: inner, pos: p.pos(pos)}, err
	}
	// emails[type eq "work"].value eq "x" asks for one value that is both: the same as an and inside the brackets.
	if err := p.node(); err != nil {
		return nil, err
	}
	last, err := p.operator(schema.Path{Name: sub}, p.at-len(sub))
	if err != nil {
		return nil, err
	}
	return Elements{Path: path, Filter: and(inner, last), pos: p.pos(pos)}, nil
}

func (p *parser) attribute() (schema.Path, error) {
	start := p.at
	word := p.word()
	if word == "" {
		return schema.Path{}, p.errorf("want an attribute")
	}
	path, err := schema.Split(word)
	if err != nil {
		return schema.Path{}, &Error{Type: p.kind, Pos: p.pos(start),
			Detail: fmt.Sprintf("%s is not an attribute: want a name like userName or name.givenName", shown(word)), Err: err}
	}
	return path, nil
}

func (p *parser) brackets(path schema.Path) (Expr, error) {
	switch {
	case p.inner:
		return nil, p.errorf("a value path cannot be inside another")
	case path.Sub != "":
		return nil, p.errorf("a sub-attribute has no values to choose from")
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	p.inner = true
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	p.inner = false
	return e, p.leave(']')
}

// subAttribute reads what may follow a value path: a dot and a name.
func (p *parser) subAttribute() (string, error) {
	if p.peek() != '.' {
		return "", nil
	}
	p.at++
	start := p.at
	name := p.word()
	if !schema.IsName(name) {
		return "", p.errorAt(start, "want a sub-attribute behind the dot")
	}
	return name, nil
}

func (p *parser) operator(path schema.Path, start int) (Expr, error) {
	e := Compare{Path: path, pos: p.pos(start)}
	p.skip()
	at := p.at
	word := p.word()
	e.Op = Op(strings.ToLower(word))
	switch e.Op {
	case Present:
		return e, nil
	case Equal, NotEqual, Contains, StartsWith, EndsWith, Greater, GreaterEqual, Less, LessEqual:
	default:
		return nil, p.errorAt(at, "want an operator behind %s, one of eq ne co sw ew pr gt ge lt le", shown(path.String()))
	}
	var err error
	e.Value, err = p.value(word)
	return e, err
}
