package login

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// from posts a form from an address.
func (b *browser) from(address string, form url.Values) *http.Response {
	return b.fromTo(acsPath, address, form)
}

func (b *browser) fromTo(path, address string, form url.Values) *http.Response {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.RemoteAddr = address
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var pairs []string
	for n, v := range b.crossSite() {
		pairs = append(pairs, n+"="+v)
	}
	r.Header.Set("Cookie", strings.Join(pairs, "; "))
	rec := httptest.NewRecorder()
	b.w.ServeHTTP(rec, r)
	return b.take(rec)
}

var forged = url.Values{"SAMLResponse": {"!saml-signature"}}

func TestAddressThatFailsIsNotListenedToForAMinute(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	good := samlAnswer(t, b.open("/auth/login?connection=acme-saml&return_to=/events"), "alice")
	for i := range failuresPerAddress {
		if resp := w.browser().from("198.51.100.7", forged); resp.StatusCode != http.StatusForbidden {
			t.Fatalf("failure %d: %d", i, resp.StatusCode)
		}
		own := w.browser() // what answers an attempt is counted apart
		_, relay := requested(t, own.open("/auth/login?connection=acme-saml"))
		if resp := own.from("198.51.100.7", url.Values{"SAMLResponse": {"!saml-signature"}, "RelayState": {relay}}); resp.StatusCode != http.StatusForbidden {
			t.Fatalf("failure %d of an attempt's: %d", i, resp.StatusCode)
		}
	}
	if resp := w.browser().from("198.51.100.7", forged); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more without an attempt: %d", resp.StatusCode)
	}
	w.pass(20 * time.Second)
	resp := b.from("198.51.100.7", good)
	if page := body(resp); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "40" || !strings.Contains(page, "saml-busy") {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if resp := w.browser().from("198.51.100.8", forged); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a neighbour: %d", resp.StatusCode)
	}
	w.pass(40 * time.Second)
	if resp := b.from("198.51.100.7", good); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("a minute later: %d", resp.StatusCode)
	}
}

// A page that people of an office look at can have their browsers post whatever it likes, but not what answers an attempt:
// it must not keep the office out.
func TestOtherSitesPagesDoNotKeepAnOfficeOut(t *testing.T) {
	w := newSAMLWorld(t)
	b, evil := w.browser(), w.browser()
	good := samlAnswer(t, b.open("/auth/login?connection=acme-saml&return_to=/events"), "alice")
	for range 2 * failuresPerAddress {
		w.browser().from("198.51.100.7", forged)
		sloFrom(w, "198.51.100.7")
		// A provider of their own learns of the attempts that it is sent, and of no others.
		at := location(t, evil.open("/auth/login?connection=beta-saml")).Query().Get("RelayState")
		evil.fromTo("/auth/callback/saml/beta-saml", "198.51.100.7", url.Values{"SAMLResponse": {"!saml-signature"}, "RelayState": {at}})
	}
	if resp := b.from("198.51.100.7", good); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("a person who was sent there: %d", resp.StatusCode)
	}
}

// Somebody who was removed, or wants another person to stay signed in, must not be able to keep sign-outs away.
func TestStrangersWhoFailDoNotKeepSignOutsAway(t *testing.T) {
	w := newSAMLWorld(t)
	for i := range failuresPerConnection {
		w.browser().from(fmt.Sprintf("198.51.%d.%d", i/100, i%100), forged)
		w.browser().from("203.0.113.7", forged)
	}
	if resp := sloFrom(w, "203.0.113.7"); resp.StatusCode == http.StatusTooManyRequests {
		t.Error("a message of sign-out was not looked at")
	}
	for range failuresPerAddress {
		sloFrom(w, "203.0.113.8")
	}
	if resp := sloFrom(w, "203.0.113.8"); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("sign-outs that fail are listened to without end: %d", resp.StatusCode)
	}
}

func sloFrom(w *world, address string) *http.Response {
	return w.browser().fromTo("/auth/saml/acme-saml/slo", address, url.Values{"SAMLRequest": {"!saml-signature"}})
}

func TestSuccessesNeverCountAgainstAnOffice(t *testing.T) {
	w := newSAMLWorld(t)
	for i := range 3 * failuresPerAddress {
		b := w.browser()
		start := b.open("/auth/login?connection=acme-saml&return_to=/events")
		if resp := b.from("198.51.100.7", samlAnswer(t, start, fmt.Sprint("p", i))); resp.Header.Get("Location") != origin+"/events" {
			t.Fatalf("%d: %d", i, resp.StatusCode)
		}
	}
}

func TestStrangersWhoFailDoNotKeepACompanyOut(t *testing.T) {
	w := newSAMLWorld(t)
	for i := range failuresPerConnection {
		if resp := w.browser().from(fmt.Sprintf("198.51.%d.%d", i/100, i%100), forged); resp.StatusCode != http.StatusForbidden {
			t.Fatalf("failure %d: %d", i, resp.StatusCode)
		}
	}
	if resp := w.browser().from("198.51.0.1", forged); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one that failed before: %d", resp.StatusCode)
	}
	nobodys := url.Values{"SAMLResponse": {"_0123456789abcdef0123456789abcdef|x|y"}}
	if resp := w.browser().from("203.0.113.50", nobodys); resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one without an attempt: %d", resp.StatusCode)
	}
	b := w.browser()
	good := samlAnswer(t, b.open("/auth/login?connection=acme-saml&return_to=/events"), "alice")
	if resp := b.from("203.0.113.50", good); resp.Header.Get("Location") != origin+"/events" {
		t.Errorf("a person who was sent there: %d", resp.StatusCode)
	}
}

func TestAddressesThatSayNothingOfTheSenderAreNotCounted(t *testing.T) {
	for address, want := range map[string]string{
		"198.51.100.7": "198.51.100.7/32", "::ffff:198.51.100.7": "198.51.100.7/32", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
		"127.0.0.1": "invalid Prefix", "::1": "invalid Prefix", "10.0.0.1:4711": "invalid Prefix", "": "invalid Prefix", "@": "invalid Prefix",
	} {
		v := &visit{Request: &http.Request{RemoteAddr: address}}
		if got := v.source().String(); got != want {
			t.Errorf("%q counts as %s, want %s", address, got, want)
		}
	}
}

func TestFrontEndsAddressIsNotHeldAgainstEverybodyBehindIt(t *testing.T) {
	w := newSAMLWorld(t)
	for range 2 * failuresPerAddress {
		for _, address := range []string{"127.0.0.1", "10.0.0.1:4711"} {
			if resp := w.browser().from(address, forged); resp.StatusCode != http.StatusForbidden {
				t.Fatalf("%s: %d", address, resp.StatusCode)
			}
		}
	}
}

func TestFailureCountsAreBounded(t *testing.T) {
	var f failures
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
	}
	for i := range failureWindows + 100 {
		f.add(at(i), idp.ConnectionID(fmt.Sprint(i)), awaited, now)
	}
	if len(f.bySender) != failureWindows || len(f.byConnection) != failureWindows {
		t.Errorf("%d addresses, %d connections", len(f.bySender), len(f.byConnection))
	}
	now = now.Add(failureWindow)
	f.add(at(0), "c", stray, now)
	f.add(at(failureWindows+200), "d", stray, now)
	if len(f.bySender) > failureWindows || f.bySender[sender{from: at(failureWindows + 200)}].rows != 1 {
		t.Errorf("%d addresses", len(f.bySender))
	}
}
