package filter

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// value reads the right-hand side of a comparison: a JSON string, or a word.
func (p *parser) value(op string) (Value, error) {
	start := p.at
	p.skip()
	if p.peek() == '"' {
		return p.quoted()
	}
	blank := p.at > start
	start = p.at
	word := p.word()
	switch {
	case !blank, word == "":
		return Value{}, p.errorAt(start, "want a value behind %s", op)
	case strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }):
		return Value{}, p.errorAt(start, "a value with such characters needs quotes")
	}
	return Value{Text: word}, p.ended()
}

// ended makes sure that nothing sticks to a value.
func (p *parser) ended() error {
	switch p.peek() {
	case 0, ' ', '\t', ')', ']':
		return nil
	default:
		return p.errorf("want a blank behind the value")
	}
}

// quoted reads a string of RFC 8259 §7. A lone surrogate is refused: encoding/json would make it U+FFFD, and two
// different texts one. So is U+0000, which no text of a database can hold.
func (p *parser) quoted() (Value, error) {
	start := p.at
	p.at++
	var b strings.Builder
	for {
		n := strings.IndexFunc(p.text[p.at:], func(r rune) bool { return r == '"' || r == '\\' || r < ' ' })
		if n < 0 {
			return Value{}, p.errorAt(start, "the string has no closing quote")
		}
		b.WriteString(p.text[p.at : p.at+n])
		p.at += n
		switch p.text[p.at] {
		case '"':
			p.at++
			return Value{Text: b.String(), Quoted: true}, p.ended()
		case '\\':
			r, err := p.escape()
			if err != nil {
				return Value{}, err
			}
			b.WriteRune(r)
		default:
			return Value{}, p.errorf("a control character in a string needs an escape")
		}
	}
}

func (p *parser) escape() (rune, error) {
	const letters, meanings = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	p.at++
	if i := strings.IndexByte(letters, p.peek()); i >= 0 {
		p.at++
		return rune(meanings[i]), nil
	}
	if p.peek() != 'u' {
		return 0, p.errorf(`want one of "\/bfnrtu behind a backslash`)
	}
	start := p.at
	r, ok := p.unit()
	if ok && utf16.IsSurrogate(r) && p.peek() == '\\' {
		p.at++
		low, lowOK := p.unit()
		r, ok = utf16.DecodeRune(r, low), lowOK
		ok = ok && r != utf8.RuneError
	}
	if !ok || utf16.IsSurrogate(r) || r == 0 {
		return 0, p.errorAt(start, `want four hexadecimal digits of a character behind \u`)
	}
	return r, nil
}

// unit reads u and four hexadecimal digits.
func (p *parser) unit() (rune, bool) {
	const size = len("u0000")
	if p.peek() != 'u' || len(p.text)-p.at < size {
		return 0, false
	}
	n, err := strconv.ParseUint(p.text[p.at+1:p.at+size], 16, 16)
	if err != nil {
		return 0, false
	}
	p.at += size
	return rune(n), true
}
