package store

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func freshPostgres(t *testing.T) *database {
	t.Helper()
	t.Parallel()
	return newDatabase(t, postgres(t))
}

// activeAt asks a gate twice: the second answer is the cache's, where caches are trusted.
func activeAt(t *testing.T, gate *Store, u directory.UserID, c idp.ConnectionID) bool {
	t.Helper()
	var active bool
	for range 2 {
		p, err := gate.Person(t.Context(), acme, u, c)
		if err != nil {
			t.Fatal(err)
		}
		active = p.User.Active
	}
	return active
}

func exec1(t *testing.T, q interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, statement string, args ...any,
) {
	t.Helper()
	if _, err := q.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func TestKilledListenerMissesNothing(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.open(t), d.serve(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	for i := range 60 {
		if i%3 == 0 {
			exec1(t, a.db, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", feedName)
		}
		want := i%2 == 0
		if _, err := a.SetActive(t.Context(), acme, u, want, "cli"); err != nil {
			t.Fatal(err)
		}
		if got := activeAt(t, b, u, c); got != want {
			t.Fatalf("round %d: active %v", i, got)
		}
	}
	until(t, func() bool { // it listens again
		var n int
		q := "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
		return a.db.QueryRowContext(t.Context(), q, feedName).Scan(&n) == nil && n == 1
	})
}

// lateDeactivation is a transaction of another program that deactivates a person, with its row of the feed, and is not
// committed yet. It returns the transaction's mark.
func lateDeactivation(t *testing.T, s *Store, u directory.UserID) (*sql.Tx, mark) {
	t.Helper()
	other, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, other, "INSERT INTO changes (kind, tenant, key, origin, at) VALUES ('user', $1, $2, 'other', "+serverClock+")", acme, u)
	exec1(t, other, "UPDATE users SET active = 0 WHERE id = $1", u)
	var m mark
	if err := other.QueryRowContext(t.Context(), "SELECT CAST(pg_current_xact_id() AS TEXT)").Scan(&m.xid); err != nil {
		t.Fatal(err)
	}
	return other, m
}

func TestCommitBehindAHigherNumberIsNotPassedOver(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.open(t), d.serve(t)
	c := seed(t, a, acme)
	alice, bob := mustSignIn(t, a, identity(c, "alice")).User, mustSignIn(t, a, identity(c, "bob")).User
	late, m := lateDeactivation(t, a, alice)
	for range 50 { // later transactions, higher numbers, committed and applied before
		if _, err := a.SetActive(t.Context(), acme, bob, false, "cli"); err != nil {
			t.Fatal(err)
		}
		if activeAt(t, b, bob, c) {
			t.Fatal("a long transaction hid a later one")
		}
		if _, err := a.SetActive(t.Context(), acme, bob, true, "cli"); err != nil {
			t.Fatal(err)
		}
	}
	if !activeAt(t, b, alice, c) {
		t.Fatal("not committed, and in force")
	}
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := a.await(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if activeAt(t, b, alice, c) {
		t.Error("passed over")
	}
}

func TestEachChangeIsAppliedOnceHoweverLongATransactionStaysOpen(t *testing.T) {
	d := freshPostgres(t)
	a, gate := d.open(t), d.open(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	late, _ := lateDeactivation(t, a, u)
	f := follow(t, gate)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, ok := f.log.(*postgresLog)
	if !ok {
		t.Fatal("not PostgreSQL's")
	}
	gate.patience.lease = 0 // nobody polls: do not wait
	a.patience.lease = 0
	look := func(want int) {
		t.Helper()
		got, err := l.readRows(t.Context())
		if err != nil || len(got.changes) != want {
			t.Fatalf("%d new rows, want %d, %v", len(got.changes), want, err)
		}
		if err := f.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look(0)
	for _, on := range []bool{false, true, false} {
		if err := a.SetConnectionEnabled(t.Context(), acme, c, on, "cli"); err != nil {
			t.Fatal(err)
		}
	}
	before, err := l.readRows(t.Context())
	if err != nil || len(before.changes) == 0 {
		t.Fatalf("%d rows, %v", len(before.changes), err)
	}
	look(len(before.changes))
	look(0) // the transaction is still open
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	look(1)
	look(0)
}

func TestDatabaseThatNumbersItsTransactionsAnewEmptiesTheCaches(t *testing.T) {
	d := freshPostgres(t)
	a, gate := d.open(t), d.open(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	f := follow(t, gate)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, ok := f.log.(*postgresLog)
	if !ok {
		t.Fatal("not PostgreSQL's")
	}
	if !activeAt(t, gate, u, c) {
		t.Fatal("not active")
	}
	exec1(t, a.db, "UPDATE users SET active = 0") // as a restored database may differ, without a row of the feed
	if !activeAt(t, gate, u, c) {
		t.Fatal("the answer should still be the cache's")
	}
	l.cursor = "900000000000:900000000000:" // what the database saw before it was restored
	if err := f.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if activeAt(t, gate, u, c) || !gate.Fresh() {
		t.Errorf("still cached; fresh %v", gate.Fresh())
	}
}

func TestReplicaThatWasAwayForTooLongEmptiesItsCaches(t *testing.T) {
	for name, lost := range map[string]func(f *follower) feedLog{
		"before a look":    func(f *follower) feedLog { return f.log },
		"before its lease": func(f *follower) feedLog { return &interloper{feedLog: f.log} },
	} {
		t.Run(name, func(t *testing.T) {
			d := freshPostgres(t)
			a, gate := d.open(t), d.open(t)
			c := seed(t, a, acme)
			u := mustSignIn(t, a, identity(c, "alice")).User
			f := follow(t, gate)
			if err := f.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !activeAt(t, gate, u, c) {
				t.Fatal("not active")
			}
			trim := func() { // a change comes and goes
				exec1(t, a.db, "UPDATE replicas SET lease_until = lease_until - $1", (2 * keepReplicas).Microseconds())
				if _, err := a.SetActive(t.Context(), acme, u, false, "cli"); err != nil {
					t.Error(err)
				}
				exec1(t, a.db, "UPDATE changes SET at = at - $1", (2 * keepChanges).Microseconds())
				if err := a.sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
			f.log = lost(f)
			if i, ok := f.log.(*interloper); ok {
				i.meanwhile = trim
			} else {
				trim()
			}
			if err := f.poll(t.Context()); err != nil {
				t.Fatal(err)
			}
			if activeAt(t, gate, u, c) || !gate.Fresh() {
				t.Errorf("still cached; fresh %v", gate.Fresh())
			}
		})
	}
}

// TestNotificationWakesAGate that would not look again by itself.
func TestNotificationWakesAGate(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.open(t), d.open(t)
	b.patience.poll = time.Hour
	run(t, b)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	for i := range 10 {
		want := i%2 == 1
		if _, err := a.SetActive(t.Context(), acme, u, want, "cli"); err != nil {
			t.Fatal(err)
		}
		if got := activeAt(t, b, u, c); got != want {
			t.Errorf("round %d: active %v", i, got)
		}
	}
}

// TestNotificationDuringALookIsNotLost: the statement that was under way reads it off the connection.
func TestNotificationDuringALookIsNotLost(t *testing.T) {
	d := freshPostgres(t)
	a, gate := d.open(t), d.open(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	f := follow(t, gate)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, ok := f.log.(*postgresLog)
	if !ok {
		t.Fatal("not PostgreSQL's")
	}
	gate.patience.poll, a.patience.lease = time.Hour, 0
	f.log = &interloper{feedLog: l, meanwhile: func() {
		if _, err := a.SetActive(t.Context(), acme, u, false, "cli"); err != nil {
			t.Error(err)
		}
	}}
	*l.woken = false // of what the test wrote before
	if err := f.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := l.wait(ctx); err != nil || ctx.Err() != nil {
		t.Fatalf("it waits: %v, %v", err, ctx.Err())
	}
	if err := f.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if activeAt(t, gate, u, c) {
		t.Error("still active")
	}
}

func TestLostNotificationsAreMadeUpForByPolling(t *testing.T) {
	d := freshPostgres(t)
	a, b := d.open(t), d.open(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	l, err := b.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.conn.Exec(t.Context(), "UNLISTEN *"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.follow(ctx, &trouble{s: b}) }()
	until(t, b.Fresh)
	for i := range 10 {
		want := i%2 == 1
		if _, err := a.SetActive(t.Context(), acme, u, want, "cli"); err != nil {
			t.Fatal(err)
		}
		if got := activeAt(t, b, u, c); got != want {
			t.Errorf("round %d: active %v", i, got)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := l.close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCommitWhoseAnswerWasLostIsHeardFromTheFeed: this handle forgot when its commit failed, and read the old row
// again before the database committed after all.
func TestCommitWhoseAnswerWasLostIsHeardFromTheFeed(t *testing.T) {
	d := freshPostgres(t)
	a, gate := d.open(t), d.serve(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	late, m := lateDeactivation(t, a, u)
	exec1(t, late, "UPDATE changes SET origin = $1 WHERE xid = pg_current_xact_id()", gate.origin)
	if !activeAt(t, gate, u, c) {
		t.Fatal("not active")
	}
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := a.await(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if activeAt(t, gate, u, c) {
		t.Error("still cached")
	}
}

func TestFloodOfChangesEmptiesTheCaches(t *testing.T) {
	d := freshPostgres(t)
	a, gate := d.open(t), d.open(t)
	c := seed(t, a, acme)
	u := mustSignIn(t, a, identity(c, "alice")).User
	f := follow(t, gate)
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !activeAt(t, gate, u, c) {
		t.Fatal("not active")
	}
	late, _ := lateDeactivation(t, a, u)
	exec1(t, late, "INSERT INTO changes (kind, tenant, key, origin, at) SELECT 'user', 'acme', CAST(n AS TEXT), 'other', "+serverClock+
		" FROM generate_series(1, $1) n", manyChanges+1)
	exec1(t, late, "DELETE FROM changes WHERE key = $1", u) // of those that are not named
	if err := late.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := f.poll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if activeAt(t, gate, u, c) || !gate.Fresh() {
		t.Errorf("still cached; fresh %v", gate.Fresh())
	}
}

func TestTransactionThatStaysOpenIsComplainedAboutOnce(t *testing.T) {
	var log strings.Builder
	clock := newClock()
	l := &postgresLog{s: &Store{o: Options{Now: clock.Now, Log: slog.New(slog.NewJSONHandler(&log, nil))}}}
	for _, look := range []struct {
		oldest string
		later  time.Duration
		want   int
	}{{"100", 0, 0}, {"101", pinnedWarning, 0}, {"101", pinnedWarning, 0}, {"101", time.Second, 1}, {"101", time.Hour, 1}, {"102", time.Hour, 1}, {"102", time.Hour, 2}} {
		clock.advance(look.later)
		l.complain(look.oldest)
		if n := strings.Count(log.String(), "stays open"); n != look.want {
			t.Errorf("%+v: complained %d times: %s", look, n, log.String())
		}
	}
	if !strings.Contains(log.String(), `"backend_xid":"101"`) {
		t.Errorf("not which one: %s", log.String())
	}
}
