package httpreq

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Host is the one authority the gate serves: a lower-case name and the port of the public URL.
type Host struct {
	Name string // IPv6 literals keep their brackets
	Port string // never empty; the scheme's own where the URL names none
}

// HostOf takes the host from the gate's public URL.
func HostOf(public *url.URL) (Host, error) {
	if public.User != nil {
		return Host{}, errors.New("the public URL carries credentials")
	}
	name, port := splitHost(strings.ToLower(public.Host))
	if !hostName(name) {
		return Host{}, fmt.Errorf("%q is not a plain ASCII host name", public.Host)
	}
	if port == "" {
		switch public.Scheme {
		case "https":
			port = "443"
		case "http":
			port = "80"
		default:
			return Host{}, fmt.Errorf("scheme %q is neither https nor http", public.Scheme)
		}
	}
	if !portNumber(port) {
		return Host{}, fmt.Errorf("%q is not a port", port)
	}
	return Host{Name: name, Port: port}, nil
}

// ParseHost holds the Host of a request against the one served. Case does not matter and the port may be left out. A form that readers disagree
// about (credentials, two hosts joined by a comma, a trailing dot) is refused with 400, another host or port with 421 (RFC 9110 §15.5.20).
func ParseHost(raw string, want Host) error {
	name, port := splitHost(raw)
	if !hostName(name) || (len(name) != len(raw) && !portNumber(port)) {
		return bad(ReasonHostForm, "the host is not a plain host name with an optional port")
	}
	if want.Name == "" || !equalFoldASCII(name, want.Name) || (port != "" && port != want.Port) {
		return &Refusal{Status: http.StatusMisdirectedRequest, Reason: ReasonHostOther, Message: "this host is not served here"}
	}
	return nil
}

// splitHost cuts at the last colon outside brackets.
func splitHost(s string) (name, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], ']') >= 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// hostName accepts letters, digits, "-", "_" and inner single dots, or a bracketed run of hex digits, colons and dots.
func hostName(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	if s[0] == '[' {
		return len(s) > 2 && s[len(s)-1] == ']' && only(s[1:len(s)-1], func(c byte) bool { return isHex(c) || c == ':' || c == '.' })
	}
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	return only(s, func(c byte) bool { return isAlnum(c) || c == '-' || c == '_' || c == '.' })
}

// portNumber accepts one to five digits without a leading zero.
func portNumber(s string) bool {
	return s != "" && len(s) <= 5 && s[0] != '0' && only(s, func(c byte) bool { return '0' <= c && c <= '9' })
}

func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFoldASCII is strings.EqualFold without Unicode: U+212A, the Kelvin sign, is no k here.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
