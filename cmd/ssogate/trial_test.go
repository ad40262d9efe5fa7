package main

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// watched is an output that a test can wait on.
type watched struct {
	mu    sync.Mutex
	text  strings.Builder
	wrote chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.wrote <- struct{}{}:
	default:
	}
	return w.text.Write(b)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

var testAddress = regexp.MustCompile(`https?://\S+/auth/login\?\S+`)

// address waits for the address that the command asks to be opened.
func (w *watched) address(t *testing.T) *url.URL {
	t.Helper()
	for {
		if found := testAddress.FindString(w.String()); found != "" {
			u, err := url.Parse(found)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		select {
		case <-w.wrote:
		case <-time.After(30 * time.Second):
			t.Fatalf("no address: %s", w)
		}
	}
}

// trying runs connection test on one SAML connection of a fresh folder. Finish plays the gate: it leaves a result.
func trying(t *testing.T, result string, flags ...string) (code int, stdout, stderr string) {
	t.Helper()
	run := world(t, false)
	document, _ := metadataOf(t, idptest.SAMLKeycloak)
	if err := os.WriteFile("idp.xml", document, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"tenant create acme", "connection create --tenant acme --id acme-saml --saml-metadata idp.xml"} {
		if code, _, errs := run("", strings.Fields(args)...); code != 0 {
			t.Fatal(errs)
		}
	}
	out, errs := &watched{wrote: make(chan struct{}, 1)}, &watched{wrote: make(chan struct{}, 1)}
	ended := make(chan int, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		ended <- program{
			args:   append(strings.Fields("connection test --tenant acme --connection acme-saml"), flags...),
			getenv: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: out, stderr: errs, now: time.Now,
		}.run(ctx)
	}()
	u := errs.address(t)
	if result == "" {
		stop()
	} else {
		leave(t, u, result)
	}
	return <-ended, out.String(), errs.String()
}

// leave does what the gate does when a test comes back.
func leave(t *testing.T, u *url.URL, result string) {
	t.Helper()
	a := &app{ctx: t.Context(), getenv: func(string) string { return "" }, stderr: io.Discard, now: time.Now}
	err := a.withStore(func(s *store.Store, _ Config) error {
		id := login.TestID(u.Query().Get("test"))
		c := idp.ConnectionID(u.Query().Get("connection"))
		begun, err := s.BeginTest(t.Context(), "acme", c, id)
		if err != nil || !begun {
			t.Errorf("the address names no test: %v, %v", begun, err)
		}
		return s.FinishTest(t.Context(), "acme", c, id, []byte(result))
	})
	if err != nil {
		t.Fatal(err)
	}
}

const goodTrial = `{"ok":true,"identity":{"issuer":"https://sso.acme.example/realms/acme","subject":"sub-1","user_name":"alice","email":"alice@acme.example",
  "name_id":{"value":"G-1","format":"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"},"groups":["Security","Everyone"],"group_state":"listed",
  "attributes":{"department":["it"]},"acr":"urn:x","auth_time":"2026-11-26T01:00:00Z","session_index":"_s1"},"roles":["Analyst"]}`

func TestConnectionTestTellsWhatWasSaidAndTheRoleItGives(t *testing.T) {
	code, out, errs := trying(t, goodTrial)
	if code != 0 {
		t.Fatalf("exit status %d: %s %s", code, out, errs)
	}
	for _, want := range []string{
		"ok  enabled", "ok  settings", "NameID            G-1", "user name         alice", "group             Security", "group             Everyone",
		`department = ["it"]`, "session index     _s1", "signed in         2026-11-26 01:00:00", "role              Analyst",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %s\n%s", want, out)
		}
	}
	if !strings.Contains(errs, "it works once") || strings.Contains(out, "/auth/login?") {
		t.Errorf("the address stands with the progress, once: %s", errs)
	}
}

func TestConnectionTestOfARefusalFails(t *testing.T) {
	code, out, _ := trying(t, `{"ok":false,"code":"saml-sha1","detail":"signature","hint":"Set it to \u001b[31mRSA-SHA256.","error":"saml-sha1: signed with SHA-1"}`)
	if code != 1 {
		t.Errorf("exit status %d", code)
	}
	for _, want := range []string{"refused           saml-sha1/signature", "what to do        Set it to", "cause             saml-sha1: signed with SHA-1"} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %s\n%s", want, out)
		}
	}
	if strings.Contains(out, "role") || strings.Contains(out, "\x1b") {
		t.Errorf("said: %s", out)
	}
}

func TestConnectionTestWithoutARoleSaysHowToGiveOne(t *testing.T) {
	code, out, _ := trying(t, `{"ok":true,"identity":{"issuer":"x","subject":"s","group_state":"none"}}`)
	if code != 0 || !strings.Contains(out, "role              no role") || !strings.Contains(out, "ssogate mapping create --tenant acme") ||
		!strings.Contains(out, "groups            none: the provider sent none") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

func TestConnectionTestOfManyGroupsStaysReadable(t *testing.T) {
	groups := strings.TrimSuffix(strings.Repeat(`"g",`, 100), ",")
	_, out, _ := trying(t, `{"ok":true,"identity":{"issuer":"x","subject":"s","group_state":"listed","group_count":2000,"groups":[`+groups+`]}}`)
	if strings.Count(out, "group             g") != groupsShown || !strings.Contains(out, "groups            and 1980 more") {
		t.Errorf("said: %s", out)
	}
}

func TestConnectionTestSaysWhyTheRoleIsNotKnown(t *testing.T) {
	code, out, _ := trying(t, `{"ok":true,"error":"people, groups and roles come from the directory","identity":{"issuer":"x","subject":"s","group_state":"listed"}}`)
	if code != 0 || !strings.Contains(out, "role              people, groups and roles come from the directory") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

func TestConnectionTestIsOneObjectForPrograms(t *testing.T) {
	code, out, errs := trying(t, goodTrial, "--output", "json")
	var got struct {
		Connection string           `json:"connection"`
		Checks     []checked        `json:"checks"`
		URL        string           `json:"url"`
		Result     login.TestResult `json:"result"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("exit status %d, %v: %s%s", code, err, out, errs)
	}
	if got.Connection != "acme-saml" || len(got.Checks) < 2 || !got.Result.OK || got.Result.Roles[0] != "Analyst" || got.Result.Identity.NameID.Value != "G-1" ||
		!strings.HasPrefix(got.URL, "https://localhost:8443/auth/login?connection=acme-saml&test=") {
		t.Errorf("got %+v", got)
	}
}

// Names and values are the provider's: none of them forges a line of the report, or reaches the terminal.
func TestConnectionTestIsNotForgedByWhatTheProviderSays(t *testing.T) {
	const said = `{"ok":true,"identity":{"issuer":"x","subject":"s","group_state":"listed","groups":["g\nrole              Admin"],
		"attributes":{"a\nrole              Admin":["v` + "\u009b31m\u202e\x7f" + `\nrole              Admin"]}}}`
	_, out, _ := trying(t, said)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "role") && !strings.HasPrefix(line, "role              no role") {
			t.Errorf("a forged line: %s", out)
		}
	}
	_, asJSON, _ := trying(t, said, "--output", "json")
	for name, out := range map[string]string{"text": out, "json": asJSON} {
		if strings.ContainsAny(out, "\u009b\u202e\x7f\x1b") {
			t.Errorf("%s reaches the terminal: %q", name, out)
		}
	}
	var got tested
	if err := json.Unmarshal([]byte(asJSON), &got); err != nil || !strings.Contains(asJSON, `v\u009b31m\u202e\u007f\n`) {
		t.Errorf("%v: %s", err, asJSON)
	}
}

func TestConnectionTestCanBeStopped(t *testing.T) {
	if code, _, errs := trying(t, ""); code != 1 || !strings.Contains(errs, "stopped") {
		t.Errorf("exit status %d: %s", code, errs)
	}
}

func TestConnectionTestGivesUpWhenNobodyComesBack(t *testing.T) {
	run := world(t, false)
	document, _ := metadataOf(t, idptest.SAMLOkta)
	if err := os.WriteFile("idp.xml", document, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		want int
		says string
	}{
		{"tenant create acme", 0, ""},
		{"connection create --tenant acme --id acme-saml --saml-metadata idp.xml", 0, ""},
		{"connection test --tenant acme --connection acme-saml --timeout 50ms", 1, "nobody came back from the provider within 50ms"},
		{"connection test --tenant acme --connection acme-saml --timeout 16m", 2, "--timeout 16m0s is out of bounds"},
		{"connection test --tenant acme --connection acme-saml --no-browser", 0, ""},
		{"connection disable --tenant acme acme-saml", 0, ""},
		{"connection test --tenant acme --connection acme-saml", 1, ""},
	} {
		if code, out, errs := run("", strings.Fields(tc.args)...); code != tc.want || !strings.Contains(errs, tc.says) {
			t.Errorf("%s: exit status %d: %s%s", tc.args, code, out, errs)
		}
	}
}
