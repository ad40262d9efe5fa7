package oidc_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// shelf is idp.Documents in memory.
type shelf struct {
	mu   sync.Mutex
	docs map[string]doc
	err  error
}

type doc struct {
	body    []byte
	fetched time.Time
}

func (s *shelf) Document(_ context.Context, t tenant.ID, c idp.ConnectionID, kind string) ([]byte, time.Time, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.docs[string(t)+"/"+string(c)+"/"+kind]
	return d.body, d.fetched, ok, s.err
}

func (s *shelf) SaveDocument(_ context.Context, t tenant.ID, c idp.ConnectionID, kind string, body []byte, fetched time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.docs == nil {
		s.docs = map[string]doc{}
	}
	s.docs[string(t)+"/"+string(c)+"/"+kind] = doc{body, fetched}
	return s.err
}

func TestRestartDuringAnOutageStillSignsPeopleIn(t *testing.T) {
	w, s := newWorld(t), &shelf{}
	w.c.Documents = s
	w.mustSignIn()
	w.op.Fault("metadata-down", "jwks-down")
	w.clock.Add(20 * time.Hour)
	w.c = w.connector()
	w.c.Documents = s
	w.mustSignIn()
	if !strings.Contains(w.log.String(), "older copy is used") {
		t.Error("nobody is told that the provider's documents are old")
	}
}

func TestBrokenShelfDoesNotStopSignIn(t *testing.T) {
	w := newWorld(t)
	w.c.Documents = &shelf{err: errors.New("disk full")}
	w.mustSignIn()
}

func TestKeysAreServedADayWithoutTheProviderAndNotLonger(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.Fault("jwks-down", "metadata-down")
	w.clock.Add(23 * time.Hour)
	w.mustSignIn()
	w.clock.Add(2 * time.Hour)
	w.mustRefuse(idp.CodeUnavailable)
}

func TestMetadataIsServedAWeekWithoutTheProviderAndNotLonger(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.Fault("metadata-down")
	w.clock.Add(6*24*time.Hour + 20*time.Hour)
	w.mustSignIn()
	w.clock.Add(24 * time.Hour)
	w.mustRefuse(idp.CodeUnavailable)
}

func TestOutageIsNotHammered(t *testing.T) {
	w := newWorld(t)
	w.op.Fault("metadata-down")
	for range 20 {
		w.mustRefuse(idp.CodeUnavailable)
	}
	if n := w.op.Count("GET /.well-known/openid-configuration"); n != 1 {
		t.Errorf("20 sign-ins at once cost %d fetches", n)
	}
	w.op.Clear()
	w.clock.Add(6 * time.Second)
	w.mustSignIn()
}

// TestImpatientCallerSpoilsNothing: whoever had no time left does not make the provider look down to the next.
func TestImpatientCallerSpoilsNothing(t *testing.T) {
	w := newWorld(t)
	w.op.Fault("metadata-slow")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := w.c.Begin(ctx, w.conn, w.attempt())
	w.refused(idp.CodeUnavailable, idp.Identity{}, err)
	w.op.Clear()
	w.mustSignIn()
}

// hangUp ends its caller's context as soon as a request is under way.
type hangUp struct {
	http.RoundTripper
	cancel context.CancelFunc
}

func (h hangUp) RoundTrip(r *http.Request) (*http.Response, error) {
	h.cancel()
	return h.RoundTripper.RoundTrip(r)
}

// TestHangingUpDoesNotRobTheOthers: whoever has the turn fetches for everybody.
func TestHangingUpDoesNotRobTheOthers(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	own := w.c.Client.Transport
	w.c.Client.Transport = hangUp{own, cancel}
	if _, err := w.c.Begin(ctx, w.conn, w.attempt()); err != nil {
		t.Fatal(err)
	}
	w.c.Client.Transport = own
	w.mustSignIn()
	if n := w.op.Count("GET /.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// TestCopySavedInTheFutureGrowsOld: a clock that was once wrong must not keep old keys for good.
func TestCopySavedInTheFutureGrowsOld(t *testing.T) {
	w, s := newWorld(t), &shelf{}
	w.c.Documents = s
	w.clock.Add(30 * 24 * time.Hour)
	w.mustSignIn()
	w.clock.Add(-30 * 24 * time.Hour)
	w.op.Fault("metadata-down", "jwks-down")
	w.c = w.connector()
	w.c.Documents = s
	w.mustSignIn()
	w.clock.Add(25 * time.Hour)
	w.mustRefuse(idp.CodeUnavailable)
}

func TestFailedRefreshIsNotRepeatedForEverySignIn(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.Fault("jwks-down")
	w.clock.Add(20 * time.Minute)
	w.op.Forget()
	for range 10 {
		w.mustSignIn()
	}
	if n := w.op.Count("GET /jwks"); n != 1 {
		t.Errorf("10 sign-ins in one moment of an outage cost %d fetches", n)
	}
}

func TestWithdrawnKeyDiesAtTheNextRefresh(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	if err := w.op.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	w.op.WithdrawOldKeys()
	w.clock.Add(17 * time.Minute)
	w.mustSignIn()
	if n := w.op.Count("GET /jwks"); n != 2 {
		t.Errorf("%d fetches; want one at the start and one when the set grew old", n)
	}
}

func TestChangedSettingsForgetTheOldProvider(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.conn.Version++
	w.mustSignIn()
	if n := w.op.Count("GET /.well-known/openid-configuration"); n != 2 {
		t.Errorf("%d fetches of metadata", n)
	}
}

// TestChangedIssuerIsANewProvider: a declared connection may be edited in the file without a new version.
func TestChangedIssuerIsANewProvider(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.mustSignIn()
	w.conn.Settings.Issuer = other.op.Issuer()
	if id := w.mustSignIn(); id.Issuer != other.op.Issuer() || other.op.Count("GET /jwks") != 1 {
		t.Errorf("signed in at %s", id.Issuer)
	}
}

// TestSavedKeysOfAFormerProviderVerifyNothing: a connection is moved to another provider whose keys cannot be read.
func TestSavedKeysOfAFormerProviderVerifyNothing(t *testing.T) {
	w, s := newWorld(t), &shelf{}
	w.c.Documents = s
	w.mustSignIn()
	w.op.SetMetadata("jwks_uri", w.op.Issuer()+"/jwks?moved=1")
	w.op.Fault("jwks-down")
	w.clock.Add(2 * time.Hour)
	w.c = w.connector()
	w.c.Documents = s
	w.mustRefuse(idp.CodeUnavailable)
	next := newWorld(t)
	next.c.Documents = s
	next.op.Fault("metadata-down")
	next.mustRefuse(idp.CodeUnavailable)
}

func TestMovedEndpointIsLogged(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.SetMetadata("authorization_endpoint", "https://elsewhere.example/authorize")
	w.clock.Add(2 * time.Hour)
	if _, err := w.c.Begin(t.Context(), w.conn, w.attempt()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.log.String(), "moved an endpoint") {
		t.Error("an endpoint moved to another host without a line in the log")
	}
}

// TestTabsDuringARotationAllLand: the first unknown key id fetches the keys, the others must not be refused meanwhile.
func TestTabsDuringARotationAllLand(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	if err := w.op.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	w.op.Forget()
	type tab struct {
		a    idp.Attempt
		back *url.URL
	}
	var tabs []tab
	for range 10 {
		a := w.attempt()
		back, err := w.visit(a)
		if err != nil {
			t.Fatal(err)
		}
		tabs = append(tabs, tab{a, back})
	}
	var wg sync.WaitGroup
	for _, tab := range tabs {
		wg.Go(func() {
			if _, err := w.complete(t.Context(), tab.a, tab.back); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.op.Count("GET /jwks"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

// TestShelfIsAskedAgainAfterAnError: the database comes back before the provider does.
func TestShelfIsAskedAgainAfterAnError(t *testing.T) {
	w, s := newWorld(t), &shelf{}
	w.c.Documents = s
	w.mustSignIn()
	w.op.Fault("metadata-down", "jwks-down")
	w.c = w.connector()
	w.c.Documents = s
	s.err = errors.New("database is down")
	w.mustRefuse(idp.CodeUnavailable)
	s.err = nil
	w.mustSignIn()
}

func TestWrongAddressIsNotAnOutage(t *testing.T) {
	w := newWorld(t)
	w.conn.Settings.Issuer += "/no-such-tenant"
	w.mustRefuse(idp.CodeMetadata)
}

func TestManySignInsAtOnceFetchOnce(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := w.c.Begin(t.Context(), w.conn, w.attempt()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.op.Count("GET /.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestRequestsAreCounted(t *testing.T) {
	w := newWorld(t)
	got := map[string]int{}
	w.c.OnRequest = func(kind, result string) { got[kind+" "+result]++ }
	w.mustSignIn()
	w.op.Fault("token-500")
	w.mustRefuse(idp.CodeUnavailable)
	for key, want := range map[string]int{"metadata ok": 1, "jwks ok": 1, "token ok": 1, "token error": 1} {
		if got[key] != want {
			t.Errorf("%s: %d; want %d", key, got[key], want)
		}
	}
}
