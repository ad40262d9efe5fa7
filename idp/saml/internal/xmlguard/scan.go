package xmlguard

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// scanner holds the bytes and the place reached. Its methods read one construct of XML 1.0 each.
type scanner struct {
	b  []byte
	at int

	grown   int    // by how much the canonical form is longer than the bytes read, at most
	scratch []byte // what decoded writes into
}

func (s *scanner) xml(rule string) *Error   { return &Error{Rule: rule, Offset: s.at} }
func (s *scanner) shape(rule string) *Error { return &Error{Rule: rule, Shape: true, Offset: s.at} }

const (
	nameStart = 1 << iota // first of an NCName
	namePart              // further of an NCName
	space                 // white space (XML 1.0 §2.3)
	textStop              // needs a look inside a text
	valueStop             // needs a look inside an attribute value
)

// classes tells what a byte may be. Names are ASCII: the editions of XML differ on which other characters they take, and
// SAML's names have none.
var classes = func() (table [256]uint8) {
	for c := range 256 {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
			table[c] = nameStart | namePart
		case '0' <= c && c <= '9', c == '-', c == '.':
			table[c] = namePart
		case c == ' ':
			table[c] = space
		case c == '\t', c == '\n', c == '\r':
			table[c] = space | valueStop
		case c == '&':
			table[c] = textStop | valueStop
		case c == '>':
			table[c] = textStop
		case c == '"', c == '\'', c == '<':
			table[c] = valueStop
		}
	}
	return table
}()

func (s *scanner) more() bool { return s.at < len(s.b) }

func (s *scanner) next(c byte) bool {
	if s.at >= len(s.b) || s.b[s.at] != c {
		return false
	}
	s.at++
	return true
}

// spaces skips white space and reports whether there was any.
func (s *scanner) spaces() bool {
	start := s.at
	for s.at < len(s.b) && classes[s.b[s.at]]&space != 0 {
		s.at++
	}
	return s.at > start
}

// name reads NCName(:NCName)? (Namespaces in XML 1.0 §4).
func (s *scanner) name() (prefix, local []byte, err error) {
	start := s.at
	local = s.ncname()
	if s.next(':') {
		prefix = local
		local = s.ncname()
		if len(prefix) == 0 {
			return nil, nil, s.xml("name")
		}
	}
	if len(local) == 0 || s.at-start > maxName {
		return nil, nil, s.xml("name")
	}
	// What goes on with a character of no name here would be a longer name to another parser.
	if s.more() && (s.b[s.at] == ':' || s.b[s.at] >= utf8.RuneSelf) {
		return nil, nil, s.xml("name")
	}
	return prefix, local, nil
}

func (s *scanner) ncname() []byte {
	start := s.at
	if s.at >= len(s.b) || classes[s.b[s.at]]&nameStart == 0 {
		return nil
	}
	for s.at < len(s.b) && classes[s.b[s.at]]&namePart != 0 {
		s.at++
	}
	return s.b[start:s.at]
}

func isNCName(b []byte) bool {
	s := scanner{b: b}
	return len(b) > 0 && len(s.ncname()) == len(b)
}

// value reads an attribute's value in its quotes and returns it as written.
func (s *scanner) value() ([]byte, error) {
	if !s.more() || (s.b[s.at] != '"' && s.b[s.at] != '\'') {
		return nil, s.xml("syntax")
	}
	quote := s.b[s.at]
	s.at++
	for start := s.at; s.at < len(s.b); {
		c := s.b[s.at]
		switch {
		case classes[c]&valueStop == 0:
			s.at++
		case c == quote:
			s.at++
			return s.b[start : s.at-1], nil
		case c == '&':
			if _, err := s.reference(); err != nil {
				return nil, err
			}
		case c == '"':
			s.grown += len("&quot;") - 1
			s.at++
		case c == '\'':
			s.at++
		case c == '<':
			return nil, s.xml("syntax")
		default: // normalised to a space by the recommendation, kept by some parsers
			return nil, s.xml("attribute-whitespace")
		}
	}
	return nil, s.xml("syntax")
}

// text reads up to the next < and reports whether there was anything but white space.
func (s *scanner) text() (blank bool, err error) {
	end := bytes.IndexByte(s.b[s.at:], '<')
	if end < 0 {
		end = len(s.b) - s.at
	}
	end += s.at
	blank = true
	for s.at < end {
		c := s.b[s.at]
		class := classes[c]
		if class&textStop == 0 {
			blank = blank && class&space != 0
			s.at++
			continue
		}
		if c == '&' {
			r, err := s.reference()
			if err != nil {
				return false, err
			}
			blank = blank && isSpace(r)
			continue
		}
		if s.at >= 2 && s.b[s.at-1] == ']' && s.b[s.at-2] == ']' {
			return false, s.xml("cdata-end")
		}
		blank = false
		s.grown += len("&gt;") - 1
		s.at++
	}
	return blank, nil
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }

// longestReference is &#1114111; with three zeros to spare.
const longestReference = 13

// reference reads one of the five predefined entities or a character by its number (XML 1.0 §4.1, §4.6).
func (s *scanner) reference() (rune, error) {
	rest := s.b[s.at:min(len(s.b), s.at+longestReference)]
	end := bytes.IndexByte(rest, ';')
	if end < 0 {
		return 0, s.xml("reference")
	}
	r, ok := referred(rest[1:end])
	if !ok {
		return 0, s.xml("reference")
	}
	s.at += end + 1
	s.grown++ // &#9; becomes &#x9;
	return r, nil
}

func referred(name []byte) (rune, bool) {
	switch string(name) {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	for _, c := range digits { // ParseUint takes a sign or an underscore in some bases
		if !isDigit(c, base) {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if err != nil || n > utf8.MaxRune {
		return 0, false
	}
	r := rune(n)
	return r, isCharacter(r)
}

func isDigit(c byte, base int) bool {
	if '0' <= c && c <= '9' {
		return true
	}
	return base == 16 && ('a' <= c && c <= 'f' || 'A' <= c && c <= 'F')
}

// isCharacter is Char of XML 1.0 §2.2. Half of a surrogate pair is none, although encoding/xml reads it as U+FFFD.
func isCharacter(r rune) bool {
	return isSpace(r) || 0x20 <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= utf8.MaxRune
}

// decoded returns a value or text, already read, with its references replaced. The result is overwritten by the next call.
func (s *scanner) decoded(raw []byte) []byte {
	at := bytes.IndexByte(raw, '&')
	if at < 0 {
		return raw
	}
	s.scratch = s.scratch[:0]
	for ; at >= 0; at = bytes.IndexByte(raw, '&') {
		end := at + bytes.IndexByte(raw[at:], ';')
		r, ok := referred(raw[at+1 : end])
		if !ok { // cannot be: reference let it pass
			r = utf8.RuneError
		}
		s.scratch = utf8.AppendRune(append(s.scratch, raw[:at]...), r)
		raw = raw[end+1:]
	}
	s.scratch = append(s.scratch, raw...)
	return s.scratch
}

// declaration reads the XML declaration, which may only stand at byte 0 (XML 1.0 §2.8).
func (s *scanner) declaration() error {
	if !bytes.HasPrefix(s.b, []byte("<?")) {
		return nil
	}
	rest, ok := bytes.CutPrefix(s.b, []byte("<?xml"))
	if !ok || len(rest) == 0 || classes[rest[0]]&space == 0 {
		return s.xml("processing-instruction")
	}
	s.at = len("<?xml")
	for _, part := range []struct {
		name   string
		needed bool
		values []string
	}{
		{"version", true, []string{"1.0"}},
		{"encoding", false, []string{"utf-8"}},
		{"standalone", false, []string{"yes", "no"}},
	} {
		if !s.pseudo(part.name, part.values) && part.needed {
			return s.xml("xml-declaration")
		}
	}
	s.spaces()
	if !s.next('?') || !s.next('>') {
		return s.xml("xml-declaration")
	}
	return nil
}

// pseudo reads name="value" of the declaration, and moves on only where it is there with one of the values.
func (s *scanner) pseudo(name string, values []string) bool {
	start := s.at
	rest, ok := []byte(nil), s.spaces()
	if ok {
		rest, ok = bytes.CutPrefix(s.b[s.at:], []byte(name+"="))
	}
	if ok && len(rest) > 0 && (rest[0] == '"' || rest[0] == '\'') {
		if end := bytes.IndexByte(rest[1:], rest[0]); end >= 0 {
			for _, v := range values {
				given := rest[1 : 1+end]
				if string(given) == v || name == "encoding" && bytes.EqualFold(given, []byte(v)) {
					s.at = len(s.b) - len(rest) + end + 2
					return true
				}
			}
		}
	}
	s.at = start
	return false
}
