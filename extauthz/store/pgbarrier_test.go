package store

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func TestNextReadAtAnotherGateSeesEveryWrite(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.serve(t), d.serve(t)
	c := seed(t, a, acme)
	for range 250 {
		s := mustSignIn(t, b, identity(c, "alice"))
		check(t, a, s)
		check(t, b, s)
		if _, err := a.Revoke(t.Context(), acme, session.Revocation{Hash: &s.Hash}); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Get(t.Context(), acme, s.Hash); err != nil || got.RevokedAt.IsZero() {
			t.Fatalf("revoked at %v, %v", got.RevokedAt, err)
		}
		for _, active := range []bool{false, true} {
			if _, err := a.SetActive(t.Context(), acme, s.User, active, "cli"); err != nil {
				t.Fatal(err)
			}
			if got := activeAt(t, b, s.User, c); got != active {
				t.Fatalf("active %v, want %v", got, active)
			}
		}
		for _, on := range []bool{false, true} {
			if err := b.SetConnectionEnabled(t.Context(), acme, c, on, "cli"); err != nil {
				t.Fatal(err)
			}
			if r, err := a.Realm(t.Context(), acme); err != nil || r.Connections[0].Enabled != on {
				t.Fatalf("enabled %v, %v", r.Connections[0].Enabled, err)
			}
		}
	}
}

func TestNextReadAtAnotherGateSeesEveryUpdateOfTheDirectory(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.serve(t), d.serve(t)
	c := makeTenant(t, a, acme, true)
	update := func(fn func(directory.Tx) error) {
		t.Helper()
		if err := a.Update(t.Context(), acme, fn); err != nil {
			t.Fatal(err)
		}
	}
	ann := directory.User{UserName: "ann@acme.example", Active: true}
	team := directory.Group{DisplayName: "analysts"}
	update(func(tx directory.Tx) (err error) {
		if ann, err = tx.PutUser(ann); err != nil {
			return err
		}
		team, err = tx.PutGroup(team)
		return err
	})
	for n := range 250 {
		ann.Active = n%2 == 1
		update(func(tx directory.Tx) error {
			_, err := tx.PutUser(ann)
			return err
		})
		if got := activeAt(t, b, ann.ID, c); got != ann.Active {
			t.Fatalf("round %d: active %v", n, got)
		}
		members, want := directory.Delta{Add: []directory.UserID{ann.ID}}, 1
		if n%2 == 1 {
			members, want = directory.Delta{Remove: []directory.UserID{ann.ID}}, 0
		}
		update(func(tx directory.Tx) error {
			_, err := tx.Members(team.ID, members)
			return err
		})
		if p, err := b.Person(t.Context(), acme, ann.ID, c); err != nil || len(p.Groups) != want {
			t.Fatalf("round %d: groups %q, %v", n, p.Groups, err)
		}
	}
	update(func(tx directory.Tx) error { return tx.Delete(directory.Ref{User: ann.ID}) })
	if _, err := b.Person(t.Context(), acme, ann.ID, c); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestSweepKeepsWhatALiveReplicaMayNotHaveRead(t *testing.T) {
	d := freshPostgres(t)
	s := d.open(t)
	seed(t, s, acme)
	d.clock.advance(48 * time.Hour) // this machine's clock is wrong
	if err := s.sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM changes").Scan(&n); err != nil || n == 0 {
		t.Errorf("%d changes left, %v", n, err)
	}
}

// replica puts the row of another gate into the database: its snapshot is of now, its lease as said.
func replica(t *testing.T, s *Store, id string, lease time.Duration) {
	t.Helper()
	exec1(t, s.db, "INSERT INTO replicas (id, applied, applied_snapshot, lease_until) VALUES ($1, 0, pg_current_snapshot(), "+serverClock+" + CAST($2 AS BIGINT))",
		id, lease.Microseconds())
}

func TestWriterWaitsForALiveReplicaAndNotForADeadOne(t *testing.T) {
	d := freshPostgres(t)
	s := d.open(t)
	c := seed(t, s, acme)
	u := mustSignIn(t, s, identity(c, "alice")).User
	replica(t, s, "dead", -time.Second)
	replica(t, s, "live", time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // patience ends later, and without an error
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := s.SetActive(ctx, acme, u, false, "cli")
		done <- err
	}()
	until(t, func() bool {
		got, err := s.User(t.Context(), acme, u)
		return err == nil && !got.Active
	})
	for range 20 {
		select {
		case err := <-done:
			t.Fatalf("returned before the other gate had it: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	exec1(t, s.db, "UPDATE replicas SET applied_snapshot = pg_current_snapshot() WHERE id = 'live'")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// It dies. Its lease is waited for, and no longer.
	exec1(t, s.db, "UPDATE replicas SET lease_until = "+serverClock+" + 300000 WHERE id = 'live'")
	if _, err := s.SetActive(ctx, acme, u, true, "cli"); err != nil {
		t.Fatal(err)
	}
	var over bool
	if err := s.db.QueryRowContext(t.Context(), "SELECT lease_until <= "+serverClock+" FROM replicas WHERE id = 'live'").Scan(&over); err != nil || !over {
		t.Errorf("returned within the lease: %v", err)
	}
}

func TestWriterOutwaitsALeaseOfAWrongClock(t *testing.T) {
	d := freshPostgres(t)
	s := d.open(t)
	s.patience.lease = 10 * time.Millisecond
	replica(t, s, "from the future", 10*365*24*time.Hour)
	seed(t, s, acme)
}

// TestGateWithoutADatabaseAnswersNothingOnceItsLeaseIsOver also sees it come back.
func TestGateWithoutADatabaseAnswersNothingOnceItsLeaseIsOver(t *testing.T) {
	d := freshPostgres(t)
	o := d.options()
	o.Now = time.Now
	gate := d.openWith(t, o)
	gate.patience.read = readTimeout
	c := seed(t, gate, acme)
	s := mustSignIn(t, gate, identity(c, "alice"))
	run(t, gate)
	check(t, gate, s)
	name, admin := adminOf(t, d)
	exec1(t, admin, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	exec1(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
	until(t, func() bool { return !gate.Fresh() })
	for range 3 {
		if _, err := gate.Get(t.Context(), acme, s.Hash); err == nil {
			t.Error("a session out of the cache")
		}
		if _, err := gate.Person(t.Context(), acme, s.User, c); err == nil {
			t.Error("a person out of the cache")
		}
		if _, err := gate.Realm(t.Context(), acme); err == nil {
			t.Error("a tenant out of the cache")
		}
	}
	if age := gate.FeedAge(); age < lease {
		t.Errorf("feed age %s", age)
	}
	exec1(t, admin, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	until(t, gate.Fresh)
	check(t, gate, s)
}

// adminOf connects to the server beside a test's database.
func adminOf(t *testing.T, d *database) (name string, admin *sql.DB) {
	t.Helper()
	at, err := url.Parse(d.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if admin, err = sql.Open("pgx", os.Getenv("TEST_POSTGRES")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.Close(); err != nil {
			t.Error(err)
		}
	})
	return strings.TrimPrefix(at.Path, "/"), admin
}

func TestSessionSeenAtAnotherReplicaIsNotTakenForIdle(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.serve(t), d.serve(t)
	c := seed(t, a, acme)
	s := mustSignIn(t, a, identity(c, "alice"))
	check(t, a, s)
	for range 3 {
		d.clock.advance(limits.Idle - time.Minute)
		b.Touch(acme, s.Hash, d.clock.Now())
		if err := b.flush(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		until(t, a.Fresh)
	}
	if got, err := a.Get(t.Context(), acme, s.Hash); err != nil || !got.LastSeen.Equal(d.clock.Now()) {
		t.Errorf("last seen %v, %v; want %v", got.LastSeen, err, d.clock.Now())
	}
}

func TestStandbyIsNotReadFrom(t *testing.T) {
	d := freshPostgres(t)
	s := d.open(t)
	if s.postgres.ValidateConnect == nil {
		t.Error("any server of the address is taken")
	}
}
