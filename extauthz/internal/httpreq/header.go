package httpreq

import (
	"net/http"
	"strings"
)

// MaxBearer is the longest bearer token read, in bytes.
const MaxBearer = 60 << 10

const gatePrefix = "x-sso-"

// IsGateHeader reports whether a reader behind the gate could take name for one of the gate's own headers. Casing does not count, and any
// byte but a letter or digit counts as "-": CGI and its heirs (WSGI, Rack, PHP) turn them all into "_", so that "X_SSO_Role" and "x-sso-role" are one.
func IsGateHeader(name string) bool {
	name = strings.TrimLeft(name, " \t")
	if len(name) < len(gatePrefix) {
		return false
	}
	for i := range len(gatePrefix) {
		c := lower(name[i])
		if !isAlnum(c) {
			c = '-'
		}
		if c != gatePrefix[i] {
			return false
		}
	}
	return true
}

// Bearer reads the one Authorization line. ok is false, without an error, for no line and for another scheme. A line that begins as a bearer
// credential and does not end as one (RFC 6750 §2.1), or hides one behind a comma as two joined lines would, is an error.
func Bearer(line string) (token string, ok bool, err error) {
	line = trim(line)
	scheme, rest, _ := strings.Cut(line, " ")
	if !equalFoldASCII(scheme, "Bearer") {
		if namesBearer(line) || joinsBearer(line) {
			return "", false, bad(ReasonBearerForm, "the Authorization header is not one bearer token")
		}
		return "", false, nil
	}
	if len(rest) > MaxBearer {
		return "", false, &Refusal{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: ReasonBearerSize, Message: "the bearer token is too large"}
	}
	if !token68(rest) {
		return "", false, bad(ReasonBearerForm, "the Authorization header is not one bearer token")
	}
	return rest, true, nil
}

// joinsBearer finds a bearer credential behind a comma: two Authorization lines reach some front ends as one.
func joinsBearer(line string) bool {
	first := true
	for part := range strings.SplitSeq(line, ",") {
		if !first && namesBearer(strings.TrimLeft(part, " \t")) {
			return true
		}
		first = false
	}
	return false
}

// namesBearer reports whether s begins with the scheme, whatever stands behind it.
func namesBearer(s string) bool {
	const scheme = "bearer"
	return len(s) >= len(scheme) && equalFoldASCII(s[:len(scheme)], scheme) && (len(s) == len(scheme) || !isAlnum(s[len(scheme)]))
}

// token68 is RFC 9110 §11.2: some letters, digits and -._~+/, then any number of "=".
func token68(s string) bool {
	body := strings.TrimRight(s, "=")
	return body != "" && only(body, func(c byte) bool { return isAlnum(c) || strings.IndexByte("-._~+/", c) >= 0 })
}
