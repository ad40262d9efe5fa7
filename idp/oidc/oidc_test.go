package oidc_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/oidc"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// clock is a time tests move by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const callback = "http://localhost:8080/auth/callback/oidc/acme"

// world is one provider, one connection and the connector between them.
type world struct {
	t     *testing.T
	op    *idptest.Running
	conn  idp.Connection
	c     *oidc.Connector
	clock *clock
	log   *logBook
	ask   idp.Ask
	who   string
}

// logBook keeps everything logged.
type logBook struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var alice = idptest.Person{
	Sub: "00u1", UserName: "alice", Email: "alice@acme.example", Name: "Alice Weaver", Groups: []string{"Everyone", "Security"},
}

// newWorld starts a provider that signs with ES256, whose keys are quick to make.
func newWorld(t *testing.T, change ...func(*idptest.Options, *idp.Connection)) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), log: &logBook{}, who: "alice"}
	opts := idptest.Options{
		Now: w.clock.Now, Alg: "ES256", People: []idptest.Person{alice},
		Clients: []idptest.Client{{ID: "gate", Secret: "s3cret/+ %", RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"http://localhost:8080/auth/logout"}}},
	}
	w.conn = idp.Connection{ID: "acme", Tenant: "acme", Protocol: idp.OIDC, Provider: idp.Generic, Enabled: true, Version: 1, Settings: idp.OIDCSettings{
		ClientID: "gate", ClientSecret: secret.New("s3cret/+ %"), ClientAuth: idp.AuthBasic, Scopes: []string{"profile", "email", "groups"},
		Claims: idp.ClaimNames{Groups: "groups"},
	}}
	for _, f := range change {
		f(&opts, &w.conn)
	}
	op, err := idptest.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(op.Close)
	w.op = op
	w.conn.Settings.Issuer = op.Issuer()
	w.c = w.connector()
	return w
}

// connector makes a fresh one, as a restart does.
func (w *world) connector() *oidc.Connector {
	client, err := idp.Egress{Insecure: true}.Client()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.CloseIdleConnections)
	return &oidc.Connector{Client: client, Now: w.clock.Now, Log: slog.New(slog.NewJSONHandler(w.log, nil))}
}

func (w *world) attempt() idp.Attempt {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return idp.Attempt{
		Kind: idp.KindSignIn, Tenant: w.conn.Tenant, Connection: w.conn.ID, Version: w.conn.Version, Relay: "v1.k1.sealed", Callback: callback,
		Ask: w.ask, Begun: w.clock.Now(), Key: secret.New(string(key)),
	}
}

// visit sends a browser through the provider and returns the callback it is sent to.
func (w *world) visit(a idp.Attempt) (*url.URL, error) {
	w.t.Helper()
	to, err := w.c.Begin(w.t.Context(), w.conn, a)
	if err != nil {
		return nil, err
	}
	b := idptest.NewBrowser(w.who, nil)
	b.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.String(), "http://localhost:8080/") }
	p, err := b.Open(w.t.Context(), to.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	if p.Location == nil {
		w.t.Fatalf("provider kept the browser: status %d\n%s", p.Status, p.Body)
	}
	return p.Location, nil
}

func (w *world) complete(ctx context.Context, a idp.Attempt, back *url.URL) (idp.Identity, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, back.String(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.c.Complete(ctx, w.conn, a, r)
}

// signIn does all of it once.
func (w *world) signIn() (idp.Identity, error) {
	w.t.Helper()
	a := w.attempt()
	back, err := w.visit(a)
	if err != nil {
		return idp.Identity{}, err
	}
	return w.complete(w.t.Context(), a, back)
}

// mustSignIn is signIn that has to work.
func (w *world) mustSignIn() idp.Identity {
	w.t.Helper()
	id, err := w.signIn()
	if err != nil {
		w.t.Fatalf("sign in: %v", err)
	}
	return id
}

// mustRefuse is signIn that has to end with code, with a hint and without a word of the provider's.
func (w *world) mustRefuse(code idp.Code) {
	w.t.Helper()
	id, err := w.signIn()
	w.refused(code, id, err)
}

func (w *world) refused(code idp.Code, id idp.Identity, err error) {
	w.t.Helper()
	if err == nil {
		w.t.Fatalf("signed in %q; want a refusal with %s", id.Subject, code)
	}
	if got := idp.CodeOf(err); got != code {
		w.t.Fatalf("refused with %q (%v); want %q", got, err, code)
	}
	quiet(w.t, err)
}

// quiet checks that an error has a hint and repeats nothing the provider wrote.
func quiet(t *testing.T, err error) {
	t.Helper()
	e, ok := asError(err)
	if !ok || e.Hint == "" {
		t.Errorf("no hint for the admin: %v", err)
	}
	for _, theirs := range []string{"internal-host-7", "<html>", "administrator", "s3cret"} {
		if strings.Contains(err.Error(), theirs) || strings.Contains(e.Hint, theirs) {
			t.Errorf("error repeats %q: %v; %s", theirs, err, e.Hint)
		}
	}
}
