package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const origin = "https://dashboard.example"

// world is a gate in memory: realms, sessions, one pretend provider behind a pretend connector, a clock that stands.
type world struct {
	t *testing.T
	*Handler
	logs *strings.Builder

	mu       sync.Mutex
	now      time.Time
	realms   map[tenant.ID]idp.Realm
	sessions map[session.Hash]session.Session
	burnt    map[[32]byte]bool
	rows     []audit.Event
	results  []string
	idToken  secret.Text
	begun    []idp.Attempt // what Begin was given
	done     []idp.Attempt // what Complete was given
	answer   func(c idp.Connection, a idp.Attempt, r *http.Request) (idp.Identity, error)
	signIn   func(session.SignIn) error
	logouts  []idp.Logout
	fault    error // every store method fails with it
	beginErr error
	lookups  []tenant.ID
}

func connection(t tenant.ID, id idp.ConnectionID) idp.Connection {
	return idp.Connection{
		ID: id, Tenant: t, Protocol: idp.OIDC, Provider: idp.Okta, Name: "Okta " + string(id), Enabled: true, Version: 1,
		Settings: idp.OIDCSettings{Issuer: "https://" + string(id) + ".idp.example", ClientAuth: idp.AuthBasic},
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, logs: &strings.Builder{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		realms: map[tenant.ID]idp.Realm{}, sessions: map[session.Hash]session.Session{}, burnt: map[[32]byte]bool{},
	}
	ring := &session.Ring{Now: w.clock}
	created := w.now.Add(-time.Hour)
	if err := ring.Set([]session.Key{session.NewKey(session.ForCookie, created, created), session.NewKey(session.ForState, created, created)}); err != nil {
		t.Fatal(err)
	}
	public, _ := url.Parse(origin)
	w.Handler = &Handler{
		PublicURL: public, Ring: ring, Realms: w, Sessions: w, Once: w, Audit: w,
		Connectors: map[idp.Protocol]idp.Connector{idp.OIDC: fakeConnector{w}},
		Visitor:    w.visitor, JWKS: func() []byte { return []byte(`{"keys":[]}`) },
		Limits: session.Limits{Idle: 30 * time.Minute, Absolute: 12 * time.Hour},
		Now:    w.clock, Log: slog.New(slog.NewJSONHandler(w.logs, nil)),
		OnSignIn: func(_ idp.Protocol, _ idp.Provider, result string, _ time.Duration) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.results = append(w.results, result)
		},
	}
	w.add("acme", []string{"acme.example"}, connection("acme", "acme-okta"))
	return w
}

func (w *world) add(t tenant.ID, domains []string, cs ...idp.Connection) {
	w.realms[t] = idp.Realm{Tenant: tenant.Tenant{ID: t, Slug: string(t) + "-slug", Domains: domains}, Connections: cs}
}

// change edits a connection in place.
func (w *world) change(id idp.ConnectionID, edit func(*idp.Connection)) {
	for _, r := range w.realms {
		for i := range r.Connections {
			if r.Connections[i].ID == id {
				edit(&r.Connections[i])
			}
		}
	}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) Realm(_ context.Context, t tenant.ID) (idp.Realm, error) {
	w.lookups = append(w.lookups, t)
	if r, ok := w.realms[t]; ok {
		return r, w.fault
	}
	return idp.Realm{}, idp.ErrNotFound
}

func (w *world) TenantByDomain(_ context.Context, domain string) (tenant.ID, bool, error) {
	for id, r := range w.realms {
		for _, d := range r.Tenant.Domains {
			if d == domain {
				return id, true, nil
			}
		}
	}
	return "", false, w.fault
}

func (w *world) TenantByConnection(_ context.Context, c idp.ConnectionID) (tenant.ID, bool, error) {
	for id, r := range w.realms {
		if _, ok := r.Connection(c); ok {
			return id, true, nil
		}
	}
	return "", false, w.fault
}

func (w *world) SoleTenant(context.Context) (tenant.ID, bool, error) {
	var sole tenant.ID
	for id, r := range w.realms {
		if len(r.Connections) == 0 {
			continue
		}
		if sole != "" {
			return "", false, w.fault
		}
		sole = id
	}
	return sole, sole != "", w.fault
}

func (w *world) Get(_ context.Context, _ tenant.ID, h session.Hash) (session.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.sessions[h]
	if !ok {
		return session.Session{}, session.ErrNotFound
	}
	return s, nil
}

func (w *world) SignIn(_ context.Context, in session.SignIn) (session.Session, directory.User, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.signIn != nil {
		if err := w.signIn(in); err != nil {
			return session.Session{}, directory.User{}, err
		}
	}
	s := session.Session{
		Hash: in.ID.Hash(), Tenant: in.Identity.Tenant, Connection: in.Identity.Connection, User: "u-" + directory.UserID(in.Identity.Subject),
		Subject: in.Identity.Subject, IdPSID: in.Identity.SID, Created: w.now, LastSeen: w.now, AbsoluteExpiry: w.now.Add(in.Limits.Absolute),
		AuthTime: in.Identity.AuthTime, IP: in.IP, UserAgent: in.UserAgent,
	}
	if in.Replaces != nil {
		old := w.sessions[*in.Replaces]
		old.RevokedAt, old.RevokedReason = w.now, "replaced"
		w.sessions[*in.Replaces] = old
	}
	w.sessions[s.Hash] = s
	w.idToken = in.Identity.IDToken
	return s, user(s), nil
}

func (w *world) Touch(tenant.ID, session.Hash, time.Time) {
	w.t.Error("the sign-in pages touched a session")
}

func (w *world) Revoke(_ context.Context, _ tenant.ID, r session.Revocation) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.sessions[*r.Hash]
	if w.fault != nil || !ok || !s.RevokedAt.IsZero() {
		return 0, w.fault
	}
	s.RevokedAt, s.RevokedReason = w.now, r.Reason
	w.sessions[*r.Hash] = s
	return 1, nil
}

func (w *world) List(context.Context, tenant.ID, session.Query) ([]session.Session, error) {
	return nil, nil
}

func (w *world) Tokens(context.Context, tenant.ID, session.Hash) (session.Tokens, error) {
	return session.Tokens{IDToken: w.idToken}, nil
}

func (w *world) Burn(_ context.Context, _ tenant.ID, _ idp.ConnectionID, _ string, value [sha256.Size]byte, _ time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.burnt[value] {
		return session.ErrUsed
	}
	w.burnt[value] = true
	return w.fault
}

func (w *world) Record(_ context.Context, e audit.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = append(w.rows, e)
	return nil
}

func user(s session.Session) directory.User {
	name := s.Subject + "@acme.example"
	return directory.User{ID: s.User, Tenant: s.Tenant, UserName: name, DisplayName: "Ms " + s.Subject, Active: true, Emails: []directory.Email{{Value: name}}}
}

// visitor is what extauthz does, without a directory.
func (w *world) visitor(ctx context.Context, r *http.Request) (Visitor, error) {
	if w.fault != nil {
		return Visitor{}, w.fault
	}
	cookies, err := httpreq.ParseCookies(r.Header.Get("Cookie"))
	if err != nil {
		return Visitor{}, nil
	}
	name := w.CookieNames().Session
	value, n := cookies.Get(name)
	token, err := session.OpenToken(w.Ring, session.Bound(name, w.PublicURL.Host), value)
	if n != 1 || err != nil {
		return Visitor{}, nil
	}
	v := Visitor{Opens: true, Token: token}
	if v.Session, err = w.Get(ctx, token.Tenant, token.ID.Hash()); err != nil {
		return v, nil
	}
	v.Realm = w.realms[token.Tenant]
	v.User = user(v.Session)
	v.Connection, _ = v.Realm.Connection(v.Session.Connection)
	v.Live = v.Session.Refusal(w.clock(), w.Limits, v.Realm, v.User) == session.Valid
	v.Roles = []string{"Analyst"}
	v.IdleExpires, v.Expires = v.Session.LastSeen.Add(w.Limits.Idle), v.Session.AbsoluteExpiry
	return v, nil
}

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
	for n, v := range header {
		r.Header[n] = v
	}
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

// signedIn takes b all the way in and returns to where it landed.
func (b *browser) signedIn(code string) *http.Response {
	b.w.t.Helper()
	start := b.open("/auth/login?connection=acme-okta&return_to=/events")
	resp := b.open(b.w.approve(start, code))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/events" {
		b.w.t.Fatalf("sign-in landed at %d %s: %s", resp.StatusCode, resp.Header.Get("Location"), body(resp))
	}
	b.w.pass(time.Millisecond)
	return resp
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

func (w *world) live() int {
	n := 0
	for _, s := range w.sessions {
		if s.RevokedAt.IsZero() {
			n++
		}
	}
	return n
}

// reasons are those of the refused sign-ins in the audit log.
func (w *world) reasons() string {
	var all []string
	for _, e := range w.rows {
		if e.Action == audit.SignInRefused {
			all = append(all, e.Reason)
		}
	}
	return strings.Join(all, ",")
}

var errDown = errors.New("store is down")

func readAll(b *strings.Builder, resp *http.Response) (int64, error) { return io.Copy(b, resp.Body) }
