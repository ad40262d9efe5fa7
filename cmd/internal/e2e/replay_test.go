package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A callback that was used is worth nothing: not to who saw it go by, not to who has the browser's other cookies too.
func TestCallbackSeenOnceSignsNobodyElseIn(t *testing.T) {
	b := besiege(t)
	victim := b.As("ada")
	victim.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.Path, "/auth/callback/") }
	held, err := victim.Open(t.Context(), b.URL+"/api/v1/billing")
	if err != nil || held.Location == nil {
		t.Fatalf("held at %v, %v", held.URL, err)
	}
	callback := held.Location.RequestURI()
	thief := func(cookie string) {
		t.Helper()
		line := ""
		if cookie != "" {
			line = "Cookie: " + cookie + "\r\n"
		}
		m := message{method: "GET", raw: "GET " + callback + " HTTP/1.1\r\nHost: " + b.Host + "\r\n" + line + "Accept: text/html\r\nConnection: close\r\n\r\n"}
		sendH1(door(t, b.Stack, "http/1.1"), m, 10*time.Second, func(o outcome) {
			for _, l := range o.location {
				if !b.ours(l) {
					t.Errorf("sent to %s", l)
				}
			}
		})
	}
	thief("") // without the browser that began it, before it is used
	flow := victim.CookieLine()
	victim.Stop = nil
	page, err := victim.Open(t.Context(), held.Location.String())
	if err != nil || page.Status != http.StatusOK || page.URL.Path != "/api/v1/billing" {
		t.Fatalf("the browser that began it ends at %v (%d), %v", page.URL, page.Status, err)
	}
	for _, cookie := range []string{"", flow} {
		thief(cookie)
		other := b.As("vic") // follows redirects; picks vic where the provider asks again
		if cookie != "" {
			u, _ := url.Parse(b.URL)
			name, value, _ := strings.Cut(cookie, "=")
			other.Client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
		}
		if _, err := other.Open(t.Context(), b.URL+callback); err != nil {
			t.Fatal(err)
		}
		if got := other.Fetch("GET", "/api/v1/billing"); got.Status == http.StatusOK {
			t.Errorf("the callback, used again, made its sender an Admin (with the flow's cookie: %t)", cookie != "")
		}
	}
}

func TestSignInLandsOnThisHostOrNowhere(t *testing.T) {
	b := besiege(t)
	for _, to := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example`, `\\evil.example`, "/%2f/evil.example", "/\t/evil.example", "/\n/evil.example",
		"https:evil.example", "javascript:alert(1)", "https://" + b.Host + "@evil.example/", "https://" + b.Host + ".evil.example/",
		"/events/../../auth/logout", "/auth/logout", "/auth/login?return_to=//evil.example", "/ /evil.example", "http:///evil.example", " //evil.example",
		"/%0d%0aSet-Cookie:x=y", "/;/evil.example", "/..//evil.example", "/%5cevil.example", "/\u2028/evil.example", "/%E3%80%82evil.example",
	} {
		for _, link := range []string{
			"/auth/login?return_to=" + url.QueryEscape(to),
			"/auth/login?connection=acme-idp&return_to=" + url.QueryEscape(to),
			"/auth/login?connection=acme-idp&target_link_uri=" + url.QueryEscape(to),
		} {
			p := b.As("vic")
			page, err := p.Open(t.Context(), b.URL+link)
			if err != nil {
				t.Errorf("%q: %v", link, err)
				continue
			}
			if page.URL.Host != b.Host || page.URL.Scheme != "https" || strings.HasPrefix(page.URL.Path, "/auth/logout") {
				t.Errorf("%q lands on %s", link, page.URL)
			}
		}
	}
}
