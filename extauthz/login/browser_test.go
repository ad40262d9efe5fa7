package login

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// fakeConnector is a provider that vouches for whoever the code names.
type fakeConnector struct{ w *world }

func (f fakeConnector) Begin(_ context.Context, c idp.Connection, a idp.Attempt) (idp.Redirect, error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.begun = append(f.w.begun, a)
	q := url.Values{"state": {a.Relay}, "redirect_uri": {a.Callback}, "nonce": {a.Derive(idp.DeriveNonce)}, "prompt": {a.Ask.Prompt}, "login_hint": {a.Ask.LoginHint}}
	return idp.Redirect{URL: c.Settings.Issuer + "/authorize?" + q.Encode()}, f.w.beginErr
}

func (f fakeConnector) Complete(_ context.Context, c idp.Connection, a idp.Attempt, r *http.Request) (idp.Identity, error) {
	f.w.mu.Lock()
	f.w.done = append(f.w.done, a)
	f.w.mu.Unlock()
	if f.w.answer != nil {
		return f.w.answer(c, a, r)
	}
	return idp.Identity{Tenant: c.Tenant, Connection: c.ID, Issuer: c.Settings.Issuer, Subject: r.URL.Query().Get("code"), SID: "sid-1", IDToken: secret.New("the-id-token")}, nil
}

// signsOut is a fakeConnector with a sign-out.
type signsOut struct{ fakeConnector }

func (f signsOut) Logout(_ context.Context, c idp.Connection, l idp.Logout) (idp.Redirect, error) {
	f.w.logouts = append(f.w.logouts, l)
	return idp.Redirect{URL: c.Settings.Issuer + "/logout?" + url.Values{"state": {l.Relay}, "post_logout_redirect_uri": {l.ReturnTo}}.Encode()}, nil
}

// browser keeps cookies and sends what a browser sends.
type browser struct {
	w       *world
	mu      sync.Mutex
	cookies map[string]string
	site    string // Sec-Fetch-Site; empty: not sent
	raw     string // a Cookie line instead of the jar's
}

func (w *world) browser() *browser { return &browser{w: w, cookies: map[string]string{}} }

func (b *browser) request(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "203.0.113.7"
	r.Header.Set("User-Agent", "test browser")
	if b.site != "" {
		r.Header.Set("Sec-Fetch-Site", b.site)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var pairs []string
	for n, v := range b.cookies {
		pairs = append(pairs, n+"="+v)
	}
	if b.raw != "" {
		pairs = []string{b.raw}
	}
	if len(pairs) > 0 {
		r.Header.Set("Cookie", strings.Join(pairs, "; "))
	}
	return r.WithContext(WithRequestID(r.Context(), "req-1"))
}

// answer keeps the cookies of a response.
func (b *browser) take(rec *httptest.ResponseRecorder) *http.Response {
	resp := rec.Result()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
	}
	return resp
}

// open sends one request, to the gate's own pages or to the dashboard behind it.
func (b *browser) open(target string) *http.Response { return b.do(http.MethodGet, target, nil) }

func (b *browser) do(method, target string, header http.Header) *http.Response {
	r := b.request(method, strings.TrimPrefix(target, origin))
	maps.Copy(r.Header, header)
	rec := httptest.NewRecorder()
	if strings.HasPrefix(r.URL.Path, "/auth/") {
		b.w.ServeHTTP(rec, r)
		return b.take(rec)
	}
	v, err := b.w.visitor(r.Context(), r)
	if err != nil {
		b.w.t.Fatal(err)
	}
	if v.Live {
		rec.WriteHeader(http.StatusOK)
		_, _ = rec.WriteString("dashboard for " + v.User.UserName)
	} else {
		b.w.Start(rec, r, v, idp.Ask{})
	}
	return b.take(rec)
}

// approve is the provider's side: it turns the address the browser was sent to into the callback.
func (w *world) approve(resp *http.Response, code string) string {
	w.t.Helper()
	to := location(w.t, resp)
	q := to.Query()
	if q.Get("redirect_uri") == "" {
		w.t.Fatalf("not sent to a provider: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
}

// signedIn takes b all the way in.
func (b *browser) signedIn(code string) {
	b.w.t.Helper()
	start := b.open("/auth/login?connection=acme-okta&return_to=/events")
	resp := b.open(b.w.approve(start, code))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/events" {
		b.w.t.Fatalf("sign-in landed at %d %s: %s", resp.StatusCode, resp.Header.Get("Location"), body(resp))
	}
	b.w.pass(time.Millisecond)
}

func location(t *testing.T, resp *http.Response) *url.URL {
	t.Helper()
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || u.Host == "" {
		t.Fatalf("no location: %d %q: %s", resp.StatusCode, resp.Header.Get("Location"), body(resp))
	}
	return u
}

func body(resp *http.Response) string {
	var b strings.Builder
	if _, err := readAll(&b, resp); err != nil {
		return err.Error()
	}
	return b.String()
}
