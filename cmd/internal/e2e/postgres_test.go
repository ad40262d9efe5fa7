package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver this test makes its database with

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// postgresDatabase makes an empty database on the server TEST_POSTGRES names, or on one started for this test.
func postgresDatabase(t *testing.T) (dsn string) {
	t.Helper()
	server := os.Getenv("TEST_POSTGRES")
	if server == "" {
		tools.Require(t, tools.NamePostgres)
		started, err := tools.StartPostgres(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := started.Stop(); err != nil {
				t.Error(err)
			}
		})
		server = started.DSN
	}
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("ssogate_e2e_%d", time.Now().UnixNano())
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := db.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)")
		if err != nil {
			t.Error(err)
		}
		_ = db.Close()
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// rowsOf counts the rows of a table from outside the gate.
func rowsOf(t *testing.T, dsn, table string) (n int) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The stories that hang on the store, on PostgreSQL: one process writes, another one notices.
func TestOnPostgreSQLTheGateKeepsItsPromises(t *testing.T) {
	dsn := postgresDatabase(t)
	s := NewStack(t, Options{Store: dsn})
	ada, ann, vic := s.As("ada"), s.As("ann"), s.As("vic")
	for _, p := range []Person{ada, ann, vic} {
		p.SignIn("/events?page=2")
	}
	expect := func(when string, p Person, method, path string, want int) {
		t.Helper()
		if got := p.Fetch(method, path); got.Status != want {
			t.Errorf("%s, %s: %s %s: %d, want %d", when, p.Person, method, path, got.Status, want)
		}
	}
	for _, row := range []struct {
		method, path     string
		admin, an, viewr int
	}{
		{"GET", "/api/v1/events", 200, 200, 200},
		{"POST", "/api/v1/rules", 200, 200, 403},
		{"GET", "/api/v1/api-keys", 200, 403, 403},
		{"GET", "/nowhere", 403, 403, 403},
	} {
		expect("signed in", ada, row.method, row.path, row.admin)
		expect("signed in", ann, row.method, row.path, row.an)
		expect("signed in", vic, row.method, row.path, row.viewr)
	}

	if n := rowsOf(t, dsn, "sessions"); n != 3 {
		t.Fatalf("the database holds %d sessions, want 3: the gate keeps them elsewhere", n)
	}

	s.Gate.Terminate(25 * time.Second)
	s.Gate.Run()
	s.WaitReady()
	s.WaitServing()
	expect("restarted", vic, "GET", "/api/v1/events", 200)
	s.Gate.Kill()
	s.Gate.Run()
	s.WaitReady()
	s.WaitServing()
	expect("killed and restarted", vic, "GET", "/api/v1/events", 200)

	id := func(p Person) string { return first(p.Fetch("GET", "/api/v1/events").Identity["x-sso-user"]) }
	annID, vicID := id(ann), id(vic)
	s.CLI("session", "revoke", "-c", s.Config, "--tenant", "acme", "--user", vicID)
	expect("revoked", vic, "GET", "/api/v1/events", 401)
	s.CLI("user", "deactivate", "-c", s.Config, "--tenant", "acme", annID)
	expect("deactivated", ann, "GET", "/api/v1/events", 403)
	if page, err := s.As("ann").Open(t.Context(), s.URL+"/"); err != nil || page.Status != http.StatusForbidden {
		t.Errorf("deactivated and signing in: %d, %v", page.Status, err)
	}
	s.CLI("user", "activate", "-c", s.Config, "--tenant", "acme", annID)
	expect("active again", ann, "GET", "/api/v1/events", 401)
	if page := s.As("ann").SignIn("/events"); page.Status != http.StatusOK {
		t.Errorf("active again and signed in: %d", page.Status)
	}
	s.CLI("keys", "rotate", "-c", s.Config)
	expect("keys rotated", ada, "GET", "/api/v1/api-keys", 200)
	if page := s.As("vic").SignIn("/events"); page.Status != http.StatusOK {
		t.Errorf("signed in under new keys: %d", page.Status)
	}
}
