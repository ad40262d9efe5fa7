package session

// CookieNames are the gate's own cookies. All of them are removed from what the dashboard sees.
type CookieNames struct {
	Session string // a sealed Token
	Flow    string // binds attempts to this browser; no credential
}

// Cookies returns the names. On https they carry the __Host- prefix (RFC 6265bis §4.1.3.2), which no sibling
// domain can set; plain http on loopback, for trying things out, cannot have it everywhere.
func Cookies(insecure bool) CookieNames {
	if insecure {
		return CookieNames{Session: "ssogate", Flow: "ssogate-flow"}
	}
	return CookieNames{Session: "__Host-ssogate", Flow: "__Host-ssogate-flow"}
}

// Bound is what a cookie's value is sealed for: it opens under this name on this host only.
func Bound(name, host string) string { return name + "|" + host }
