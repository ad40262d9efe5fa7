// Package jsonread reads JSON (RFC 8259) from strangers, strictly: what two readers could take differently is
// refused, never repaired.
//
// encoding/json lets the last of userName and USERNAME win, turns broken UTF-8 and lone surrogates into U+FFFD, and
// its Decoder leaves what follows the value unread. Each of these makes one program see another document than its
// neighbour saw, so each is an error here. So are U+0000, which PostgreSQL does not store, nesting deeper than
// [MaxDepth] and more values than [MaxValues], which would cost many times the memory of the bytes that were sent.
//
// Numbers keep their digits as [json.Number]. The package never guesses, never returns part of a document, and its
// errors never quote a value: values are other people's data.
package jsonread

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	// MaxDepth is how many objects and arrays may stand inside each other.
	MaxDepth = 32
	// MaxValues is how many values a document may have, containers counted. A group of 300,000 members has fewer.
	MaxValues = 1 << 20
)

// Error says where the bytes stop being a document this package reads. It is always the sender's fault.
type Error struct {
	Offset int    // in bytes, from 0
	Reason string // lower case, no values of the document in it
	Limit  int    // what was exceeded when the document is longer than the caller's limit, else 0
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("json: %s at byte %d", e.Reason, e.Offset) }

// Read returns the one value in data: nil, bool, string, [json.Number], []any or map[string]any. More than limit bytes
// are refused unread.
func Read(data []byte, limit int) (any, error) {
	if len(data) > limit {
		return nil, &Error{Offset: limit, Reason: fmt.Sprintf("document longer than %d bytes", limit), Limit: limit}
	}
	r := reader{data: data, names: make(map[string]string)}
	value, err := r.document()
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Object is [Read] for a document that has to be an object.
func Object(data []byte, limit int) (map[string]any, error) {
	value, err := Read(data, limit)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, &Error{Reason: "the document is not an object"}
	}
	return object, nil
}

type reader struct {
	data   []byte
	at     int
	depth  int
	values int
	names  map[string]string // one copy of each name: a member list has few, a hundred thousand times
}

func (r *reader) document() (any, error) {
	value, err := r.value()
	if err != nil {
		return nil, err
	}
	if r.peek() != 0 || r.at < len(r.data) {
		return nil, r.fail("unexpected bytes after the document")
	}
	return value, nil
}

func (r *reader) fail(reason string) error { return &Error{Offset: r.at, Reason: reason} }

// peek skips blanks and returns the byte there, 0 at the end. A 0 in the data is no valid start of anything, so the
// two need no telling apart but after the document.
func (r *reader) peek() byte {
	for r.at < len(r.data) {
		switch c := r.data[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
	return 0
}

func (r *reader) value() (any, error) {
	c := r.peek()
	if r.values++; r.values > MaxValues {
		return nil, r.fail(fmt.Sprintf("more than %d values", MaxValues))
	}
	switch c {
	case '{':
		return r.nested(r.object)
	case '[':
		return r.nested(r.array)
	case '"':
		return r.text()
	case 't':
		return true, r.word("true")
	case 'f':
		return false, r.word("false")
	case 'n':
		return nil, r.word("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return r.number()
	}
	if r.at >= len(r.data) {
		return nil, r.fail("unexpected end")
	}
	return nil, r.fail("unexpected byte, a value should start here")
}

func (r *reader) nested(read func() (any, error)) (any, error) {
	if r.depth++; r.depth > MaxDepth {
		return nil, r.fail(fmt.Sprintf("nesting deeper than %d", MaxDepth))
	}
	r.at++ // the bracket
	value, err := read()
	r.depth--
	return value, err
}

func (r *reader) word(w string) error {
	if !strings.HasPrefix(string(r.data[r.at:min(len(r.data), r.at+len(w))]), w) {
		return r.fail("unknown word")
	}
	r.at += len(w)
	return nil
}

func (r *reader) array() (any, error) {
	list := []any{}
	if r.peek() == ']' {
		r.at++
		return list, nil
	}
	for {
		value, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
		more, err := r.more(']')
		if err != nil || !more {
			return list, err
		}
	}
}

func (r *reader) object() (any, error) {
	object := make(map[string]any)
	if r.peek() == '}' {
		r.at++
		return object, nil
	}
	var seen nameSet
	for {
		if err := r.member(object, &seen); err != nil {
			return nil, err
		}
		more, err := r.more('}')
		if err != nil || !more {
			return object, err
		}
	}
}

func (r *reader) member(object map[string]any, seen *nameSet) error {
	if r.peek() != '"' {
		return r.fail("a member should start here, with its name in quotes")
	}
	start := r.at
	name, err := r.name()
	if err != nil {
		return err
	}
	if other, ok := seen.add(name); !ok {
		r.at = start
		return r.fail(fmt.Sprintf("name %s repeats %s", quote(name), quote(other)))
	}
	if r.peek() != ':' {
		return r.fail("a colon should stand here")
	}
	r.at++
	value, err := r.value()
	if err != nil {
		return err
	}
	object[name] = value
	return nil
}

// more reads what follows an element: a comma, and there is more, or the closing bracket.
func (r *reader) more(closing byte) (bool, error) {
	switch r.peek() {
	case ',':
		r.at++
		return true, nil
	case closing:
		r.at++
		return false, nil
	}
	if r.at >= len(r.data) {
		return false, r.fail("unexpected end")
	}
	return false, r.fail(fmt.Sprintf("a comma or %q should stand here", closing))
}

// number reads the grammar of RFC 8259 §6 and keeps the digits: a float64 would change an employee number of twenty.
func (r *reader) number() (any, error) {
	start := r.at
	r.skip('-')
	if !r.skip('0') && !r.digits() {
		return nil, r.fail("a digit should stand here")
	}
	if r.skip('.') && !r.digits() {
		return nil, r.fail("a digit should stand here")
	}
	if r.skip('e') || r.skip('E') {
		_ = r.skip('+') || r.skip('-')
		if !r.digits() {
			return nil, r.fail("a digit should stand here")
		}
	}
	return json.Number(r.data[start:r.at]), nil
}

func (r *reader) skip(c byte) bool {
	if r.at < len(r.data) && r.data[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) digits() bool {
	start := r.at
	for r.at < len(r.data) && r.data[r.at] >= '0' && r.data[r.at] <= '9' {
		r.at++
	}
	return r.at > start
}

// quote shows a name in an error. Names are attribute names as a rule; what is not short and plain is not shown.
func quote(name string) string {
	plain := func(c rune) bool { return c > ' ' && c < 0x7f && c != '"' && c != '\\' }
	if len(name) > 128 || strings.ContainsFunc(name, func(c rune) bool { return !plain(c) }) {
		return "of an object"
	}
	return `"` + name + `"`
}

// nameSet finds names that differ in case at most. Few names are compared one by one: that is nearly every object,
// and cheaper than a map.
type nameSet struct {
	few  []string
	many map[string]string
}

const fewNames = 12

// add reports whether name was new, and else which name it repeats.
func (s *nameSet) add(name string) (string, bool) {
	if s.many != nil {
		return s.addMany(name)
	}
	for _, other := range s.few {
		if len(other) == len(name) && lowerASCII(other) == lowerASCII(name) {
			return other, false
		}
	}
	s.few = append(s.few, name)
	if len(s.few) > fewNames {
		s.many = make(map[string]string, 2*fewNames)
		for _, other := range s.few {
			s.many[lowerASCII(other)] = other
		}
	}
	return "", true
}

func (s *nameSet) addMany(name string) (string, bool) {
	folded := lowerASCII(name)
	if other, ok := s.many[folded]; ok {
		return other, false
	}
	s.many[folded] = name
	return "", true
}

// lowerASCII folds A to Z alone. Names of attributes are ASCII (RFC 7643 §2.1); a wider fold would make the Kelvin
// sign a k here and something else in the table of attributes.
func lowerASCII(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			return strings.Map(func(r rune) rune {
				if r >= 'A' && r <= 'Z' {
					return r + ('a' - 'A')
				}
				return r
			}, s)
		}
	}
	return s
}

// name is a string of which equal ones share their bytes.
func (r *reader) name() (string, error) {
	raw, err := r.chars()
	if err != nil {
		return "", err
	}
	if known, ok := r.names[string(raw)]; ok {
		return known, nil
	}
	name := string(raw)
	if len(r.names) < 1024 {
		r.names[name] = name
	}
	return name, nil
}

func (r *reader) text() (any, error) {
	raw, err := r.chars()
	if err != nil {
		return nil, err
	}
	return string(raw), nil
}

// chars reads a string and returns its characters: a part of data where nothing is escaped, which is the rule.
func (r *reader) chars() ([]byte, error) {
	r.at++ // the quote
	start := r.at
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case '"':
			r.at++
			return r.data[start : r.at-1], nil
		case '\\':
			return r.escaped(append(make([]byte, 0, r.at-start+32), r.data[start:r.at]...))
		default:
			if err := r.char(); err != nil {
				return nil, err
			}
		}
	}
	return nil, r.fail("unexpected end of a string")
}

// char steps over one unescaped character.
func (r *reader) char() error {
	c := r.data[r.at]
	if c < ' ' {
		return r.fail("control character in a string")
	}
	if c < utf8.RuneSelf {
		r.at++
		return nil
	}
	char, size := utf8.DecodeRune(r.data[r.at:])
	if char == utf8.RuneError && size == 1 {
		return r.fail("invalid UTF-8 in a string")
	}
	r.at += size
	return nil
}
