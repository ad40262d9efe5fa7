package store

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

func TestConnectionTestIsBegunFinishedAndReadOnce(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		a, b := d.serve(t), d.open(t)
		c := seed(t, a, acme)
		id := [16]byte{1, 2}
		if err := b.CreateTest(t.Context(), acme, c, id, d.clock.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := b.CreateTest(t.Context(), acme, c, id, d.clock.Now().Add(time.Hour)); !errors.Is(err, ErrTaken) {
			t.Errorf("made twice: %v", err)
		}
		finish := func(text string) {
			t.Helper()
			if err := a.FinishTest(t.Context(), acme, c, id, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		nothing := func(when string) {
			t.Helper()
			if got, done, err := b.TestResult(t.Context(), acme, c, id); done || err != nil || got != nil {
				t.Errorf("%s: %q, %v, %v", when, got, done, err)
			}
		}
		nothing("made")
		finish("before it began")
		nothing("finished before it began")
		once(t, a, b, func(s *Store) (bool, error) { return s.BeginTest(t.Context(), acme, c, id) })
		nothing("begun")
		finish("first")
		finish("second")
		var mu sync.Mutex
		var read []byte
		once(t, a, b, func(s *Store) (bool, error) {
			got, done, err := s.TestResult(t.Context(), acme, c, id)
			if done {
				mu.Lock()
				defer mu.Unlock()
				read = got
			}
			return done, err
		})
		if string(read) != "first" {
			t.Errorf("read %q", read)
		}
		nothing("read")
		finish("after it was read")
		nothing("finished after it was read")
		if ok, err := a.BeginTest(t.Context(), acme, c, id); ok || err != nil {
			t.Errorf("begun again: %v, %v", ok, err)
		}
	})
}

// once asks both handles at once, many times; one answer is yes.
func once(t *testing.T, a, b *Store, ask func(*Store) (bool, error)) {
	t.Helper()
	var yes atomic.Int32
	var wg sync.WaitGroup
	for n := range 12 {
		wg.Go(func() {
			ok, err := ask([]*Store{a, b}[n%2])
			if err != nil {
				t.Error(err)
			}
			if ok {
				yes.Add(1)
			}
		})
	}
	wg.Wait()
	if yes.Load() != 1 {
		t.Errorf("%d times yes", yes.Load())
	}
}

func TestTestThatIsNotThereCostsNoWrite(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		var writes atomic.Int32
		o := d.options()
		o.Observe = func(op string, _ time.Duration) {
			if op == "begin connection test" {
				writes.Add(1)
			}
		}
		s := d.openWith(t, o)
		c := seed(t, s, acme)
		for range 3 {
			if ok, err := s.BeginTest(t.Context(), acme, c, [16]byte{1}); ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		}
		if writes.Load() != 0 {
			t.Errorf("%d writes", writes.Load())
		}
		if err := s.CreateTest(t.Context(), acme, c, [16]byte{1}, d.clock.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.BeginTest(t.Context(), acme, c, [16]byte{1}); !ok || err != nil || writes.Load() != 1 {
			t.Errorf("%v, %v, %d writes", ok, err, writes.Load())
		}
	})
}

func TestConnectionTestIsItsConnectionsAlone(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seed(t, s, acme)
		other := seed(t, s, "other")
		id := [16]byte{7}
		for name, at := range map[string]struct {
			t tenant.ID
			c idp.ConnectionID
		}{"another tenant's connection": {acme, other}, "unknown connection": {acme, "nobody"}, "unknown tenant": {"nobody", c}} {
			if err := s.CreateTest(t.Context(), at.t, at.c, id, d.clock.Now().Add(time.Minute)); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.CreateTest(t.Context(), acme, c, id, d.clock.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for name, at := range map[string]struct {
			t  tenant.ID
			c  idp.ConnectionID
			id [16]byte
		}{"another tenant": {"other", c, id}, "another connection": {acme, other, id}, "another id": {acme, c, [16]byte{8}}, "no text": {"\xff", c, id}} {
			if ok, err := s.BeginTest(t.Context(), at.t, at.c, at.id); ok || err != nil {
				t.Errorf("%s begins: %v, %v", name, ok, err)
			}
		}
		if ok, err := s.BeginTest(t.Context(), acme, c, id); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := s.FinishTest(t.Context(), "other", other, id, []byte("x")); err != nil {
			t.Errorf("another's: %v", err)
		}
		if err := s.FinishTest(t.Context(), acme, c, id, bytes.Repeat([]byte("x"), maxTestResult+1)); err == nil {
			t.Error("a result of any length is kept")
		}
		whole := bytes.Repeat([]byte("x"), maxTestResult)
		if err := s.FinishTest(t.Context(), acme, c, id, whole); err != nil {
			t.Fatal(err)
		}
		if _, done, err := s.TestResult(t.Context(), "other", other, id); done || err != nil {
			t.Errorf("another reads it: %v, %v", done, err)
		}
		if got, done, err := s.TestResult(t.Context(), acme, c, id); !done || err != nil || !bytes.Equal(got, whole) {
			t.Errorf("%d bytes, %v, %v", len(got), done, err)
		}
	})
}

func TestConnectionTestLivesForFifteenMinutes(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seed(t, s, acme)
		make := func(n byte, lives time.Duration) [16]byte {
			t.Helper()
			if err := s.CreateTest(t.Context(), acme, c, [16]byte{n}, d.clock.Now().Add(lives)); err != nil {
				t.Fatal(err)
			}
			return [16]byte{n}
		}
		begin := func(id [16]byte) bool {
			t.Helper()
			ok, err := s.BeginTest(t.Context(), acme, c, id)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		short, long, unread, begun := make(1, time.Minute), make(2, 24*time.Hour), make(3, time.Hour), make(4, time.Hour)
		if !begin(unread) || !begin(begun) {
			t.Fatal("not begun")
		}
		if err := s.FinishTest(t.Context(), acme, c, unread, []byte("x")); err != nil {
			t.Fatal(err)
		}
		d.clock.advance(time.Minute)
		if begin(short) {
			t.Error("begun when its time was over")
		}
		d.clock.advance(keepTest - time.Minute)
		if begin(long) {
			t.Error("it asked for a day and had it")
		}
		if err := s.FinishTest(t.Context(), acme, c, begun, []byte("x")); err != nil {
			t.Fatal(err)
		}
		for _, id := range [][16]byte{unread, begun} {
			if _, done, err := s.TestResult(t.Context(), acme, c, id); done || err != nil {
				t.Errorf("read when its time was over: %v", err)
			}
		}
		d.clock.advance(time.Second)
		if err := s.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM connection_tests").Scan(&n); err != nil || n != 0 {
			t.Errorf("%d rows are left, %v", n, err)
		}
	})
}
