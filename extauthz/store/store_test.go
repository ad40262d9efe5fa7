package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// clock is a Now that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var limits = session.Limits{Idle: 30 * time.Minute, Absolute: 12 * time.Hour}

// database is one fresh database that a test opens handles on.
type database struct {
	dsn    string
	clock  *clock
	sealer *secret.Sealer
}

func newDatabase(t testing.TB, dsn string) *database {
	t.Helper()
	sealer, err := secret.NewSealer(secret.RandomKey())
	if err != nil {
		t.Fatal(err)
	}
	return &database{dsn: dsn, clock: newClock(), sealer: sealer}
}

func (d *database) options() Options {
	return Options{DSN: d.dsn, Sealer: d.sealer, Now: d.clock.Now, Limits: limits}
}

// open opens a handle that reads from the database.
func (d *database) open(t testing.TB) *Store { return d.openWith(t, d.options()) }

func (d *database) openWith(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	// The suites make hundreds of writes, and each waits for a poll. Tests move Now alone: no timer may end a wait for them.
	s.patience = patience{poll: time.Millisecond, read: time.Minute, write: time.Minute, lease: time.Minute}
	if s.path == "" { // a look there writes, and a notification comes before it
		s.patience.poll = 20 * time.Millisecond
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// serve opens a handle that runs, and so answers from its caches.
func (d *database) serve(t testing.TB) *Store {
	t.Helper()
	s := d.open(t)
	run(t, s)
	return s
}

// run runs a store until the test ends or stop is called.
func run(t testing.TB, s *Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	for !s.trusted() {
		select {
		case err := <-done:
			t.Fatalf("run ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	return stop
}

// until waits for what another goroutine or process does.
func until(t testing.TB, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !done() {
		select {
		case <-late:
			t.Fatal("it does not happen")
		case <-tick.C:
		}
	}
}

// each runs a test on SQLite and on PostgreSQL.
func each(t *testing.T, f func(t *testing.T, d *database)) {
	t.Parallel() // making a database is mostly waiting
	t.Run("sqlite", func(t *testing.T) { f(t, newDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "gate.db"))) })
	t.Run("postgres", func(t *testing.T) { f(t, newDatabase(t, postgres(t))) })
}

// postgres makes a fresh database on the server that TEST_POSTGRES names.
func postgres(t testing.TB) string {
	t.Helper()
	server := os.Getenv("TEST_POSTGRES")
	if server == "" {
		if os.Getenv("SSOGATE_REQUIRE_POSTGRES") != "" {
			t.Fatal("TEST_POSTGRES names no server, and this run must not go without")
		}
		t.Skip("SKIPPED, NOT PROVEN: TEST_POSTGRES names no PostgreSQL server (`make test` starts one)")
	}
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	var b [6]byte
	_, _ = rand.Read(b[:])
	name := "ssogate_test_" + hex.EncodeToString(b[:])
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	})
	at.Path = "/" + name
	return at.String()
}

const (
	acme     = tenant.ID("acme")
	acmeOkta = idp.ConnectionID("acme-okta")
)

// seed makes a tenant with one connection.
func seed(t testing.TB, s *Store, id tenant.ID) idp.ConnectionID {
	t.Helper()
	if _, err := s.CreateTenant(t.Context(), tenant.Tenant{ID: id, Domains: []string{string(id) + ".example"}}, "cli"); err != nil {
		t.Fatal(err)
	}
	c, err := s.CreateConnection(t.Context(), idp.Connection{
		ID: idp.ConnectionID(id + "-okta"), Tenant: id, Protocol: idp.OIDC, Provider: idp.Okta, Enabled: true,
		Settings: idp.OIDCSettings{Issuer: "https://" + string(id) + ".okta.com", ClientID: "0oa1", ClientSecret: secret.New(plantedSecret)},
	}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	return c.ID
}

const (
	plantedSecret = "planted-client-secret-9c1f"
	plantedToken  = "eyJhbGciOiJSUzI1NiJ9.planted-id-token.sig"
)

func identity(c idp.ConnectionID, sub string) idp.Identity {
	return idp.Identity{
		Tenant: acme, Connection: c, Issuer: "https://" + string(acme) + ".okta.com", Subject: sub, UserName: sub + "@" + string(acme) + ".example",
		Email: sub + "@" + string(acme) + ".example", EmailVerified: true, DisplayName: strings.ToTitle(sub),
		GroupState: idp.GroupsListed, Groups: []string{"Security", "Everyone"}, Claims: map[string]any{"department": "risk"},
		SID: "sid-" + sub, IDToken: secret.New(plantedToken), AMR: []string{"pwd", "mfa"},
	}
}

func signIn(i idp.Identity) session.SignIn {
	return session.SignIn{Identity: i, ID: session.NewID(), Limits: limits, IP: "192.0.2.7", UserAgent: "test", RequestID: "r1"}
}

// mustSignIn signs a person in and fails the test when that does not work.
func mustSignIn(t testing.TB, s *Store, i idp.Identity) session.Session {
	t.Helper()
	out, _, err := s.SignIn(t.Context(), signIn(i))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
