package e2e

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// twoGates are two gates of one dashboard, each behind an Envoy of its own, on one PostgreSQL.
func twoGates(t *testing.T, o Options) (a, b *Stack) {
	t.Helper()
	o.Store = postgresDatabase(t)
	a = NewStack(t, o)
	o.Beside = a
	b = NewStack(t, o)
	for _, s := range []*Stack{a, b} {
		Eventually(t, "the gate answers from its caches", func() bool { return s.feedAge() < 1 })
	}
	return a, b
}

var feedAge = regexp.MustCompile(`(?m)^ssogate_feed_age_seconds (\S+)$`)

// feedAge is what the gate's metrics say of its feed, in seconds.
func (s *Stack) feedAge() float64 {
	s.T.Helper()
	resp, err := s.Client().Get("http://" + s.Ops + "/metrics")
	if err != nil {
		s.T.Fatal(err)
	}
	age, err := strconv.ParseFloat(first(feedAge.FindStringSubmatch(readAnswer(resp).Body)[1:]), 64)
	_ = resp.Body.Close()
	if err != nil {
		s.T.Fatal(err)
	}
	return age
}

// stand stops a gate as a hypervisor would, until the returned function lets it go on.
func (s *Stack) stand() (goOn func()) {
	s.T.Helper()
	s.Gate.Signal(syscall.SIGSTOP)
	goOn = sync.OnceFunc(func() { s.Gate.Signal(syscall.SIGCONT) })
	s.T.Cleanup(goOn)
	return goOn
}

func (p Person) expect(when string, want int) {
	p.s.T.Helper()
	for range 2 {
		if got := p.Fetch("GET", "/api/v1/events"); got.Status != want {
			p.s.T.Errorf("%s, %s: %d, want %d: %s", when, p.Person, got.Status, want, got.Body)
		}
	}
}

// user is a person's id, as the dashboard is told it.
func (p Person) user() string {
	return first(p.Fetch("GET", "/api/v1/events").Identity["x-sso-user"])
}

func TestRemovedAtOneGateMeansRefusedAtBoth(t *testing.T) {
	a, b := twoGates(t, Options{})
	ann, vic := a.As("ann"), a.As("vic")
	for _, p := range []Person{ann, vic} {
		p.SignIn("/events")
		p.expect("signed in", http.StatusOK)
		p.At(b).expect("signed in at the other gate", http.StatusOK)
	}
	id := ann.user()

	for round := range 5 {
		a.CLI("user", "deactivate", "-c", a.Config, "--tenant", "acme", id)
		ann.expect("deactivated", http.StatusForbidden)
		ann.At(b).expect("deactivated", http.StatusForbidden)
		b.CLI("user", "activate", "-c", b.Config, "--tenant", "acme", id)
		ann.expect("active again, signed out", http.StatusUnauthorized)
		ann = a.As("ann") // a browser that signs in five times a minute is in a loop
		if round%2 == 0 {
			ann.SignIn("/events")
		} else {
			ann.At(b).SignIn("/events")
		}
		ann.expect("signed in again", http.StatusOK)
		ann.At(b).expect("signed in again", http.StatusOK)
	}

	b.CLI("session", "revoke", "-c", b.Config, "--tenant", "acme", "--user", vic.user())
	vic.expect("revoked", http.StatusUnauthorized)
	vic.At(b).expect("revoked", http.StatusUnauthorized)

	// Signed out at one gate is signed out at the other.
	vic.SignIn("/events")
	vic.At(b).expect("signed in again", http.StatusOK)
	cookies := http.Header{"Cookie": {vic.CookieLine()}}
	page, err := vic.Open(t.Context(), a.URL+"/auth/logout")
	if err != nil || page.Status != http.StatusOK {
		t.Fatalf("sign out: %d, %v", page.Status, err)
	}
	thief := b.As("vic")
	if got := thief.Send("GET", "/api/v1/events", cookies); got.Status != http.StatusUnauthorized {
		t.Errorf("the old cookie at the other gate: %d", got.Status)
	}
}

// TestGateThatStoodStillRefusesWhoWasRemovedMeanwhile: the command returns when the gate's lease is over, and when the
// gate goes on it knows that it is.
func TestGateThatStoodStillRefusesWhoWasRemovedMeanwhile(t *testing.T) {
	a, b := twoGates(t, Options{})
	ann := a.As("ann")
	ann.SignIn("/events")
	id := ann.user()
	at := ann.At(b)
	for round := range 3 {
		for range 5 { // the gate that will stand still has a copy
			at.expect("signed in", http.StatusOK)
		}
		goOn := b.stand()
		began := time.Now()
		a.CLI("user", "deactivate", "-c", a.Config, "--tenant", "acme", id)
		t.Logf("round %d: the command took %s beside a gate that stood still", round, time.Since(began).Round(time.Millisecond))
		ann.expect("deactivated, at the gate that runs", http.StatusForbidden)
		time.AfterFunc(50*time.Millisecond, goOn)
		// It waits at the gate's door, and is the first thing the gate reads when it goes on.
		if got := at.Fetch("GET", "/api/v1/events"); got.Status != http.StatusForbidden {
			t.Errorf("round %d: the first answer of the gate that stood still: %d", round, got.Status)
		}
		at.expect("deactivated, at the gate that stood still", http.StatusForbidden)
		a.CLI("user", "activate", "-c", a.Config, "--tenant", "acme", id)
		ann.SignIn("/events")
	}
}

// TestGatesShareTheirKeys: what one sealed the other opens, before and after a rotation.
func TestGatesShareTheirKeys(t *testing.T) {
	a, b := twoGates(t, Options{})
	ada := a.As("ada")
	ada.SignIn("/events")
	a.CLI("keys", "rotate", "-c", a.Config)
	ada.At(b).expect("keys rotated", http.StatusOK)
	ann := b.As("ann")
	ann.SignIn("/events")
	ann.At(a).expect("signed in at the other gate", http.StatusOK)
	a.Gate.Kill() // one gate's death takes nobody's access at the other
	ada.At(b).expect("the other gate is dead", http.StatusOK)
	if out := b.CLI("session", "list", "-c", b.Config, "--tenant", "acme"); !strings.Contains(out, ann.At(b).user()) {
		t.Errorf("session list: %s", out)
	}
}
