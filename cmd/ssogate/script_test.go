package main

import (
	"context"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ssogate": main})
}

// TestStories runs the real program. UPDATE=1 rewrites what it prints into the stories, to be read in the diff.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       os.Getenv("UPDATE") != "",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": exitStatus, "mask": mask, "person": person, "idp": startIdP, "declare": declare, "mode": mode,
			"provider": provider, "samlidp": samlProvider,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("COLUMNS", "100")
			e.Setenv("SOON", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
			e.Values[samlIdPKey] = &samlIdP{}
			return nil
		},
	})
}

// status runs ssogate and demands an exit status: status 2 tenant crate.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N args...")
	}
	err := ts.Exec("ssogate", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, want %s", got, args[0])
	}
}

var masks = []struct {
	pattern *regexp.Regexp
	word    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "SID"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?`), "TIME"},
	{regexp.MustCompile(`https://127\.0\.0\.1:\d+`), "https://IDP"},
	{regexp.MustCompile(`(?m)^[a-z2-7]{10}  `), "RANDOMNAME  "},
	{regexp.MustCompile(`(?m)^[a-z2-7]{8}  (cookie|state|assertion)`), "KEYNAME  $1"},
	{regexp.MustCompile(`scim_acme_[a-z2-7]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}`), "TOKEN"},
	{regexp.MustCompile(`token [a-z2-7]{8} created`), "token TOKENID created"},
	{regexp.MustCompile(`"id": "[a-z2-7]{8}"`), `"id": "TOKENID"`},
	{regexp.MustCompile(`(?m)^[a-z2-7]{8}  (okta|rotated)`), "TOKENID  $1"},
	{regexp.MustCompile(`(?m)^mapping( +)[a-z2-7]{10} `), "mapping${1}RANDOMNAME "},
	{regexp.MustCompile(`"duration_ns": \d+`), `"duration_ns": 0`},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "FINGERPRINT"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "PRINT"},
	{regexp.MustCompile(`\b\d{4} days\b`), "YEARS"},
	{regexp.MustCompile(`"days_left": \d{4}\b`), `"days_left": 1000`},
}

// mask copies the last stdout to a file with everything random replaced by a word, and blanks run together, so that
// it can be compared: mask got.
func mask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: mask FILE")
	}
	text := strings.ReplaceAll(ts.ReadFile("stdout"), ts.Getenv("WORK"), "WORK")
	for _, m := range masks {
		text = m.pattern.ReplaceAllString(text, m.word)
	}
	text = regexp.MustCompile(`(\S) {2,}`).ReplaceAllString(text, "$1  ")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// mode demands a file's permissions: mode 0600 root.key.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := "0" + strings.TrimLeft(info.Mode().Perm().String(), "-"); neg || args[0] != modeDigits(info.Mode().Perm()) {
		ts.Fatalf("%s has mode %s", args[1], got)
	}
}

func modeDigits(m os.FileMode) string {
	return "0" + string(rune('0'+m>>6&7)) + string(rune('0'+m>>3&7)) + string(rune('0'+m&7))
}

// person signs somebody in, as the gate would: person TENANT CONNECTION USERNAME [GROUP...].
// The user's id and the session's stand in $USER and $SESSION afterwards.
func person(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: person TENANT CONNECTION USERNAME [GROUP...]")
	}
	c, err := loadConfigIn(ts)
	ts.Check(err)
	s := openIn(ts, c)
	defer func() { ts.Check(s.Close()) }()
	made, user, err := s.SignIn(context.Background(), session.SignIn{
		ID: session.NewID(), Limits: c.Session.Limits, IP: "192.0.2.7", UserAgent: "Browser/1",
		Attempt: [16]byte([]byte(tenant.RandomName() + "......")),
		Identity: idp.Identity{
			Tenant: tenant.ID(args[0]), Connection: idp.ConnectionID(args[1]), Issuer: "https://idp.example", Subject: "sub-" + args[2],
			Joins:    idp.Joins{ExternalID: "sub-" + args[2], UserName: args[2]},
			UserName: args[2], Email: args[2], DisplayName: "A Person", GroupState: idp.GroupsListed, Groups: args[3:], AuthTime: time.Now(),
		},
	})
	ts.Check(err)
	ts.Setenv("USER", string(user.ID))
	ts.Setenv("SESSION", made.Hash.SID())
}

// declare starts the gate for as long as it takes to take over what the file declares: declare.
func declare(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: declare")
	}
	c, err := loadConfigIn(ts)
	ts.Check(err)
	file, err := c.declared(ts.Getenv, time.Now())
	ts.Check(err)
	s := openIn(ts, c)
	defer func() { ts.Check(s.Close()) }()
	ts.Check(s.Declare(context.Background(), file))
}

func openIn(ts *testscript.TestScript, c Config) *store.Store {
	sealer, err := c.sealer(ts.Getenv)
	ts.Check(err)
	s, err := store.Open(context.Background(), store.Options{DSN: c.Store.DSN, Sealer: sealer, Now: time.Now, Limits: c.Session.Limits})
	ts.Check(err)
	return s
}

func loadConfigIn(ts *testscript.TestScript) (Config, error) {
	file := ts.MkAbs(defaultFile)
	if !exists(file) {
		c := defaults(filepath.Dir(file))
		c.finish()
		return c, nil
	}
	return loadConfig(file)
}

// startIdP starts a pretend identity provider on https. Its issuer stands in $ISSUER, its CA in ca.pem.
func startIdP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: idp")
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	op, err := idptest.New(idptest.Options{Issuer: srv.URL, Now: time.Now})
	ts.Check(err)
	srv.Config.Handler = op
	ts.Defer(srv.Close)
	ts.Setenv("ISSUER", srv.URL)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o600))
}
