package scimtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that makes and drops databases

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// Databases runs a test on SQLite and, where TEST_POSTGRES names a server, on PostgreSQL. dsn makes an empty database.
// getenv is os.Getenv.
func Databases(t *testing.T, getenv func(string) string, test func(t *testing.T, dsn func(t testing.TB) string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, sqlite) })
	t.Run("postgres", func(t *testing.T) {
		server := getenv("TEST_POSTGRES")
		if server == "" {
			if getenv("SSOGATE_REQUIRE_POSTGRES") != "" {
				t.Fatal("TEST_POSTGRES names no server, and this run must not go without")
			}
			t.Skip("SKIPPED, NOT PROVEN: TEST_POSTGRES names no PostgreSQL server (`make test` starts one)")
		}
		test(t, func(t testing.TB) string { return postgres(t, server) })
	})
}

func sqlite(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "gate.db") }

func postgres(t testing.TB, server string) string {
	t.Helper()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	name := "scim_" + strings.ToLower(rand.Text())
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", server)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = db.Close() }()
		if _, err := db.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// World is a service provider on a real store, listening on loopback.
type World struct {
	Store   *store.Store
	Handler *scim.Handler
	URL     string // of the service provider
	Client  *http.Client

	mu    sync.Mutex
	calls []directory.Call
}

// Open starts a service provider. now is time.Now; change, where given, alters the handler before the first request.
func Open(t testing.TB, dsn string, now func() time.Time, change func(*scim.Handler)) *World {
	t.Helper()
	sealer, err := secret.NewSealer(secret.RandomKey())
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{DSN: dsn, Sealer: sealer, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &World{Store: s}
	w.Handler = &scim.Handler{Store: s, Credentials: s, Seal: sealer, Calls: w.log, Now: now, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	server := httptest.NewServer(w.Handler)
	t.Cleanup(server.Close)
	if w.Handler.PublicURL, err = url.Parse(server.URL); err != nil {
		t.Fatal(err)
	}
	w.URL, w.Client = server.URL+scim.Base, server.Client()
	if change != nil {
		change(w.Handler)
	}
	return w
}

func (w *World) log(c directory.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, c)
}

// Calls returns what the service provider wrote down so far.
func (w *World) Calls() []directory.Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]directory.Call(nil), w.calls...)
}

// Tenant makes a tenant with an empty directory, and a token for it.
func (w *World) Tenant(t testing.TB, id tenant.ID) Target {
	t.Helper()
	if _, err := w.Store.CreateTenant(t.Context(), tenant.Tenant{ID: id, SCIM: true}, "cli"); err != nil {
		t.Fatal(err)
	}
	token, _, err := w.Store.CreateSCIMToken(t.Context(), id, "test", time.Time{}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	return Target{URL: w.URL, Token: token.Reveal(), Client: w.Client}
}
