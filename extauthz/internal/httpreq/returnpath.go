package httpreq

import (
	"strings"
	"unicode"
)

// MaxReturnPath is the longest return path, in bytes: it travels inside the sealed state, and some providers cut that short.
const MaxReturnPath = 512

// ReturnPath gives back raw when a browser sent there after sign-in can only land on this host, outside the gate's own pages. Anything else is "/".
// It accepts a subset of what [ParseTarget] does, so that the landing is not itself refused.
func ReturnPath(raw string) string {
	if !returnable(raw) {
		return "/"
	}
	return raw
}

func returnable(raw string) bool {
	if len(raw) > MaxReturnPath || !clean(raw, false) {
		return false
	}
	decoded, ok := unescape(raw, false)
	if !ok || !clean(decoded, true) {
		return false
	}
	target, err := ParseTarget(raw)
	return err == nil && !target.Under("auth")
}

// clean holds once before and once after decoding: browsers drop tabs and newlines from an address, and take "\" for "/",
// which makes an authority out of what looked like a path. A space that was encoded is a name's or a search's and stays
// encoded on the way: losing it would land everyone who searched for two words on the front page.
func clean(s string, space bool) bool {
	if !strings.HasPrefix(s, "/") || len(s) > 1 && (s[1] == '/' || s[1] == ' ') {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r == '\\' || r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.IsSpace(r) && (!space || r != ' ')
	})
}
