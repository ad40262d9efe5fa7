package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
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

	mu         sync.Mutex
	now        time.Time
	realms     map[tenant.ID]idp.Realm
	sessions   map[session.Hash]session.Session
	burnt      map[[32]byte]bool
	rows       []audit.Event
	results    []string
	idToken    secret.Text
	begun      []idp.Attempt // what Begin was given
	done       []idp.Attempt // what Complete was given
	answer     func(c idp.Connection, a idp.Attempt, r *http.Request) (idp.Identity, error)
	signIn     func(session.SignIn) error
	logouts    []idp.Logout
	revoked    []session.Revocation
	once       map[string]bool // the Once values of sign-ins, and their attempts
	tests      map[[16]byte]string
	received   idp.LogoutMessage // what ReceiveLogout makes of any message
	fault      error             // every store method fails with it
	beginErr   error
	failRevoke error
	lookups    []tenant.ID
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
		once: map[string]bool{}, tests: map[[16]byte]string{},
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
		Visitor:    w.visitor, Holder: w.holder, JWKS: func() []byte { return []byte(`{"keys":[]}`) },
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
	w.mu.Lock()
	w.lookups = append(w.lookups, t)
	w.mu.Unlock()
	if r, ok := w.realms[t]; ok {
		return r, w.fault
	}
	return idp.Realm{}, idp.ErrNotFound
}

func (w *world) TenantByDomain(_ context.Context, domain string) (tenant.ID, bool, error) {
	for id, r := range w.realms {
		if slices.Contains(r.Tenant.Domains, domain) {
			return id, true, nil
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
	keys := []string{session.KindAttempt + string(in.Attempt[:])}
	for _, o := range in.Identity.Once {
		keys = append(keys, o.Kind+o.Value)
	}
	for i, k := range keys {
		if w.once[k] {
			return session.Session{}, directory.User{}, &session.UsedError{Kind: append([]string{session.KindAttempt}, onceKinds(in)...)[i]}
		}
	}
	for _, k := range keys {
		w.once[k] = true
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
	w.revoked = append(w.revoked, r)
	for _, o := range r.Once {
		if w.once[o.Kind+o.Value] {
			return 0, session.ErrUsed
		}
		w.once[o.Kind+o.Value] = w.fault == nil
	}
	if w.failRevoke != nil {
		return 0, w.failRevoke
	}
	if r.NameID != nil {
		return w.revokeNamed(r), w.fault
	}
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
	return session.Tokens{IDToken: w.idToken, NameID: idp.NameID{Value: "name-1", Format: "f"}}, nil
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
	cookies, _ := httpreq.ParseCookies(r.Header.Get("Cookie")) // none, when they cannot be read
	name := w.CookieNames().Session
	value, n := cookies.Get(name)
	token, err := session.OpenToken(w.Ring, session.Bound(name, w.PublicURL.Host), value)
	if n != 1 || err != nil {
		return Visitor{}, nil //nolint:nilerr // what does not open is nobody
	}
	v := Visitor{Opens: true, Token: token}
	if v.Session, err = w.Get(ctx, token.Tenant, token.ID.Hash()); err != nil {
		return v, nil //nolint:nilerr // a session that is gone is not live
	}
	v.Realm = w.realms[token.Tenant]
	v.User = user(v.Session)
	v.Connection, _ = v.Realm.Connection(v.Session.Connection)
	v.Live = v.Session.Refusal(w.clock(), w.Limits, v.Realm, v.User) == session.Valid
	v.Roles = []string{"Analyst"}
	v.IdleExpires, v.Expires = v.Session.LastSeen.Add(w.Limits.Idle), v.Session.AbsoluteExpiry
	return v, nil
}

// holder is visitor without the cookie.
func (w *world) holder(ctx context.Context, t tenant.ID, h session.Hash) (Visitor, error) {
	var v Visitor
	var err error
	if v.Session, err = w.Get(ctx, t, h); err != nil {
		return v, nil //nolint:nilerr // a session that is gone is not live
	}
	v.Realm, v.User = w.realms[t], user(v.Session)
	v.Connection, _ = v.Realm.Connection(v.Session.Connection)
	v.Live = v.Session.Tenant == t && v.Session.Refusal(w.clock(), w.Limits, v.Realm, v.User) == session.Valid
	return v, w.fault
}

func onceKinds(in session.SignIn) []string {
	var kinds []string
	for _, o := range in.Identity.Once {
		kinds = append(kinds, o.Kind)
	}
	return kinds
}

func (w *world) revokeNamed(r session.Revocation) int {
	n := 0
	for h, s := range w.sessions {
		if w.fault == nil && s.Connection == r.Connection && s.Subject == r.NameID.Value && s.RevokedAt.IsZero() {
			s.RevokedAt, s.RevokedReason = w.now, r.Reason
			w.sessions[h] = s
			n++
		}
	}
	return n
}

func (w *world) BeginTest(_ context.Context, _ tenant.ID, _ idp.ConnectionID, id [16]byte) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	result, there := w.tests[id]
	if !there || result != "" {
		return false, w.fault
	}
	w.tests[id] = "begun"
	return true, w.fault
}

func (w *world) FinishTest(_ context.Context, _ tenant.ID, _ idp.ConnectionID, id [16]byte, result []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tests[id] = string(result)
	return w.fault
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
