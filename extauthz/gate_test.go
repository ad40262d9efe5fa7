package extauthz

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim/directory"
)

var testLimits = session.Limits{Idle: 30 * time.Minute, Absolute: 12 * time.Hour}

// gate is a whole gate in this process: a real store in a file, the default policy, real gRPC over a loopback socket.
// Only signing in is short: it goes to the store without a provider.
type gate struct {
	t      testing.TB
	server *Server
	store  *store.Store
	client authv3.AuthorizationClient
	log    *lockedBuffer // the gate's own log
	lines  *lockedBuffer // the decision log
	clock  *clock
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.at
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newGate(t testing.TB) *gate {
	t.Helper()
	g := &gate{t: t, log: &lockedBuffer{}, lines: &lockedBuffer{}, clock: &clock{}}
	log := slog.New(slog.NewJSONHandler(g.log, nil))
	public := &url.URL{Scheme: "https", Host: testHost}
	sealer, err := secret.NewSealer(secret.RandomKey())
	check(t, err)
	ring := &session.Ring{Now: g.clock.now}
	g.store, err = store.Open(t.Context(), store.Options{
		DSN: "sqlite:" + filepath.Join(t.TempDir(), "gate.db"), Sealer: sealer, Now: g.clock.now, Log: log, Limits: testLimits,
	})
	check(t, err)
	keys, err := g.store.Keys(t.Context())
	check(t, err)
	check(t, ring.Set(keys))
	check(t, g.store.Declare(t.Context(), []store.Declared{{
		Tenant: tenant.Tenant{ID: "acme", Slug: "acme", GroupKey: tenant.ByDisplayName},
		Connections: []idp.Connection{{ID: "acme-idp", Tenant: "acme", Protocol: idp.OIDC, Provider: idp.Generic, Enabled: true,
			Settings: idp.OIDCSettings{Issuer: "https://idp.example", ClientID: "c", ClientSecret: secret.New("s")}}},
		Mappings: []idp.RoleMapping{
			{Tenant: "acme", Kind: idp.MapGroup, Value: "admins", Role: "Admin"},
			{Tenant: "acme", Kind: idp.MapGroup, Value: "analysts", Role: "Analyst"},
			{Tenant: "acme", Kind: idp.MapGroup, Value: "viewers", Role: "Viewer"},
		},
	}}))
	revision, err := policies.Load(t.Context(), policies.Default(), policies.Options{})
	check(t, err)
	engine := &policies.Engine{Now: g.clock.now, Timeout: time.Second}
	engine.Swap(revision)
	assertions := &Assertions{Ring: ring, Issuer: public.String(), Audience: public.String()}
	g.server = &Server{
		PublicURL: public, Sessions: g.store, Directory: g.store, Realms: g.store, Policy: engine, Ring: ring, Assertions: assertions,
		Decisions: &audit.Log{Out: g.lines}, Metrics: NewMetrics("test"), Limits: testLimits, Now: g.clock.now, Log: log,
		Login: &login.Handler{
			PublicURL: public, Ring: ring, Realms: g.store, Sessions: g.store, Once: g.store, Audit: g.store,
			Connectors: map[idp.Protocol]idp.Connector{}, JWKS: assertions.JWKS, Limits: testLimits, Now: g.clock.now, Log: log,
		},
	}
	check(t, g.server.Init())
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { _ = g.store.Run(ctx) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	wg.Go(func() { _ = (&GRPC{Server: g.server, Drain: time.Nanosecond}).Serve(ctx, l) })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	g.client = authv3.NewAuthorizationClient(conn)
	t.Cleanup(func() {
		_ = conn.Close()
		stop()
		wg.Wait()
		_ = g.store.Close()
	})
	return g
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signIn makes a session for a person in the given groups and returns the Cookie line and the user.
func (g *gate) signIn(name string, groups ...string) (cookie string, user directory.User) {
	g.t.Helper()
	id := session.NewID()
	state := idp.GroupsListed
	if len(groups) == 0 {
		state = idp.GroupsNone
	}
	_, user, err := g.store.SignIn(g.t.Context(), session.SignIn{
		ID: id, Limits: testLimits,
		Identity: idp.Identity{
			Tenant: "acme", Connection: "acme-idp", Issuer: "https://idp.example", Subject: "sub-" + name, UserName: name, Joins: idp.Joins{UserName: name},
			Email: name + "@acme.example", DisplayName: name, GroupState: state, Groups: groups, AuthTime: g.clock.now(),
		},
	})
	check(g.t, err)
	value, err := session.SealToken(g.server.Ring, g.server.bound, session.Token{ID: id, Tenant: "acme", Issued: g.clock.now()})
	check(g.t, err)
	return g.server.names.Session + "=" + value, user
}

// ask sends one check over the socket.
func (g *gate) ask(c call) *authv3.CheckResponse {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 15*time.Second)
	defer cancel()
	out, err := g.client.Check(ctx, c.check(true))
	if err != nil {
		g.t.Fatalf("check %s %s: %v", c.method, c.path, err)
	}
	return out
}

// status is what the client would see: 200 for an allow.
func httpStatus(out *authv3.CheckResponse) int {
	switch {
	case out.GetStatus().GetCode() == 0:
		return 200
	case out.GetDeniedResponse() != nil:
		return int(out.GetDeniedResponse().GetStatus().GetCode())
	default:
		return int(out.GetErrorResponse().GetStatus().GetCode())
	}
}

var _ io.Writer = (*lockedBuffer)(nil)
