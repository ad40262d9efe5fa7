package login

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
)

func TestStateStaysShortEnoughForEveryProvider(t *testing.T) {
	w := newWorld(t)
	f, _, err := w.begin(flow{})
	if err != nil {
		t.Fatal(err)
	}
	c := connection("acme-tenant-with-the-longest-name-of-all1", "connection-with-the-longest-name-of-all1")
	c.Tenant, c.ID = c.Tenant[:40], c.ID[:40]
	age := time.Hour
	longest := wanted{returnTo: "/" + strings.Repeat("p", 511), ask: idp.Ask{
		ACR: []string{strings.Repeat("a", 128), strings.Repeat("b", 128)}, MaxAge: &age, Prompt: "select_account", LoginHint: strings.Repeat("h", maxHint),
	}}
	a, err := w.newAttempt(f, c, longest)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a.Relay); n > 1500 {
		t.Errorf("longest state: %d characters", n)
	}
	if a.ReturnTo != longest.returnTo {
		t.Error("a path of 512 bytes does not fit")
	}
	short, err := w.newAttempt(f, c, wanted{returnTo: "/"})
	if err != nil || len(short.Relay) > 350 {
		t.Errorf("shortest state: %d characters, %v", len(short.Relay), err)
	}
	longest.ask.ACR = append(longest.ask.ACR, "c")
	if _, err := w.newAttempt(f, c, longest); err == nil {
		t.Error("more contexts than fit were accepted")
	}
	longest.ask = idp.Ask{LoginHint: strings.Repeat("h", maxHint+1)}
	if a, err := w.newAttempt(f, c, longest); err != nil || a.Ask.LoginHint != "" {
		t.Errorf("a hint too long: %q, %v", a.Ask.LoginHint, err)
	}
}

func TestEveryAttemptHasItsOwnKey(t *testing.T) {
	w := newWorld(t)
	f, _, _ := w.begin(flow{})
	other, _, _ := w.begin(flow{})
	c := connection("acme", "acme-okta")
	seen := map[string]bool{}
	for range 3 {
		for _, of := range []flow{f, other} {
			a, err := w.newAttempt(of, c, wanted{returnTo: "/"})
			if err != nil {
				t.Fatal(err)
			}
			seen[a.Key.Reveal()], seen[a.Derive(idp.DerivePKCE)] = true, true
			opened, keyID, err := w.openAttempt(a.Relay)
			if err != nil || !opened.of(of) {
				t.Fatalf("does not open for its browser: %v", err)
			}
			key, err := w.attemptKey(keyID, of, opened.ID)
			if err != nil || !key.Equal(a.Key) {
				t.Errorf("key differs: %v", err)
			}
			stolen, _ := w.attemptKey(keyID, flow{opens: true, secret: secret.New("guess")}, opened.ID)
			if stolen.Equal(a.Key) {
				t.Error("the key does not depend on the browser")
			}
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d different secrets of 12", len(seen))
	}
	a, _ := w.newAttempt(f, c, wanted{})
	if opened, _, _ := w.openAttempt(a.Relay); opened.of(other) || opened.of(flow{}) || opened.of(flow{secret: f.secret}) {
		t.Error("an attempt belongs to a browser that does not hold its cookie")
	}
}

func FuzzUnpackAttempt(f *testing.F) {
	age := time.Minute
	for _, ask := range []idp.Ask{{}, {ACR: []string{"a", ""}, MaxAge: &age, Prompt: "none", LoginHint: "h"}} {
		a := attempt{}
		a.Kind, a.Tenant, a.Connection, a.ReturnTo, a.Ask, a.Begun = idp.KindSignIn, "acme", "acme-okta", "/x", ask, time.UnixMilli(1)
		plain, err := a.pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		a, err := unpackAttempt(plain)
		if err != nil {
			return
		}
		again, err := a.pack()
		if err != nil {
			return // longer than pack makes them
		}
		// Other flags and a max_age without its flag are dropped; what is kept must be the same.
		b, err := unpackAttempt(again)
		if err != nil || a.ID != b.ID || a.browser != b.browser || !a.Begun.Equal(b.Begun) || a.Version != b.Version || a.Retry != b.Retry || a.ReturnTo != b.ReturnTo ||
			a.Tenant != b.Tenant || a.Connection != b.Connection || a.Ask.Prompt != b.Ask.Prompt || a.Ask.LoginHint != b.Ask.LoginHint || !slices.Equal(a.Ask.ACR, b.Ask.ACR) {
			t.Errorf("%+v\n%+v, %v", a, b, err)
		}
	})
}

func FuzzUnpackFlow(f *testing.F) {
	one := flow{secret: secret.New(strings.Repeat("s", 32)), completed: 3, window: time.Unix(5, 0), issued: time.Unix(6, 0), tenant: "acme", connection: "acme-okta", choose: true}
	f.Add(one.pack())
	f.Fuzz(func(t *testing.T, plain []byte) {
		got, ok := unpackFlow(plain)
		if !ok {
			return
		}
		if len(got.secret.Reveal()) != flowSecretLen {
			t.Fatal("a secret of another length")
		}
		if again := got.pack(); len(plain) != len(again) || !bytes.Equal(plain[:32], again[:32]) || !bytes.Equal(plain[34:], again[34:]) {
			t.Errorf("%x\n%x", plain, again)
		}
	})
}

// FuzzCallback sends whatever a browser may send to a gate that has attempts outstanding.
func FuzzCallback(f *testing.F) {
	for _, q := range []string{"", "state=x", "state=&code=", "code=a&state=v1.aaaaaaaa.", "a=%zz", "state=a&state=b", "error=access_denied&state=x"} {
		f.Add(q, "__Host-ssogate-flow=v1.x.y")
	}
	f.Fuzz(func(t *testing.T, query, cookies string) {
		w := newWorld(t)
		r := httptest.NewRequest("GET", "/auth/callback/oidc/acme-okta", nil)
		r.URL.RawQuery = query
		r.Header["Cookie"] = []string{cookies}
		rec := httptest.NewRecorder()
		w.ServeHTTP(rec, r)
		if rec.Code < 400 || rec.Code >= 500 || len(w.done) != 0 || len(w.sessions) != 0 {
			t.Errorf("%q: %d", query, rec.Code)
		}
	})
}

func TestClientAddressIsWithoutPort(t *testing.T) {
	for remote, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "203.0.113.7:99": "203.0.113.7", "[2001:db8::1]:443": "2001:db8::1", "2001:db8::1": "2001:db8::1",
		"[::ffff:203.0.113.7]:1": "203.0.113.7", "@": "", "": "",
	} {
		v := &visit{Request: httptest.NewRequest("GET", "/", nil)}
		v.RemoteAddr = remote
		if got := v.ip(); got != want {
			t.Errorf("%q: %q", remote, got)
		}
	}
}

func TestUserAgentIsKeptAsTextOfBoundedLength(t *testing.T) {
	if got := agent("a\x00b\xffc\n" + strings.Repeat("é", 300)); got != "abc"+strings.Repeat("é", 253) {
		t.Errorf("%q", got)
	}
}

func BenchmarkStart(b *testing.B) {
	w := newWorld(&testing.T{})
	r := httptest.NewRequest("GET", "/events", nil)
	for b.Loop() {
		w.Start(httptest.NewRecorder(), r, Visitor{}, idp.Ask{})
		w.begun, w.lookups = w.begun[:0], w.lookups[:0]
	}
}

var _ session.Store = (*world)(nil)

// TestTabOvertakenByOthersIsSentAgain: while it was at the provider, a slower tab was given another flow cookie.
func TestTabOvertakenByOthersIsSentAgain(t *testing.T) {
	for overtaken, want := range map[int]int{1: http.StatusSeeOther, retriesOfTabs: http.StatusSeeOther, retriesOfTabs + 1: http.StatusBadRequest} {
		w := newWorld(t)
		b := w.browser()
		resp := b.open("/tab")
		for range overtaken {
			slower := w.browser()
			slower.open("/slower")
			b.cookies["__Host-ssogate-flow"] = slower.cookies["__Host-ssogate-flow"]
			resp = b.open(w.approve(resp, "alice"))
		}
		if want == http.StatusSeeOther {
			resp = b.open(w.approve(resp, "alice"))
		}
		if resp.StatusCode != want || want == http.StatusSeeOther && resp.Header.Get("Location") != origin+"/tab" {
			t.Errorf("overtaken %d times: %d %s", overtaken, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
}
