package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
)

// A sign-in that works with --insecure only proves little: cookie names, flags and the checks of addresses differ.
func TestOverHTTPSAPersonSignsInAndTheCookiesAreHostBound(t *testing.T) {
	certificate := NewTLS(t)
	s := NewStack(t, Options{TLS: certificate})
	tab := StartChromium(t, certificate).Profile(t)
	page := tab.Main()
	if status := page.Open(s.URL + "/events?page=2"); status != http.StatusOK || !strings.HasPrefix(page.URL(), s.IdPURL+"/") {
		t.Fatalf("not at the provider but at %s (%d)", page.URL(), status)
	}
	if status := page.Pick("vic"); status != http.StatusOK || page.URL() != s.URL+"/events?page=2" {
		t.Fatalf("landed on %s (%d)", page.URL(), status)
	}
	jar := tab.Cookies()
	lax, none := network.CookieSameSiteLax, network.CookieSameSiteNone // the latter travels with a SAML provider's form, and grants nothing
	for name, site := range map[string]network.CookieSameSite{"__Host-ssogate": lax, "__Host-ssogate-flow": lax, "__Host-ssogate-saml": none} {
		c := jar[name]
		if c == nil {
			t.Errorf("no cookie is called %s", name)
			continue
		}
		if !c.Secure || !c.HTTPOnly || c.SameSite != site || c.Path != "/" || c.Domain != "localhost" {
			t.Errorf("%s: Secure %t, HttpOnly %t, SameSite %s, Path %s, Domain %s", name, c.Secure, c.HTTPOnly, c.SameSite, c.Path, c.Domain)
		}
		delete(jar, name)
	}
	for name, c := range jar {
		if c.Domain == "localhost" {
			t.Errorf("another cookie is called %s", name)
		}
	}
	if got := page.Complaints(); len(got) > 0 {
		t.Errorf("the browser complains: %q", got)
	}
	if status := page.Open(s.URL + "/auth/logout"); status != http.StatusOK || !strings.Contains(page.Text(), "signed out at your identity provider") {
		t.Errorf("signed out: %d %s", status, page.Text())
	}
	if tab.Cookies()["__Host-ssogate"] != nil {
		t.Error("the session cookie outlives the sign-out")
	}
}

func TestOverHTTPSPlainHTTPIsNotAnswered(t *testing.T) {
	s := NewStack(t, Options{TLS: NewTLS(t)})
	if got := s.Raw("GET / HTTP/1.1\r\nHost: " + s.Host + "\r\n\r\n"); got.Status != 0 {
		t.Errorf("plain http on the https port: %d %s", got.Status, got.Body)
	}
	if got := s.get("http://" + s.Host + "/"); got != 0 {
		t.Errorf("plain http: %d", got)
	}
	if seen := s.Upstream.Seen(); len(seen) > 0 {
		t.Errorf("the dashboard was reached: %s", seen[0].Line)
	}
	if out, err := s.TryCLI("serve", "-c", s.Config, "--insecure"); err == nil || !strings.Contains(out, "insecure") {
		t.Errorf("--insecure is accepted for an https address: %v %s", err, out)
	}
}
