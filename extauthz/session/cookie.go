package session

// CookieNames are the gate's own cookies. All of them are removed from what the dashboard sees.
type CookieNames struct {
	Session string // a sealed Token
	Flow    string // binds attempts to this browser; no credential
	// CrossSite is Flow's twin for the POST by which a SAML provider answers: another site makes it, and browsers leave
	// SameSite=Lax cookies behind. With "-" and a handle behind it, it names the cookie of one attempt.
	CrossSite string
}

// Cookies returns the names. On https they carry the __Host- prefix (RFC 6265bis §4.1.3.2), which no sibling
// domain can set; plain http on loopback, for trying things out, cannot have it everywhere. CrossSite keeps it there
// too: SameSite=None is refused without Secure, and browsers take loopback for secure.
func Cookies(insecure bool) CookieNames {
	if insecure {
		return CookieNames{Session: "ssogate", Flow: "ssogate-flow", CrossSite: "__Host-ssogate-saml"}
	}
	return CookieNames{Session: "__Host-ssogate", Flow: "__Host-ssogate-flow", CrossSite: "__Host-ssogate-saml"}
}

// Own lists what is the gate's in a Cookie line; one that ends in "-" stands for every name that begins so.
func (c CookieNames) Own() []string {
	if c.Flow == "__Host-ssogate-flow" {
		return []string{c.Session, "__Host-ssogate-"}
	}
	return []string{c.Session, c.Flow, "__Host-ssogate-"}
}

// Bound is what a cookie's value is sealed for: it opens under this name on this host only.
func Bound(name, host string) string { return name + "|" + host }
