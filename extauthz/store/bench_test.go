package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
)

// hot is a gate whose caches hold one session, its person and its realm.
func hot(t testing.TB, d *database) (*Store, session.Session) {
	t.Helper()
	gate := d.open(t)
	gate.o.Now, gate.patience.poll = time.Now, pollEvery
	if gate.path == "" {
		gate.patience.poll = pollPostgres
	}
	run(t, gate)
	c := seed(t, gate, acme)
	s := mustSignIn(t, gate, identity(c, "alice"))
	check(t, gate, s)
	return gate, s
}

// check is what one request asks of the store.
func check(t testing.TB, gate *Store, s session.Session) {
	got, err := gate.Get(t.Context(), acme, s.Hash)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gate.Realm(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	p, err := gate.Person(t.Context(), acme, got.User, got.Connection)
	if err != nil {
		t.Fatal(err)
	}
	if why := got.Refusal(gate.now(), limits, r, p.User); why != session.Valid {
		t.Fatal(why)
	}
	gate.Touch(acme, s.Hash, gate.now())
}

// benchEach runs a benchmark on both databases.
func benchEach(b *testing.B, f func(b *testing.B, gate *Store, s session.Session)) {
	run := func(name string, d func(testing.TB) *database) {
		b.Run(name, func(b *testing.B) {
			gate, s := hot(b, d(b))
			b.ReportAllocs()
			b.ResetTimer()
			f(b, gate, s)
		})
	}
	run("sqlite", sqliteFile)
	run("postgres", func(t testing.TB) *database { return newDatabase(t, postgres(t)) })
}

func BenchmarkHit(b *testing.B) {
	benchEach(b, func(b *testing.B, gate *Store, s session.Session) {
		for b.Loop() {
			check(b, gate, s)
		}
	})
}

func BenchmarkHitParallel(b *testing.B) {
	benchEach(b, func(b *testing.B, gate *Store, s session.Session) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				check(b, gate, s)
			}
		})
	})
}

func BenchmarkMiss(b *testing.B) {
	benchEach(b, func(b *testing.B, gate *Store, s session.Session) {
		for b.Loop() {
			gate.forgetEverything()
			check(b, gate, s)
		}
	})
}

func BenchmarkSignIn(b *testing.B) {
	benchEach(b, func(b *testing.B, gate *Store, s session.Session) {
		n := 0
		for b.Loop() {
			n++
			mustSignIn(b, gate, identity(s.Connection, fmt.Sprint("u", n)))
		}
	})
}

func BenchmarkBurn(b *testing.B) {
	benchEach(b, func(b *testing.B, gate *Store, s session.Session) {
		var n uint64
		for b.Loop() {
			n++
			err := gate.Burn(b.Context(), acme, s.Connection, "state", [32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, gate.now().Add(time.Minute))
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkRevokeBesideAGate waits until the other gate knows.
func BenchmarkRevokeBesideAGate(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *database{
		"sqlite":   sqliteFile,
		"postgres": func(t testing.TB) *database { return newDatabase(t, postgres(t)) },
	} {
		b.Run(name, func(b *testing.B) {
			d := open(b)
			_, s := hot(b, d)
			command := d.open(b)
			command.o.Now = time.Now
			on := true
			for b.Loop() {
				on = !on
				if _, err := command.SetActive(b.Context(), acme, s.User, on, "cli"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
