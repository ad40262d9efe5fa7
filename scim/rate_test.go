package scim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}

func TestBelowTheRateNobodyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(Rate{}, time.Now)
		for i := range 3000 { // 99 a second for half a minute
			leave, err := s.enter(t.Context(), "acme")
			if err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			leave()
			time.Sleep(time.Second / 99)
		}
	})
}

func TestBeyondTheBurstRequestsWaitThenAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(Rate{}, time.Now)
		began := time.Now()
		var mu sync.Mutex
		outcomes := map[int]int{}
		var last time.Duration
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				leave, err := s.enter(t.Context(), "acme")
				mu.Lock()
				defer mu.Unlock()
				outcomes[statusOf(err)]++
				if err == nil {
					last = max(last, time.Since(began))
					leave()
				}
				if e, ok := errors.AsType[*Error](err); ok && e.Retry < time.Second {
					t.Errorf("retry after %v", e.Retry)
				}
			})
		}
		wg.Wait()
		if outcomes[0] < 395 || outcomes[0] > 401 || outcomes[0]+outcomes[http.StatusTooManyRequests] != 1000 || last > 2*time.Second {
			t.Errorf("outcomes %v, the last after %v; want the burst of 200 and two seconds of 100", outcomes, last)
		}
	})
}

func TestSlownessOfOursIsNoExcessOfTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(Rate{}, time.Now)
		for range 16 {
			if _, err := s.enter(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.enter(t.Context(), "acme"); statusOf(err) != http.StatusServiceUnavailable {
			t.Errorf("the seventeenth in flight: %v, want 503", err)
		}
		if leave, err := s.enter(t.Context(), "globex"); err != nil {
			t.Errorf("another tenant: %v", err)
		} else {
			leave()
		}
	})
}

func TestWritersAreServedTenantByTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(Rate{Writers: 1}, time.Now)
		done, err := s.write(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		queue := func(id tenant.ID, n int) {
			for i := range n {
				wg.Go(func() {
					done, err := s.write(t.Context(), id)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					order = append(order, fmt.Sprint(id, i))
					mu.Unlock()
					done()
				})
				synctest.Wait()
			}
		}
		queue("a", 4)
		queue("b", 2)
		queue("c", 1)
		done()
		wg.Wait()
		if got, want := strings.Join(order, " "), "a0 b0 c0 a1 b1 a2 a3"; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
		if s.writing != 0 || len(s.ring) != 0 || len(s.queues) != 0 {
			t.Errorf("left over: %d, %v, %v", s.writing, s.ring, s.queues)
		}
	})
}

func TestWriterWhoGoesAwayTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTurnstile(Rate{Writers: 1}, time.Now)
		done, err := s.write(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.write(ctx, "b"); statusOf(err) != http.StatusServiceUnavailable {
			t.Errorf("waited for nothing: %v", err)
		}
		done()
		if again, err := s.write(t.Context(), "a"); err != nil {
			t.Error(err)
		} else {
			again()
		}
		if s.writing != 0 || len(s.queues) != 0 {
			t.Errorf("left over: %d, %v", s.writing, s.queues)
		}
	})
}

func TestRestingTenantsAreForgotten(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newTurnstile(Rate{}, func() time.Time { return now })
	for i := range 3 * maxIdleBuckets {
		leave, err := s.enter(t.Context(), tenant.ID(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		leave()
		now = now.Add(time.Second)
	}
	if len(s.buckets) > maxIdleBuckets+1 {
		t.Errorf("%d tenants are remembered", len(s.buckets))
	}
}

func TestListedTagsAreComparedWeakly(t *testing.T) {
	for list, want := range map[string]bool{
		`W/"3"`: true, `"3"`: true, `*`: true, `W/"1", W/"3"`: true, `W/"33"`: false, `3`: false, `w/"3"`: false, ``: false, `"W/3"`: false,
	} {
		if got := listed(list, 3); got != want {
			t.Errorf("%s: %v, want %v", list, got, want)
		}
	}
}

func TestRouteKnowsItsPlaces(t *testing.T) {
	for path, want := range map[string]place{
		"/scim/v2": {endpoint: atRoot}, "/scim/v2/": {endpoint: atRoot}, "/scim/v2/Users": {endpoint: atUsers}, "/scim/v2/Users/": {endpoint: atUsers},
		"/scim/v2/Users/a": {atUser, "a"}, "/scim/v2/Users/a%20b": {atUser, "a b"}, "/scim/v2/Groups/.search": {endpoint: atGroupsSearch},
		"/scim/v2/.search": {endpoint: atSearch}, "/scim/v2/Me": {endpoint: atMe}, "/scim/v2/Me/x": {endpoint: atMe},
		"/scim/v2/Schemas/urn:x%3Ay": {atSchemaByID, "urn:x:y"},
		"/scim/v2x":                  {}, "/scim/v1/Users": {}, "/scim/v2/users": {}, "/scim/v2//Users": {}, "/scim/v2/Users//": {}, "/scim/v2/Users/a/b": {},
		"/scim/v2/Users/%2F": {}, "/scim/v2/Users/%00": {}, "/scim/v2/Users/%zz": {}, "/scim/v2/Bulk/x": {}, "/scim/v2/ServiceProviderConfig/x": {},
	} {
		if got := route(path); got != want {
			t.Errorf("%s: %+v, want %+v", path, got, want)
		}
	}
}

func FuzzRoute(f *testing.F) {
	for _, seed := range []string{"/scim/v2/Users/a", "/scim/v2/.search", "/scim/v2/Schemas/urn%3Ax", "/scim/v2//"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p := route(path)
		if p.id != "" && (strings.ContainsAny(p.id, "/\x00") || !slices.Contains([]endpoint{atUser, atGroup, atResourceType, atSchemaByID}, p.endpoint)) {
			t.Errorf("%q: %+v", path, p)
		}
		if p.endpoint != atNowhere && !strings.HasPrefix(path, Base) {
			t.Errorf("%q is taken for %+v", path, p)
		}
		_ = p.template()
	})
}

// A list that was filtered by the client must never come back unfiltered.
func FuzzQueryParams(f *testing.F) {
	for _, seed := range []string{"filter=id%20pr", "count=1&startIndex=2", "filter=a;b", "cursor=&count=3", "FILTER=x&sortOrder=descending", "attributes=a,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := queryParams(raw)
		if err != nil {
			if s := statusOf(err); s != http.StatusBadRequest {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if p.count < 0 || p.count > maxPage || p.start < 1 {
			t.Errorf("%q: %+v", raw, p)
		}
		for part := range strings.SplitSeq(raw, "&") {
			if name, value, _ := strings.Cut(part, "="); strings.EqualFold(name, "filter") && p.filter == nil {
				t.Errorf("%q: filter %q is lost", raw, value)
			}
		}
	})
}

type glass struct{}

func (glass) Seal(_, bound string, plain []byte) ([]byte, error) {
	return append([]byte(bound), plain...), nil
}

func (glass) Open(_, bound string, sealed []byte) ([]byte, error) {
	rest, ok := strings.CutPrefix(string(sealed), bound)
	if !ok {
		return nil, errors.New("does not open")
	}
	return []byte(rest), nil
}

// The seal is of glass: even a client who could make seals gets nothing but a walk or a refusal.
func FuzzCursor(f *testing.F) {
	h := &Handler{Seal: glass{}, Now: time.Now}
	good, err := h.sealWalk("acme", atUsers, walk{Query: params{}.queryHash(), Expires: time.Now().Add(time.Hour).Unix()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := h.openWalk("acme", atUsers, params{cursor: &text})
		if err != nil {
			if statusOf(err) != http.StatusBadRequest {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		again, err := h.sealWalk("acme", atUsers, w)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := h.openWalk("acme", atUsers, params{cursor: &again}); err != nil || fmt.Sprint(back.Last, back.Count, back.Start) != fmt.Sprint(w.Last, w.Count, w.Start) && w.Last == nil {
			t.Errorf("%q: %+v, %v", text, back, err)
		}
	})
}
