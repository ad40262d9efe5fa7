package httpreq

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// MaxTarget is the longest request target, path and query together, in bytes.
const MaxTarget = 8 << 10

// Target is a request target with one meaning.
type Target struct {
	Path     string   // as sent, without the query; begins with "/", may end with one
	Segments []string // Path split on "/", each decoded once; none for "/"; a trailing "/" adds none
	RawQuery string   // as sent, without the "?"; signatures are computed over these bytes
	Query    Query    // RawQuery decoded, in order
}

// ParseTarget reads the origin form of a request target (RFC 9112 §3.2.1). Any other form is refused.
func ParseTarget(raw string) (Target, error) {
	if len(raw) > MaxTarget {
		return Target{}, &Refusal{Status: http.StatusRequestURITooLong, Reason: ReasonTargetSize, Message: "the address is longer than 8 KiB"}
	}
	path, rawQuery, _ := strings.Cut(raw, "?")
	segments, err := parsePath(path)
	if err != nil {
		return Target{}, err
	}
	query, err := parseQuery(rawQuery)
	if err != nil {
		return Target{}, err
	}
	return Target{Path: path, Segments: segments, RawQuery: rawQuery, Query: query}, nil
}

// String is the target as sent. A "?" with nothing behind it is not kept.
func (t Target) String() string {
	if t.RawQuery == "" {
		return t.Path
	}
	return t.Path + "?" + t.RawQuery
}

// Under reports whether the first segments of t are exactly those of prefix, compared whole: "/authx" is not under "auth".
func (t Target) Under(prefix ...string) bool {
	if len(t.Segments) < len(prefix) {
		return false
	}
	for i, p := range prefix {
		if t.Segments[i] != p {
			return false
		}
	}
	return true
}

func parsePath(path string) ([]string, error) {
	if path == "" || path[0] != '/' {
		return nil, bad(ReasonPathForm, "the path must begin with a slash")
	}
	if err := checkRawPath(path); err != nil {
		return nil, err
	}
	rest := strings.TrimSuffix(path[1:], "/")
	if rest == "" && path != "/" {
		return nil, bad(ReasonPathEmptySegment, "the path has an empty segment")
	}
	if rest == "" {
		return nil, nil
	}
	segments := make([]string, 0, strings.Count(rest, "/")+1)
	for part := range strings.SplitSeq(rest, "/") {
		segment, err := parseSegment(part)
		if err != nil {
			return nil, err
		}
		segments = append(segments, segment)
	}
	return segments, nil
}

// checkRawPath refuses bytes that have no place in a path before any decoding.
func checkRawPath(path string) error {
	for i := range len(path) {
		switch c := path[i]; {
		case c <= ' ' || c >= 0x7f || c == '#':
			return bad(ReasonPathByte, "the path has a byte that must be percent-encoded")
		case c == '\\':
			return bad(ReasonPathBackslash, "the path has a backslash")
		case c == ';':
			return bad(ReasonPathSemicolon, "the path has a semicolon")
		}
	}
	return nil
}

func parseSegment(part string) (string, error) {
	if part == "" {
		return "", bad(ReasonPathEmptySegment, "the path has an empty segment")
	}
	segment, ok := unescape(part, false)
	if !ok {
		return "", bad(ReasonPathEscape, "the path has a broken percent-encoding")
	}
	if dots := strings.Trim(segment, " "); dots == "." || dots == ".." { // some file systems drop the spaces
		return "", bad(ReasonPathDotSegment, "the path has a dot segment")
	}
	if len(segment) == len(part) { // nothing was encoded, and the raw bytes have been looked at
		return segment, nil
	}
	if err := checkDecoded(segment); err != nil {
		return "", err
	}
	return segment, nil
}

// checkDecoded refuses what would move a border for a reader who decodes before splitting, or decodes twice. "?" and "#" are among them: decoded
// first, they begin a query or a fragment.
func checkDecoded(segment string) error {
	for i := range len(segment) {
		switch c := segment[i]; {
		case c == '/':
			return bad(ReasonPathEncodedSlash, "the path has an encoded slash")
		case c == '\\':
			return bad(ReasonPathBackslash, "the path has an encoded backslash")
		case c == ';':
			return bad(ReasonPathSemicolon, "the path has an encoded semicolon")
		case c < ' ' || c == 0x7f || c == '%' || c == '?' || c == '#':
			return bad(ReasonPathEncodedByte, "the path has an encoded control byte, percent, question or number sign")
		}
	}
	if !utf8.ValidString(segment) {
		return bad(ReasonPathUTF8, "the path does not decode to UTF-8")
	}
	return nil
}

// unescape decodes %XX once, and "+" to a space where plus says so. It allocates only when there is something to decode.
func unescape(s string, plus bool) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		if plus && strings.IndexByte(s, '+') >= 0 {
			return strings.ReplaceAll(s, "+", " "), true
		}
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", false
			}
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		case c == '+' && plus:
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	return string(out), true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
