package store

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
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

// TestReplicaThatStoodStillAnswersNothingFromItsCaches stops a real process, for its clocks, sockets and timers then
// stand as they do on a machine that swaps, or is moved.
func TestReplicaThatStoodStillAnswersNothingFromItsCaches(t *testing.T) {
	t.Parallel()
	key := secret.RandomKey()
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	dsn := postgres(t)
	writer, err := Open(t.Context(), Options{DSN: dsn, Sealer: sealer, Now: time.Now, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
	}()
	c := seed(t, writer, acme)
	s := mustSignIn(t, writer, identity(c, "alice"))
	child := startReplica(t, dsn, key, c, s)
	for round := range 3 {
		if _, err := writer.SetActive(t.Context(), acme, s.User, true, "cli"); err != nil {
			t.Fatal(err)
		}
		for range 3 { // now it holds a copy
			if got := child.ask(t); got != "true" {
				t.Fatalf("round %d: active %s", round, got)
			}
		}
		child.signal(t, syscall.SIGSTOP)
		child.send(t) // the first thing it reads when it goes on
		if _, err := writer.SetActive(t.Context(), acme, s.User, false, "cli"); err != nil {
			t.Fatal(err)
		}
		child.signal(t, syscall.SIGCONT)
		if got := child.read(t); got != "false" {
			t.Errorf("round %d: the first answer after it stood still: active %s", round, got)
		}
		for range 20 {
			if got := child.ask(t); got != "false" {
				t.Errorf("round %d: active %s", round, got)
			}
		}
	}
}

// replicaProcess is a gate in a process of its own, which says over a pipe whether a person is active.
type replicaProcess struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Scanner
}

func startReplica(t *testing.T, dsn string, key []byte, c idp.ConnectionID, s session.Session) *replicaProcess {
	t.Helper()
	cmd := command(t, dsn, key, "STORE_CHILD_REPLICA="+string(s.User)+" "+string(c))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r := &replicaProcess{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	r.read(t) // its keys
	r.read(t) // that it follows
	return r
}

func (r *replicaProcess) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	if s == syscall.SIGSTOP { // it stands when the kernel says so
		until(t, func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
			return err != nil || strings.Contains(string(stat), ") T ")
		})
	}
}

func (r *replicaProcess) send(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(r.in, "?\n"); err != nil {
		t.Fatal(err)
	}
}

func (r *replicaProcess) read(t *testing.T) string {
	t.Helper()
	if !r.out.Scan() {
		t.Fatalf("the other gate ended: %v", r.out.Err())
	}
	return r.out.Text()
}

func (r *replicaProcess) ask(t *testing.T) string {
	t.Helper()
	r.send(t)
	return r.read(t)
}

// answer is what such a process does.
func answer(s *Store, about string) int {
	user, c, _ := strings.Cut(about, " ")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		if err := s.Run(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	for !s.Fresh() {
		<-time.After(time.Millisecond)
	}
	fmt.Println("follows")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		p, err := s.Person(ctx, acme, directory.UserID(user), idp.ConnectionID(c))
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(p.User.Active)
	}
	return 0
}
