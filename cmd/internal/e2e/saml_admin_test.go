package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// An admin connects a company beside the running gate: metadata in, ours out, one sign-in to look at, and people arrive.
func TestAnAdminConnectsASAMLProviderBesideTheRunningGate(t *testing.T) {
	s := NewStack(t, Options{Extra: globex})
	c := &SAML{Tenant: "globex", ID: "globex-auth0", Shape: func(o *idptest.SAMLOptions) { o.Profile, o.SHA1 = idptest.SAMLAuth0, true }}
	s.prepareSAML(c, nil)
	cli := func(args ...string) string {
		t.Helper()
		return s.CLI(append(args, "-c", s.Config, "--tenant", "globex")...)
	}
	guide := cli("connection", "create", "--saml-metadata", filepath.Join(s.Dir, c.ID+".xml"), "--provider", "auth0", "--id", c.ID)
	for _, want := range []string{c.metadata(s), s.URL + "/auth/callback/saml/" + c.ID, `"signatureAlgorithm":"rsa-sha256"`} {
		if !strings.Contains(strings.Join(strings.Fields(guide), ""), strings.Join(strings.Fields(want), "")) {
			t.Errorf("the guide does not say %s:\n%s", want, guide)
		}
	}
	if ours := cli("saml", "metadata", c.ID); ours != string(s.publishedMetadata(c.metadata(s))) {
		t.Errorf("the command and the address give different documents:\n%s", ours)
	}
	s.introduce(c)
	cli("mapping", "create", "--group", "analysts", "--role", "Analyst")

	if result, ok := s.tryConnection(t, c, "ann"); ok || result.Code != "saml-sha1" || !strings.Contains(result.Hint, "rsa-sha256") {
		t.Errorf("the test over SHA-1: %t %+v", ok, result)
	}
	cli("connection", "update", c.ID, "--allow-sha1-until", time.Now().AddDate(0, 0, 30).UTC().Format(time.DateOnly))
	result, ok := s.tryConnection(t, c, "ann")
	if !ok || result.Identity.Email != "ann@acme.example" || !slices.Equal(result.Identity.Groups, []string{"analysts"}) || !slices.Equal(result.Roles, []string{"Analyst"}) {
		t.Errorf("the test once SHA-1 may pass: %t %+v", ok, result)
	}
	if out := cli("user", "list", "--output", "json"); strings.Contains(out, "ann@") {
		t.Errorf("the test made a person: %s", out)
	}
	p := s.AsSAML("ann")
	page, err := p.Open(t.Context(), s.URL+direct(c, "/events"))
	if err != nil || page.URL.Path != "/events" || page.Status != http.StatusOK {
		t.Errorf("landed on %s (%d), %v", page.URL, page.Status, err)
	}
	if _, err := s.TryCLI("connection", "update", c.ID, "-c", s.Config, "--tenant", "globex", "--allow-sha1-until", time.Now().AddDate(1, 0, 0).UTC().Format(time.DateOnly)); err == nil {
		t.Error("SHA-1 may pass for a year")
	}
}

// trial is what `connection test` prints.
type trial struct {
	OK       bool     `json:"ok"`
	Code     string   `json:"code"`
	Hint     string   `json:"hint"`
	Roles    []string `json:"roles"`
	Identity struct {
		Email  string   `json:"email"`
		Groups []string `json:"groups"`
	} `json:"identity"`
}

var testLink = regexp.MustCompile(`http://\S+/auth/login\?\S*test=[^\s"]+`)

// tryConnection runs `connection test`, opens the address that it prints as somebody, and reads what it says then.
func (s *Stack) tryConnection(t *testing.T, c *SAML, person string) (result trial, ok bool) {
	t.Helper()
	p := Start(t, s.Dir, []string{"E2E_SECRET=" + clientSecret}, Binary(t), "connection", "test", "-c", s.Config,
		"--tenant", c.Tenant, "--connection", c.ID, "--output", "json")
	link := ""
	Eventually(t, "the command prints an address", func() bool {
		link = testLink.FindString(p.Output())
		return link != "" || p.Exited()
	})
	browser := s.AsSAML(person)
	page, err := browser.Open(t.Context(), link)
	if err != nil {
		t.Fatalf("open %q: %v\n%s", link, err, p.Output())
	}
	if browser.sessionCookie() != "" {
		t.Errorf("a test signed somebody in, at %s", page.URL)
	}
	Eventually(t, "the command ends", p.Exited)
	out := p.Output()
	var printed struct{ Result trial }
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):strings.LastIndex(out, "}")+1]), &printed); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return printed.Result, printed.Result.OK
}
