package sessiontest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func revokePromises() []promise {
	forms := map[string]func(s session.Session) session.Revocation{
		"Hash":       func(s session.Session) session.Revocation { return session.Revocation{Hash: &s.Hash} },
		"User":       func(s session.Session) session.Revocation { return session.Revocation{User: s.User} },
		"Connection": func(s session.Session) session.Revocation { return session.Revocation{Connection: s.Connection} },
		"Tenant":     func(session.Session) session.Revocation { return session.Revocation{} },
		"Subject": func(s session.Session) session.Revocation {
			return session.Revocation{Connection: s.Connection, Subject: s.Subject}
		},
		"IdPSID": func(s session.Session) session.Revocation {
			return session.Revocation{Connection: s.Connection, IdPSID: s.IdPSID}
		},
		"UserOnConnection": func(s session.Session) session.Revocation {
			return session.Revocation{User: s.User, Connection: s.Connection}
		},
	}
	var all []promise
	for name, form := range forms {
		all = append(all, promise{"RevokedBy" + name + "IsInvalidEverywhereAtOnce", func(t *testing.T, w World) { revokedBy(t, w, form) }})
	}
	return append(all,
		promise{"RevokedFieldsMustAllMatch", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			n, err := w.A.Revoke(t.Context(), "acme", session.Revocation{User: s.User, IdPSID: "another"})
			if err != nil || n != 0 {
				t.Errorf("revoked %d, %v", n, err)
			}
			w.want(t, s, session.Valid)
		}},
		promise{"AllButThisKeepsThis", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			other, this := w.signIn(t, w.A, Identity("acme", c, "alice")), w.signIn(t, w.B, Identity("acme", c, "alice"))
			n, err := w.A.Revoke(t.Context(), "acme", session.Revocation{User: this.User, Except: &this.Hash})
			if err != nil || n != 1 {
				t.Errorf("revoked %d, %v", n, err)
			}
			w.want(t, other, session.Revoked)
			w.want(t, this, session.Valid)
		}},
		promise{"RevokedTwiceCountsOnce", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			for _, want := range []int{1, 0} {
				if n, err := w.B.Revoke(t.Context(), "acme", session.Revocation{User: s.User}); err != nil || n != want {
					t.Errorf("revoked %d, %v; want %d", n, err, want)
				}
			}
		}},
		promise{"RevokedPersonSignsInAgain", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			for _, r := range []session.Revocation{{User: s.User}, {Connection: c}, {}} {
				if _, err := w.A.Revoke(t.Context(), "acme", r); err != nil {
					t.Fatal(err)
				}
				w.want(t, w.signIn(t, w.B, Identity("acme", c, "alice")), session.Valid)
			}
		}},
	)
}

func revokedBy(t *testing.T, w World, form func(session.Session) session.Revocation) {
	c := w.Tenant(t, "acme", false)
	w.Tenant(t, "other", false)
	for i, h := range []Handle{w.A, w.B} {
		s := w.signIn(t, w.A, Identity("acme", c, fmt.Sprint("alice-", i)))
		w.want(t, s, session.Valid) // both handles have it in their caches now
		r := form(s)
		r.Reason, r.Actor = "test", "cli"
		n, err := h.Revoke(t.Context(), "acme", r)
		if err != nil || n != 1 {
			t.Fatalf("revoked %d, %v", n, err)
		}
		w.want(t, s, session.Revoked, session.Ended)
	}
}

func racePromises() []promise {
	return []promise{
		{"FirstSignInsAtOnceMakeOnePerson", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			var mu sync.Mutex
			users := map[directory.UserID]bool{}
			atOnce(t, w, 64, func(n int, h Handle) error {
				s, _, err := h.SignIn(t.Context(), w.request(Identity("acme", c, "alice")))
				mu.Lock()
				defer mu.Unlock()
				users[s.User] = true
				return err
			})
			if len(users) != 1 {
				t.Errorf("%d people", len(users))
			}
		}},
		{"OfManyWhoBurnAValueOneSucceeds", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			for round := range 5 {
				var won atomic.Int32
				atOnce(t, w, 16, func(_ int, h Handle) error {
					err := h.Burn(t.Context(), "acme", c, "state", digest("%d", round), w.Now().Add(time.Hour))
					if errors.Is(err, session.ErrUsed) {
						return nil
					}
					won.Add(1)
					return err
				})
				if won.Load() != 1 {
					t.Errorf("round %d: %d succeeded", round, won.Load())
				}
			}
			for _, other := range []struct {
				c    idp.ConnectionID
				kind string
			}{{"other", "state"}, {c, "jti"}} {
				if err := w.A.Burn(t.Context(), "acme", other.c, other.kind, digest("0"), w.Now().Add(time.Hour)); err != nil {
					t.Errorf("%v: %v", other, err)
				}
			}
		}},
		{"OfManyReplaysOneSignsIn", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			i := Identity("acme", c, "alice")
			i.Once = []idp.Once{{Kind: "assertion", Value: "_1", Expires: w.Now().Add(time.Hour)}, {Kind: "jti", Value: "_1", Expires: w.Now().Add(time.Hour)}}
			var won atomic.Int32
			atOnce(t, w, 16, func(_ int, h Handle) error {
				_, _, err := h.SignIn(t.Context(), w.request(i))
				if errors.Is(err, session.ErrUsed) {
					return nil
				}
				won.Add(1)
				return err
			})
			if won.Load() != 1 {
				t.Errorf("%d signed in", won.Load())
			}
		}},
		{"NoReadAfterARevocationCallsTheSessionValid", noValidAfterRevoke},
		{"SignInDuringARevocationIsBeforeOrAfterIt", signInDuringRevoke},
	}
}

// atOnce calls fn from n goroutines, on both handles in turn.
func atOnce(t testing.TB, w World, n int, fn func(n int, h Handle) error) {
	t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			if err := fn(i, []Handle{w.A, w.B}[i%2]); err != nil {
				t.Errorf("goroutine %d: %v", i, err)
			}
		})
	}
	close(start)
	wg.Wait()
}

// noValidAfterRevoke keeps readers busy filling caches while sessions are revoked under them.
func noValidAfterRevoke(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	for round := range 8 {
		s := w.signIn(t, w.A, Identity("acme", c, "alice"))
		var gone, stop atomic.Bool
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for !stop.Load() {
					before := gone.Load()
					if got := w.judge(t, []Handle{w.A, w.B}[i%2], "acme", s.Hash); before && got == session.Valid {
						t.Errorf("round %d: valid after the revocation had returned", round)
						return
					}
				}
			})
		}
		r := session.Revocation{Hash: &s.Hash}
		if round%2 == 1 {
			r = session.Revocation{User: s.User}
		}
		_, err := []Handle{w.A, w.B}[round/2%2].Revoke(t.Context(), "acme", r)
		gone.Store(true)
		w.want(t, s, session.Revoked, session.Ended)
		stop.Store(true)
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// signInDuringRevoke lets sign-ins run into a revocation of their user: those that had returned before it began are ended.
func signInDuringRevoke(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	user := w.signIn(t, w.A, Identity("acme", c, "alice")).User
	var mu sync.Mutex
	var made []session.Session
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 6 {
				s, _, err := []Handle{w.A, w.B}[i%2].SignIn(t.Context(), w.request(Identity("acme", c, "alice")))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				made = append(made, s)
				mu.Unlock()
			}
		})
	}
	for i := range 4 {
		mu.Lock()
		before := len(made)
		ended := append([]session.Session(nil), made[:before]...)
		mu.Unlock()
		if _, err := []Handle{w.B, w.A}[i%2].Revoke(t.Context(), "acme", session.Revocation{User: user}); err != nil {
			t.Fatal(err)
		}
		for _, s := range ended {
			w.want(t, s, session.Revoked, session.Ended)
		}
	}
	wg.Wait()
	if _, err := w.A.Revoke(t.Context(), "acme", session.Revocation{User: user}); err != nil {
		t.Fatal(err)
	}
	for _, s := range made {
		w.want(t, s, session.Revoked, session.Ended)
	}
}
