package jsonread

import (
	"unicode/utf16"
	"unicode/utf8"
)

// escaped reads the rest of a string from its first backslash on; out has what stood before.
func (r *reader) escaped(out []byte) ([]byte, error) {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case '"':
			r.at++
			return out, nil
		case '\\':
			char, err := r.escape()
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, char)
		default:
			start := r.at
			if err := r.char(); err != nil {
				return nil, err
			}
			out = append(out, r.data[start:r.at]...)
		}
	}
	return nil, r.fail("unexpected end of a string")
}

var shortEscapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape reads one escape sequence, a pair of surrogates included. A surrogate alone is no character.
func (r *reader) escape() (rune, error) {
	start := r.at
	if r.at+1 >= len(r.data) {
		return 0, r.fail("unexpected end of a string")
	}
	if char, ok := shortEscapes[r.data[r.at+1]]; ok {
		r.at += 2
		return char, nil
	}
	char, ok := r.unit()
	switch {
	case !ok:
		return 0, r.fail("unknown escape sequence")
	case char == 0:
		r.at = start
		return 0, r.fail("U+0000 in a string")
	case !utf16.IsSurrogate(char):
		return char, nil
	}
	second, ok := r.unit()
	pair := utf16.DecodeRune(char, second)
	if !ok || pair == utf8.RuneError {
		r.at = start
		return 0, r.fail("half of a surrogate pair in a string")
	}
	return pair, nil
}

// unit reads a backslash, a u and four hexadecimal digits.
func (r *reader) unit() (rune, bool) {
	if r.at+6 > len(r.data) || r.data[r.at] != '\\' || r.data[r.at+1] != 'u' {
		return 0, false
	}
	var char rune
	for _, c := range r.data[r.at+2 : r.at+6] {
		digit, ok := hex(c)
		if !ok {
			return 0, false
		}
		char = char<<4 | digit
	}
	r.at += 6
	return char, true
}

func hex(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}
