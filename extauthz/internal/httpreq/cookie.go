package httpreq

import (
	"iter"
	"net/http"
	"strings"
)

// MaxCookieLine is the longest Cookie line read, in bytes. It is the most the proxy lets all headers together have.
const MaxCookieLine = 60 << 10

// Cookies is one Cookie line. The zero value has none.
type Cookies struct {
	line string
}

// ParseCookies takes the one Cookie line of a request. Other applications' cookies may be as malformed as they like: they are kept, byte for byte,
// and cannot hide one of ours, for every ";" ends a pair whatever quotes stand around it (RFC 6265 §5.4 knows no quoting).
func ParseCookies(line string) (Cookies, error) {
	if len(line) > MaxCookieLine {
		return Cookies{}, &Refusal{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: ReasonCookieSize, Message: "the cookies are too large"}
	}
	for i := range len(line) {
		if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
			return Cookies{}, bad(ReasonCookieByte, "the cookies have a control byte")
		}
	}
	return Cookies{line: line}, nil
}

// All yields the pairs in order, names and values without the spaces around them. A part without "=" is a name with an empty value.
func (c Cookies) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for part := range strings.SplitSeq(c.line, ";") {
			name, value, _ := strings.Cut(part, "=")
			name, value = trim(name), trim(value)
			if name == "" && value == "" {
				continue
			}
			if !yield(name, value) {
				return
			}
		}
	}
}

// Get returns the value of the first cookie called name and how many there are. Names are case-sensitive. A cookie of the gate with a count other
// than one is ambiguous and must be taken for none: which of two comes first is up to whoever planted the second.
func (c Cookies) Get(name string) (value string, count int) {
	for n, v := range c.All() {
		if n != name {
			continue
		}
		if count == 0 {
			value = v
		}
		count++
	}
	return value, count
}

// Without returns the line less the named cookies, every other byte as it was. What goes is a whole part between semicolons, if any known reader
// could take something in it for one of the names: after a comma (Jetty), after white space or a quote (Python), in other casing (ASP.NET), percent-encoded
// (Rack), with "." or "[" for "_" (PHP). A name that ends in "-" stands for every name that begins so. An empty result means that the header is to be
// removed.
func (c Cookies) Without(names ...string) string {
	if !c.mentions(names) {
		return c.line
	}
	var out strings.Builder
	out.Grow(len(c.line))
	kept := 0
	for part := range strings.SplitSeq(c.line, ";") {
		if readable(part, names) {
			continue
		}
		if kept > 0 {
			out.WriteByte(';')
		}
		out.WriteString(part)
		kept++
	}
	return trim(out.String())
}

func (c Cookies) mentions(names []string) bool {
	for part := range strings.SplitSeq(c.line, ";") {
		if readable(part, names) {
			return true
		}
	}
	return false
}

// readable reports whether any reader could find one of names in part, encoded or not.
func readable(part string, names []string) bool {
	for _, name := range names {
		if name != "" && (spells(part, name) || strings.IndexByte(part, '%') >= 0 && spells(looseUnescape(part), name)) {
			return true
		}
	}
	return false
}

// spells looks for name at the start of part (after anything a reader may trim), or behind a byte that a reader may take for a separator, and then
// followed by "=". A bare name at the start counts as well: net/http reads it as a cookie with an empty value.
func spells(part, name string) bool {
	for i := 0; i+len(name) <= len(part); i++ {
		if !sameName(part[i:i+len(name)], name) || (i > 0 && !separates(part[i-1])) {
			continue
		}
		rest := part[i+len(name):]
		if strings.HasSuffix(name, "-") {
			rest = rest[equals(rest):]
		}
		rest = strings.TrimLeftFunc(rest, func(r rune) bool { return r <= ' ' || r == '"' || r >= 0x7f })
		if strings.HasPrefix(rest, "=") || rest == "" && strings.TrimFunc(part[:i], func(r rune) bool { return r <= ' ' || r >= 0x7f }) == "" {
			return true
		}
	}
	return false
}

// equals is where a name that goes on ends: at the next "=", or nowhere.
func equals(s string) int {
	if i := strings.IndexByte(s, '='); i >= 0 {
		return i
	}
	return len(s)
}

// sameName compares as the most forgiving reader does.
func sameName(s, name string) bool {
	for i := range len(name) {
		a, b := lower(s[i]), lower(name[i])
		if a != b && (b != '_' || a != '.' && a != '[' && a != ' ' && a != '+') {
			return false
		}
	}
	return true
}

// separates holds every byte behind which some reader begins a new name. Bytes over 0x7e are there for readers who trim Unicode spaces.
func separates(c byte) bool {
	return c <= ' ' || c >= 0x7f || c == ',' || c == '"' || c == '\\' || c == '&'
}

// looseUnescape decodes what can be decoded and keeps the rest, as lenient readers do.
func looseUnescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func trim(s string) string { return strings.Trim(s, " \t") }
