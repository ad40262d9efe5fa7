package extauthz

import (
	"context"
	"net/http"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// switchedOff is a directory in which nobody is active, though no epoch says so: SCIM may send "active": null.
type switchedOff struct{ directory.Reader }

func (s switchedOff) Person(ctx context.Context, t tenant.ID, u directory.UserID, c tenant.ConnectionID) (directory.Person, error) {
	p, err := s.Reader.Person(ctx, t, u, c)
	p.User.Active = false
	return p, err
}

// TestInactivePersonIsRefusedWhateverPolicySays: whether somebody is active is not policy's to weigh, and an edit of it
// that lets everybody in lets nobody back in.
func TestInactivePersonIsRefusedWhateverPolicySays(t *testing.T) {
	g := newGate(t)
	cookie, _ := g.signIn("ada", "admins")
	everybody, err := policies.Load(t.Context(), fstest.MapFS{
		"authz.rego": {Data: []byte("package ssogate.authz\n\ndecision := {\"allowed\": true, \"reason\": \"everybody\"}\n")},
		"data.json":  {Data: []byte(`{"roles": {"Admin": {}}, "role_order": ["Admin"]}`)},
	}, policies.Options{})
	check(t, err)
	g.server.Policy.Swap(everybody)
	ask := func() int { return httpStatus(g.ask(call{path: "/anything", lines: []line{{"cookie", cookie}}})) }
	if got := ask(); got != http.StatusOK {
		t.Fatalf("active: %d; the policy allows nobody and proves nothing", got)
	}
	g.server.Directory = switchedOff{g.store}
	if got := ask(); got != http.StatusForbidden {
		t.Errorf("inactive: %d, want 403", got)
	}
}

// hanging is a store that answers nothing until whoever asks gives up.
type hanging struct{ Realms }

func (hanging) Realm(ctx context.Context, _ tenant.ID) (idp.Realm, error) {
	<-ctx.Done()
	return idp.Realm{}, ctx.Err()
}

// TestHangingStoreIsARefusalOfOursBeforeEnvoyGivesUp: past its own deadline Envoy would answer by its failure mode.
func TestHangingStoreIsARefusalOfOursBeforeEnvoyGivesUp(t *testing.T) {
	g := newGate(t)
	cookie, _ := g.signIn("ada", "admins")
	g.server.Realms = hanging{}
	for _, patience := range []time.Duration{15 * time.Second, 300 * time.Millisecond} { // Envoy's, as rendered and as some set it
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out, err := g.client.Check(ctx, call{path: "/events", lines: []line{{"cookie", cookie}}}.check(true))
		cancel()
		if err != nil || httpStatus(out) != http.StatusServiceUnavailable {
			t.Errorf("patience %s: %d, %v", patience, httpStatus(out), err)
		}
	}
}

// TestPersonSignsOutWithoutPolicy: who leaves a shared computer must not be told to come back when the policy is mended.
func TestPersonSignsOutWithoutPolicy(t *testing.T) {
	g := newGate(t)
	cookie, _ := g.signIn("ada", "admins")
	g.server.Policy = &policies.Engine{}
	lines := []line{{"cookie", cookie}, {"accept", "text/html"}, {"sec-fetch-site", "same-origin"}}
	out := g.ask(call{path: "/auth/session", lines: lines})
	if outcome := out.GetDynamicMetadata().GetFields()["outcome"].GetStringValue(); httpStatus(out) != http.StatusServiceUnavailable || outcome != "fault" {
		t.Errorf("/auth/session names roles that nobody worked out: %d, %s", httpStatus(out), outcome)
	}
	if out := g.ask(call{path: "/auth/logout", lines: lines}); httpStatus(out) != http.StatusOK {
		t.Errorf("/auth/logout: %d", httpStatus(out))
	}
	sessions, err := g.store.List(t.Context(), "acme", session.Query{})
	check(t, err)
	if len(sessions) != 0 {
		t.Error("the session lives on")
	}
}
