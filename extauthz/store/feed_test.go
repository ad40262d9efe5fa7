package store

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func sqliteFile(t testing.TB) *database {
	return newDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "gate.db"))
}

// frozen opens a handle that looked at the change feed once and then stopped, like a gate under SIGSTOP.
func frozen(t *testing.T, d *database) *Store {
	t.Helper()
	s := d.open(t)
	conn, err := s.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &follower{s: s, log: &sqliteLog{s: s, conn: conn}}
	if err := f.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil { // it has one writer: give it back
		t.Fatal(err)
	}
	return s
}

func TestFrozenGateStopsTrustingItsCachesBeforeACommandReturns(t *testing.T) {
	d := sqliteFile(t)
	command := d.open(t)
	c := seed(t, command, acme)
	s := mustSignIn(t, command, identity(c, "alice"))
	gate := frozen(t, d)
	for range 2 {
		if p, err := gate.Person(t.Context(), acme, s.User, c); err != nil || !p.User.Active {
			t.Fatalf("active %v, %v", p.User.Active, err)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := command.SetActive(t.Context(), acme, s.User, false, "cli")
		done <- err
	}()
	for { // the command has committed once the database says so
		u, err := command.User(t.Context(), acme, s.User)
		if err != nil {
			t.Fatal(err)
		}
		if !u.Active {
			break
		}
	}
	select {
	case err := <-done:
		t.Fatalf("the command returned while a gate still had its lease: %v", err)
	default:
	}
	if p, err := gate.Person(t.Context(), acme, s.User, c); err != nil || !p.User.Active {
		t.Fatalf("this gate should still answer from its cache: active %v, %v", p.User.Active, err)
	}
	d.clock.advance(lease)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if p, err := gate.Person(t.Context(), acme, s.User, c); err != nil || p.User.Active {
		t.Errorf("after its lease the gate answered active %v, %v", p.User.Active, err)
	}
}

func TestCommandIsInForceBesideARunningGate(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		gate, command := d.serve(t), d.open(t)
		c := seed(t, gate, acme)
		for range 10 {
			s := mustSignIn(t, gate, identity(c, "alice"))
			if _, err := gate.Get(t.Context(), acme, s.Hash); err != nil {
				t.Fatal(err)
			}
			if _, err := command.Revoke(t.Context(), acme, session.Revocation{Hash: &s.Hash}); err != nil {
				t.Fatal(err)
			}
			if got, err := gate.Get(t.Context(), acme, s.Hash); err != nil || got.RevokedAt.IsZero() {
				t.Fatalf("revoked at %v, %v", got.RevokedAt, err)
			}
		}
	})
}

func TestCommandDoesNotWaitWhenNoGateRuns(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		gate, command := d.open(t), d.open(t)
		run(t, gate)() // ran, and stopped as it should
		if gate.Fresh() {
			t.Error("caches are trusted without a feed")
		}
		var n int
		if err := command.readers.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM replicas").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d replicas left, %v", n, err)
		}
	})
}

func TestHitReachesNoDatabase(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		o := d.options()
		var ops []string
		var mu sync.Mutex
		o.Observe = func(op string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			ops = append(ops, op)
		}
		gate := d.openWith(t, o)
		c := seed(t, gate, acme)
		s := mustSignIn(t, gate, identity(c, "alice"))
		run(t, gate)
		ask := func() {
			check(t, gate, s)
			if _, ok, err := gate.SoleTenant(t.Context()); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		ask()
		mu.Lock()
		ops = nil
		mu.Unlock()
		ask()
		mu.Lock()
		defer mu.Unlock()
		if len(ops) != 0 {
			t.Errorf("reads of the database: %q", ops)
		}
	})
}

func TestChangeByAnUnknownProgramEmptiesTheCaches(t *testing.T) {
	d := sqliteFile(t)
	gate := d.serve(t)
	c := seed(t, gate, acme)
	s := mustSignIn(t, gate, identity(c, "alice"))
	if _, err := gate.Person(t.Context(), acme, s.User, c); err != nil {
		t.Fatal(err)
	}
	if err := gate.apply(t.Context(), []change{{kind: "news"}}); err != nil {
		t.Fatal(err)
	}
	if _, ok := gate.people.peek(personKey{acme, s.User}); ok {
		t.Error("still cached")
	}
}

func TestReadThatBeganBeforeAChangeIsNotKept(t *testing.T) {
	c := newCache[string, int]("test", 100, nil)
	reading, changed := make(chan struct{}), make(chan struct{})
	first := make(chan int)
	go func() {
		v, err := c.get(t.Context(), "k", func(context.Context) (int, error) {
			close(reading)
			<-changed
			return 1, nil // what stood there before the change
		})
		if err != nil {
			t.Error(err)
		}
		first <- v
	}()
	<-reading
	c.forget("k")
	// Whoever asks after the change must not join the read from before it.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	v, err := c.get(ctx, "k", func(context.Context) (int, error) { return 2, nil })
	if v != 2 || err != nil {
		t.Errorf("after the change: %d, %v", v, err)
	}
	close(changed)
	if v := <-first; v != 1 {
		t.Errorf("the one who asked before got %d", v)
	}
	if v, ok := c.peek("k"); !ok || v != 2 {
		t.Errorf("kept %d, %v", v, ok)
	}
	c.forgetAll(func(string) bool { return true })
	if _, ok := c.peek("k"); ok {
		t.Error("kept after forgetAll")
	}
}

func TestFailedOrPanickedReadIsNotKept(t *testing.T) {
	c := newCache[string, int]("test", 100, nil)
	boom := errors.New("boom")
	if _, err := c.get(t.Context(), "k", func(context.Context) (int, error) { return 0, boom }); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = c.get(t.Context(), "k", func(context.Context) (int, error) { panic("read") })
	}()
	if v, err := c.get(t.Context(), "k", func(context.Context) (int, error) { return 3, nil }); v != 3 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := newCache[int, int]("test", 160, nil)
	for i := range 10_000 {
		if _, err := c.get(t.Context(), i, func(context.Context) (int, error) { return i, nil }); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for i := range 10_000 {
		if _, ok := c.peek(i); ok {
			kept++
		}
	}
	if kept > 160 {
		t.Errorf("%d entries", kept)
	}
}

func TestAbsentSessionIsAskedForAgainAfterHalfAMinute(t *testing.T) {
	d := sqliteFile(t)
	gate := d.serve(t)
	k := sessionKey{acme, session.NewID().Hash()}
	first, err := gate.entry(t.Context(), k)
	if err != nil || !first.absent {
		t.Fatal(first, err)
	}
	if second, err := gate.entry(t.Context(), k); err != nil || second != first {
		t.Errorf("not from the cache: %v", err)
	}
	d.clock.advance(keepAbsent)
	until(t, gate.Fresh) // the clock jumped past the lease
	if third, err := gate.entry(t.Context(), k); err != nil || third == first {
		t.Errorf("still the old answer: %v", err)
	}
}

func TestDatabaseThatFailsIsAnErrorAndNotAnAbsence(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s, err := Open(t.Context(), d.options())
		if err != nil {
			t.Fatal(err)
		}
		c := seed(t, s, acme)
		in := signIn(identity(c, "alice"))
		out, _, err := s.SignIn(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, getErr := s.Get(t.Context(), acme, out.Hash)
		_, personErr := s.Person(t.Context(), acme, out.User, c)
		_, realmErr := s.Realm(t.Context(), acme)
		_, found, domainErr := s.TenantByDomain(t.Context(), "acme.example")
		_, sole, soleErr := s.SoleTenant(t.Context())
		_, tokensErr := s.Tokens(t.Context(), acme, out.Hash)
		_, _, ok, documentErr := s.Document(t.Context(), acme, c, "jwks")
		_, revokeErr := s.Revoke(t.Context(), acme, session.Revocation{Hash: &out.Hash})
		burnErr := s.Burn(t.Context(), acme, c, "k", [32]byte{}, d.clock.Now())
		_, _, signInErr := s.SignIn(t.Context(), in)
		for name, err := range map[string]error{
			"get": getErr, "person": personErr, "realm": realmErr, "domain": domainErr, "sole": soleErr, "tokens": tokensErr,
			"document": documentErr, "revoke": revokeErr, "burn": burnErr, "sign in": signInErr, "ping": s.Ping(t.Context()),
		} {
			if err == nil || errors.Is(err, session.ErrNotFound) || errors.Is(err, directory.ErrNotFound) || errors.Is(err, ErrNotFound) || errors.Is(err, session.ErrUsed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if found || sole || ok {
			t.Error("found something in a database that does not answer")
		}
	})
}

func TestLeaseOfAWrongClockHoldsNoWriterForEver(t *testing.T) {
	d := sqliteFile(t)
	s := d.open(t)
	s.patience.lease = 10 * time.Millisecond
	q := "INSERT INTO replicas (id, applied, lease_until) VALUES ('dead', 0, $1)"
	if _, err := s.db.ExecContext(t.Context(), q, micros(d.clock.Now().AddDate(10, 0, 0))); err != nil {
		t.Fatal(err)
	}
	seed(t, s, acme)
}

// interloper is a change feed during whose first registering something happens.
type interloper struct {
	feedLog
	meanwhile func()
}

func (i *interloper) register(ctx context.Context, began time.Time) (time.Time, error) {
	if f := i.meanwhile; f != nil {
		i.meanwhile = nil
		f()
	}
	return i.feedLog.register(ctx, began)
}

// follow makes a follower that the test polls by hand.
func follow(t *testing.T, s *Store) *follower {
	t.Helper()
	if s.path == "" {
		l, err := s.listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return &follower{s: s, log: l}
	}
	db, err := sqliteDB(s.path, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	return &follower{s: s, log: &sqliteLog{s: s, conn: conn}}
}

// TestChangeBetweenALookAndTheNewLeaseIsSeen: its writer did not wait for a gate that had lost its lease.
func TestChangeBetweenALookAndTheNewLeaseIsSeen(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		gate, writer := d.open(t), d.open(t)
		c := seed(t, writer, acme)
		s := mustSignIn(t, writer, identity(c, "alice"))
		f := follow(t, gate)
		if err := f.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(t, gate, s)
		d.clock.advance(lease) // the gate stood still; so says its own clock, and the server's
		if _, err := writer.db.ExecContext(t.Context(), "UPDATE replicas SET lease_until = 1"); err != nil {
			t.Fatal(err)
		}
		f.log = &interloper{feedLog: f.log, meanwhile: func() {
			if _, err := writer.SetActive(t.Context(), acme, s.User, false, "cli"); err != nil {
				t.Error(err)
			}
		}}
		if err := f.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !gate.Fresh() {
			t.Error("the caches are not trusted after a poll")
		}
		if p, err := gate.Person(t.Context(), acme, s.User, c); err != nil || p.User.Active {
			t.Errorf("active %v, %v", p.User.Active, err)
		}
	})
}

func TestFeedAgeGrowsWhileNothingIsHeard(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		gate := d.open(t)
		d.clock.advance(3 * time.Second)
		if age := gate.FeedAge(); age != 3*time.Second {
			t.Errorf("before the first look: %s", age)
		}
		f := follow(t, gate)
		if err := f.start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if age := gate.FeedAge(); age != 0 {
			t.Errorf("after a look: %s", age)
		}
		d.clock.advance(lease)
		if age := gate.FeedAge(); age != lease || gate.Fresh() {
			t.Errorf("a lease later: %s, fresh %v", age, gate.Fresh())
		}
	})
}
