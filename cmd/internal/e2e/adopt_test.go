package e2e

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// betaTenant makes a second tenant with the commands an operator types, its people at the same provider.
func betaTenant(t *testing.T) *Stack {
	t.Helper()
	s := NewStack(t, Options{})
	s.IdP.AddClient(idptest.Client{
		ID: clientID, Secret: clientSecret,
		RedirectURIs: []string{s.URL + "/auth/callback/oidc/acme-idp", s.URL + "/auth/callback/oidc/beta-idp"},
	})
	s.CLI("tenant", "create", "beta", "-c", s.Config)
	s.CLI("connection", "create", "--tenant", "beta", "--provider", "generic", "--issuer", s.IdPURL, "--client-id", clientID,
		"--client-secret-env", "E2E_SECRET", "--id", "beta-idp", "-c", s.Config)
	for group, role := range map[string]string{"viewers": "Viewer", "analysts": "Analyst"} {
		s.CLI("mapping", "create", "--tenant", "beta", "--group", group, "--role", role, "-c", s.Config)
	}
	return s
}

// enter signs in over beta's connection and ends on the page of events.
func (p Person) enter(t *testing.T) idptest.Page {
	t.Helper()
	page, err := p.Open(t.Context(), p.s.URL+"/auth/login?connection=beta-idp&return_to=/events")
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestWhoeverTheProviderHasNotMadeIsRefusedOnceSCIMIsOn(t *testing.T) {
	s := betaTenant(t)
	vic, ann := s.As("vic"), s.As("ann")
	for _, p := range []Person{vic, ann} {
		if page := p.enter(t); page.Status != http.StatusOK {
			t.Fatalf("%s signs in without SCIM and gets %d", p.Person, page.Status)
		}
	}
	events := func(p Person) Answer { return p.Fetch("GET", "/api/v1/events") }
	before := first(events(vic).Identity["x-sso-user"])

	client := s.SCIM("beta", idptest.EntraSCIM)
	viewers, err := client.CreateGroup(t.Context(), idptest.Team{DisplayName: "viewers"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.Provision(t.Context(), idptest.AccountOf(people[2]))
	if err != nil || id != before {
		t.Fatalf("Vic was %s and is provisioned as %s: %v", before, id, err)
	}
	if got := events(vic); got.Status != http.StatusOK {
		t.Errorf("pushed and in no group yet, SCIM off: Vic gets %d, want his old role", got.Status)
	}
	if err := client.AddMember(t.Context(), viewers, id); err != nil {
		t.Fatal(err)
	}

	out, err := s.TryCLI("scim", "on", "--tenant", "beta", "-c", s.Config)
	if err == nil {
		t.Errorf("scim on went ahead with nobody there to ask: %s", out)
	}
	if !strings.Contains(out, "ann") || !strings.Contains(out, "refused") || strings.Contains(out, "vic") {
		t.Errorf("scim on foretells\n%s", out)
	}
	if got := events(ann); got.Status != http.StatusOK {
		t.Fatalf("foretelling changed something: Ann gets %d", got.Status)
	}
	s.CLI("scim", "on", "--tenant", "beta", "--yes", "-c", s.Config)
	if got := events(vic); got.Status != http.StatusOK || first(got.Identity["x-sso-role"]) != "Viewer" {
		t.Errorf("SCIM on, provisioned: %d %v", got.Status, got.Identity)
	}
	if got := events(ann); got.Status != http.StatusForbidden || !strings.Contains(got.Body, "not_provisioned") {
		t.Errorf("SCIM on, not provisioned, live session: %d %s", got.Status, got.Body)
	}
	if page := s.As("ann").enter(t); page.Status != http.StatusForbidden || !strings.Contains(page.Body, "not_provisioned") {
		t.Errorf("SCIM on, not provisioned, signing in: %d", page.Status)
	}
	if found := statusOf(t, s, "unadopted"); !slices.Equal(found, []string{"ann"}) {
		t.Errorf("scim status lists %v as not provisioned", found)
	}

	// Provisioned, she is the same person again, by the provider's groups and no longer by her claims.
	annID, err := client.Provision(t.Context(), idptest.AccountOf(people[1]))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.AddMember(t.Context(), viewers, annID); err != nil {
		t.Fatal(err)
	}
	if got := events(ann); got.Status != http.StatusOK || first(got.Identity["x-sso-role"]) != "Viewer" {
		t.Errorf("provisioned at last: %d %v", got.Status, got.Identity)
	}
	if got := ann.Fetch("POST", "/api/v1/rules"); got.Status != http.StatusForbidden {
		t.Errorf("her claims still make her an Analyst: %d", got.Status)
	}

	// Off again: those whom SCIM shut out stay out, everyone else signs in anew.
	if err := client.Deactivate(t.Context(), annID); err != nil {
		t.Fatal(err)
	}
	s.CLI("scim", "off", "--tenant", "beta", "--yes", "-c", s.Config)
	if got := events(vic); got.Status != http.StatusUnauthorized {
		t.Errorf("SCIM off, old session: %d, want a new sign-in", got.Status)
	}
	if page := s.As("vic").enter(t); page.Status != http.StatusOK {
		t.Errorf("SCIM off, Vic signs in and gets %d", page.Status)
	}
	if page := s.As("ann").enter(t); page.Status != http.StatusForbidden {
		t.Errorf("SCIM off, deactivated Ann signs in and gets %d", page.Status)
	}
}

// statusOf names whom scim status lists as of one kind.
func statusOf(t *testing.T, s *Stack, kind string) (names []string) {
	t.Helper()
	var status struct {
		Findings []struct{ Kind, Name, Reason, Remedy string }
	}
	if err := json.Unmarshal([]byte(s.CLI("scim", "status", "--tenant", "beta", "-c", s.Config, "--output", "json")), &status); err != nil {
		t.Fatal(err)
	}
	for _, f := range status.Findings {
		if f.Kind == kind {
			names = append(names, f.Name)
		}
		if f.Reason == "" || f.Remedy == "" {
			t.Errorf("a finding without reason or remedy: %+v", f)
		}
	}
	return names
}

func TestARevokedTokenIsRefusedAtOnceAndTheOtherIsNot(t *testing.T) {
	s := NewStack(t, Options{})
	old, young := s.SCIM("acme", idptest.OktaOIN), s.SCIM("acme", idptest.OktaOIN)
	if out, err := s.TryCLI("scim", "token", "create", "--tenant", "acme", "-c", s.Config); err == nil || !strings.Contains(out, "two live tokens") {
		t.Errorf("a third token: %s", out)
	}
	status := func(p *idptest.Provisioner) int {
		t.Helper()
		c, err := p.Do(t.Context(), http.MethodGet, "/Users?startIndex=1&count=2", nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Status
	}
	if a, b := status(old), status(young); a != 200 || b != 200 {
		t.Fatalf("two live tokens get %d and %d", a, b)
	}
	id := strings.Split(old.Token, "_")[2]
	s.CLI("scim", "token", "revoke", "--tenant", "acme", id, "--yes", "-c", s.Config)
	if a, b := status(old), status(young); a != 401 || b != 200 {
		t.Errorf("revoked and live tokens get %d and %d", a, b)
	}
	for name, text := range map[string]string{"gate's log": s.Gate.Output(), "Envoy's log": s.Envoy.Output()} {
		if strings.Contains(text, strings.Split(old.Token, "_")[3]) {
			t.Errorf("the token stands in the %s", name)
		}
	}
}
