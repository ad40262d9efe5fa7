package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxConfig  = 1 << 20 // bytes of a configuration file
	maxNesting = 32      // brackets in brackets; the parser's time grows with the square of it
	maxShown   = 20      // problems printed at once
)

// reader walks a configuration file. It decodes by hand, because a decoder into structs stops at the first mistake and
// forgets the line of a value that is well-formed YAML and still wrong.
type reader struct {
	file  string // as it is printed
	found problems
	lines map[string]int // where each key was given, by its path
}

// fields says what a mapping may hold: each key with what to do about its value.
type fields map[string]func(path string, n ast.Node)

// parse returns the file's top node, nil for an empty file.
func (r *reader) parse(text []byte) ast.Node {
	if len(text) > maxConfig {
		r.found = append(r.found, problem{
			File: r.file, Message: fmt.Sprintf("larger than %d KiB", maxConfig>>10),
			Hint: "keep tenants in the database: ssogate tenant create",
		})
		return nil
	}
	tokens := lexer.Tokenize(string(text))
	if t := tooDeep(tokens); t != nil {
		r.at(t, "the file needs four levels at most", "more than %d levels", maxNesting)
		return nil
	}
	f, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // the walk finds duplicates, all of them
	if err != nil {
		r.syntax(err)
		return nil
	}
	var top ast.Node
	for _, doc := range f.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if top != nil {
			r.problem(doc.Body, "remove the line ---", "a second document begins here")
			return top
		}
		top = doc.Body
	}
	return top
}

// tooDeep finds the token at which nesting passes the limit. Brackets nest, and so do marks in a row (- - - -).
func tooDeep(tokens token.Tokens) *token.Token {
	depth, row := 0, 0
	for _, t := range tokens {
		switch t.Type { //nolint:exhaustive // what does not nest ends a row
		case token.SequenceStartType, token.MappingStartType:
			depth++
			row++
		case token.SequenceEndType, token.MappingEndType:
			depth--
			row = 0
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			row++
		default:
			row = 0
		}
		if depth > maxNesting || row > maxNesting {
			return t
		}
	}
	return nil
}

func (r *reader) syntax(err error) {
	bad, ok := errors.AsType[yaml.Error](err)
	if !ok || bad.GetToken() == nil {
		r.found = append(r.found, problem{File: r.file, Message: "not YAML"})
		return
	}
	// The message alone: the library's full text quotes the lines around, and those may hold a secret by mistake.
	r.at(bad.GetToken(), "", "not YAML: %s", bad.GetMessage())
}

// problem notes what is wrong with a node.
func (r *reader) problem(n ast.Node, hint, format string, args ...any) {
	r.at(n.GetToken(), hint, format, args...)
}

func (r *reader) at(t *token.Token, hint, format string, args ...any) {
	p := problem{File: r.file, Message: fmt.Sprintf(format, args...), Hint: hint}
	if t != nil && t.Position != nil {
		p.Line = t.Position.Line
	}
	r.found = append(r.found, p)
}

// err returns everything found, in the order of the file, cut to what a screen can show.
func (r *reader) err() error {
	slices.SortStableFunc(r.found, func(a, b problem) int { return a.Line - b.Line })
	if more := len(r.found) - maxShown; more > 0 {
		r.found = append(r.found[:maxShown:maxShown], problem{File: r.file, Message: fmt.Sprintf("and %d more", more)})
	}
	return r.found.err()
}

// mapping reads keys and values. An unknown key is a problem, never passed over: it is a setting that someone believes
// to be in force.
func (r *reader) mapping(path string, n ast.Node, known fields) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	case *ast.NullNode:
		return
	default:
		r.problem(n, "write it as {key: value} or as indented lines", "%swant keys and values", label(path))
		return
	}
	seen := map[string]int{}
	for _, v := range values {
		key := v.Key.GetToken().Value
		at := join(path, key)
		read, ok := known[key]
		if v.Key.Type() != ast.StringType || !ok {
			r.unknown(path, v.Key, key, known)
			continue
		}
		if line, twice := seen[key]; twice {
			r.problem(v.Key, "remove one of them", "%s: already set in line %d", at, line)
			continue
		}
		seen[key] = v.Key.GetToken().Position.Line
		r.lines[at] = seen[key]
		if v.Value == nil || v.Value.Type() == ast.NullType {
			continue // a key whose lines are commented out
		}
		read(at, v.Value)
	}
}

func (r *reader) unknown(path string, n ast.Node, key string, known fields) {
	names := make([]string, 0, len(known))
	for k := range known {
		names = append(names, k)
	}
	slices.Sort(names)
	hint := "known here: " + strings.Join(names, ", ")
	if like := nearest(key, names); like != "" {
		hint = fmt.Sprintf("did you mean %s?", like)
	}
	r.problem(n, hint, "%sunknown key %s", label(path), quote(key))
}

// list reads the entries of a sequence.
func (r *reader) list(path string, n ast.Node, entry func(path string, n ast.Node)) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(n, "write it as [a, b] or as lines that begin with -", "%swant a list", label(path))
		return
	}
	for i, v := range seq.Values {
		at := path + "[" + strconv.Itoa(i) + "]"
		if v == nil || v.Type() == ast.NullType {
			r.problem(n, "give it a value or remove the line", "%s: empty", at)
			continue
		}
		entry(at, v)
	}
}

// text reads a scalar as it is written, so that an id of digits stays an id.
func (r *reader) text(path string, n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	case *ast.AliasNode, *ast.AnchorNode, *ast.TagNode, *ast.MergeKeyNode:
		r.problem(n, "write the value out", "%sYAML anchors, aliases and tags are not read", label(path))
	default:
		r.problem(n, "", "%swant one value", label(path))
	}
	return "", false
}

// str makes a reader of one string.
func (r *reader) str(to *string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		if s, ok := r.text(path, n); ok {
			*to = s
		}
	}
}

// strs makes a reader of a list of strings.
func (r *reader) strs(to *[]string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		r.list(path, n, func(path string, n ast.Node) {
			if s, ok := r.text(path, n); ok {
				*to = append(*to, s)
			}
		})
	}
}

// flag makes a reader of true or false. YAML 1.1's yes and on are refused: half of all parsers read them otherwise.
func (r *reader) flag(to *bool) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		b, ok := n.(*ast.BoolNode)
		if !ok {
			r.problem(n, "write true or false", "%s: %s is neither true nor false", path, shown(n))
			return
		}
		*to = b.Value
	}
}

// duration makes a reader of a length of time.
func (r *reader) duration(to *time.Duration, least, most time.Duration) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		d, err := time.ParseDuration(s)
		if err != nil {
			r.problem(n, "write it as 30m, 12h or 90s", "%s: %s is not a length of time", path, quote(s))
			return
		}
		if d < least || d > most {
			r.problem(n, fmt.Sprintf("choose between %s and %s", short(least), short(most)), "%s: %s is out of bounds", path, s)
			return
		}
		*to = d
	}
}

// oneOf makes a reader of one word of a few.
func (r *reader) oneOf(to *string, words ...string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		if !slices.Contains(words, s) {
			r.problem(n, "choose "+strings.Join(words, " or "), "%s: %s is not one of its values", path, quote(s))
			return
		}
		*to = s
	}
}

// shown quotes a scalar for a message.
func shown(n ast.Node) string { return quote(n.GetToken().Value) }

// quote bounds what a message repeats of the file.
func quote(s string) string { return fmt.Sprintf("%.80q", s) }

// short prints 30m0s as 30m.
func short(d time.Duration) string {
	s := d.String()
	if cut, ok := strings.CutSuffix(s, "m0s"); ok {
		s = cut + "m"
	}
	if cut, ok := strings.CutSuffix(s, "h0m"); ok {
		s = cut + "h"
	}
	return s
}

func label(path string) string {
	if path == "" {
		return ""
	}
	return path + ": "
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
