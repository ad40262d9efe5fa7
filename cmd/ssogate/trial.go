package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

const (
	maxTrial  = 15 * time.Minute // as long as the store keeps a test
	trialPoll = 500 * time.Millisecond

	groupsShown = 20
)

type connectionTestCmd struct {
	Tenant     string        `required:"" help:"The tenant." placeholder:"ID"`
	Connection string        `required:"" help:"The connection." placeholder:"ID"`
	Browser    bool          `negatable:"" default:"true" help:"Sign in with a browser. --no-browser checks only what can be checked without."`
	Timeout    time.Duration `default:"5m" help:"How long to wait for the sign-in, 15m at most."`
}

// checked is one thing that was looked at before a browser is needed.
type checked struct {
	Check string `json:"check"`
	OK    bool   `json:"ok"`
	Text  string `json:"text,omitempty"`
}

// tested is what the command reports to programs.
type tested struct {
	Connection idp.ConnectionID `json:"connection"`
	Checks     []checked        `json:"checks"`
	URL        string           `json:"url,omitempty"`
	Result     json.RawMessage  `json:"result,omitempty"`
}

// Run checks a connection, has somebody sign in over it, and prints what came of it. Nobody is signed in by a test.
func (cmd connectionTestCmd) Run(a *app) error {
	if cmd.Timeout <= 0 || cmd.Timeout > maxTrial {
		return misused("choose 1s to 15m", "--timeout %s is out of bounds", cmd.Timeout)
	}
	return a.withAnyConnection(cmd.Tenant, cmd.Connection, func(s *store.Store, c Config, realm idp.Realm, conn idp.Connection) error {
		out := tested{Connection: conn.ID, Checks: a.checkConnection(c, conn)}
		sound := !slices.ContainsFunc(out.Checks, func(k checked) bool { return !k.OK })
		if !a.json() {
			a.showChecks(out.Checks)
		}
		if !sound || !cmd.Browser {
			return a.report(out, sound)
		}
		id, address, err := newTrial(c, conn.ID)
		if err != nil {
			return err
		}
		out.URL = address
		if err := s.CreateTest(a.ctx, conn.Tenant, conn.ID, id, a.now().Add(cmd.Timeout)); err != nil {
			return fmt.Errorf("create test: %w", err)
		}
		if out.Result, err = cmd.wait(a, s, conn, id, address); err != nil {
			return err
		}
		var found login.TestResult
		if err := json.Unmarshal(out.Result, &found); err != nil {
			return fmt.Errorf("read the test's result: %w", err)
		}
		if !a.json() {
			a.showTrial(realm, found)
		}
		return a.report(out, found.OK)
	})
}

// report ends the command: with JSON all at once, and with failure unless all is well.
func (a *app) report(out tested, ok bool) error {
	if a.json() {
		if err := a.printJSON(out); err != nil {
			return err
		}
	}
	if !ok {
		return silent{}
	}
	return nil
}

// newTrial draws a test: the token is in the address alone, what is stored is named by its hash.
func newTrial(c Config, conn idp.ConnectionID) (id [16]byte, address string, err error) {
	token := make([]byte, 32)
	if _, err := rand.Read(token); err != nil {
		return id, "", fmt.Errorf("draw token: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(token)
	u := c.PublicURL.JoinPath("auth", "login")
	u.RawQuery = url.Values{"connection": {string(conn)}, "test": {text}}.Encode()
	return login.TestID(text), u.String(), nil
}

// wait looks for the result until it is there, time is up, or whoever waits has had enough.
func (cmd connectionTestCmd) wait(a *app, s *store.Store, conn idp.Connection, id [16]byte, address string) ([]byte, error) {
	a.aside("open this address in a browser and sign in; it works once:\n  %s\nwaiting %s for it, Ctrl-C to stop", address, short(cmd.Timeout))
	ctx, cancel := context.WithTimeout(a.ctx, cmd.Timeout)
	defer cancel()
	tick := time.NewTicker(trialPoll)
	defer tick.Stop()
	for {
		result, done, err := s.TestResult(ctx, conn.Tenant, conn.ID, id)
		if done {
			return result, nil
		}
		if err != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("read the test's result: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if a.ctx.Err() != nil {
				return nil, problem{Message: "stopped"}
			}
			return nil, hinted("is the gate running at the address, and did the provider show an error of its own?", "nobody came back from the provider within %s", short(cmd.Timeout))
		}
	}
}

// aside tells whoever waits, beside the output proper.
func (a *app) aside(format string, args ...any) {
	_, _ = fmt.Fprintln(a.stderr, clean(fmt.Sprintf(format, args...))) // there is nowhere left to say that it did not arrive
}

// checkConnection looks at all that can be looked at without a browser.
func (a *app) checkConnection(c Config, conn idp.Connection) []checked {
	out := []checked{{"enabled", conn.Enabled, yes(conn.Enabled, "", fmt.Sprintf("switch it on: ssogate connection enable --tenant %s %s", conn.Tenant, conn.ID))}}
	if conn.Protocol == idp.SAML {
		return append(out, a.checkSAML(c, conn)...)
	}
	for _, p := range validate(conn.Settings) {
		out = append(out, checked{"settings", false, hintedText(p.Message, p.Hint)})
	}
	warnings, err := a.probe(c, &conn, 15*time.Second)
	if err != nil {
		return append(out, checked{"provider answers", false, err.Error()})
	}
	out = append(out, checked{"provider answers", true, issuerOf(conn)})
	for _, w := range warnings {
		out = append(out, checked{"note", true, w})
	}
	return out
}

func hintedText(message, hint string) string {
	if hint == "" {
		return message
	}
	return message + ": " + hint
}

func (a *app) checkSAML(c Config, conn idp.Connection) []checked {
	var out []checked
	bad := saml.Validate(conn.SAML, c.Insecure())
	for _, p := range bad {
		out = append(out, checked{"settings", false, hintedText(fieldWord(p.Field)+": "+p.Text, p.Hint)})
	}
	if len(bad) == 0 {
		out = append(out, checked{"settings", true, conn.SAML.IdP.EntityID})
	}
	if conn.SAML.IdP.EntityID == "" || conn.SAML.IdP.Endpoints.SSOURL == "" {
		out = append(out, checked{"metadata", false, fmt.Sprintf("not read yet: ssogate saml refresh --tenant %s %s", conn.Tenant, conn.ID)})
	} else if conn.SAML.MetadataURL != "" {
		out = append(out, a.checkMetadata(c, conn))
	}
	if n := pendingOf(conn.SAML.IdP); n > 0 {
		out = append(out, checked{"note", true, fmt.Sprintf("%s for an admin: ssogate saml confirm --tenant %s %s", count(n, "key or address waits", "keys or addresses wait"), conn.Tenant, conn.ID)})
	}
	for _, sentence := range concerns(conn.Provider, conn.SAML, a.now()) {
		out = append(out, checked{"note", true, sentence})
	}
	return out
}

// checkMetadata asks the metadata address. Its silence keeps nobody out today: it is a note.
func (a *app) checkMetadata(c Config, conn idp.Connection) checked {
	connector, err := a.samlConnector(c)
	if err != nil {
		return checked{"metadata", false, err.Error()}
	}
	next, n, err := refresh(a.ctx, connector, conn, a.now())
	switch bad, theirs := errors.AsType[*idp.Error](err); {
	case theirs:
		return checked{"note", true, hintedText("metadata: "+bad.Error(), bad.Hint)}
	case err != nil:
		return checked{"metadata", false, err.Error()}
	case len(n.changes) > 0:
		return checked{"note", true, fmt.Sprintf("the metadata has changed (%s): ssogate saml refresh --tenant %s %s", strings.Join(n.changes, ", "), conn.Tenant, conn.ID)}
	}
	return checked{"metadata", true, "as it was read " + when(next.Fetched)}
}

func (a *app) showChecks(all []checked) {
	for _, k := range all {
		a.fact(yes(k.OK, "ok", "BAD")+"  "+k.Check, k.Text)
	}
}

// showTrial prints what the provider said and what it gives.
func (a *app) showTrial(realm idp.Realm, t login.TestResult) {
	a.printf("")
	if !t.OK {
		a.fact("refused", (&idp.Error{Code: t.Code, Detail: t.Detail}).Reason())
		if t.Hint != "" {
			a.fact("what to do", t.Hint)
		}
		if t.Error != "" {
			a.fact("cause", t.Error)
		}
	}
	if t.Identity != nil {
		a.showIdentity(*t.Identity)
	}
	if !t.OK {
		return
	}
	role := strings.Join(t.Roles, "+")
	a.fact("role", cmp.Or(role, t.Error, noRole)) // Error: why the gate cannot tell
	if role == "" && t.Error == "" && !realm.Tenant.SCIM {
		a.printf("\nNothing gives this person a role yet:\n  ssogate mapping create --tenant %s --role Viewer --group GROUP", realm.Tenant.ID)
	}
}

func (a *app) showIdentity(i login.TestedIdentity) {
	some := func(key, value string) {
		if value != "" {
			a.fact(key, value)
		}
	}
	some("issuer", i.Issuer)
	some("subject", i.Subject)
	if i.NameID != nil {
		some("NameID", i.NameID.Value)
		some("  format", i.NameID.Format)
	}
	some("user name", i.UserName)
	some("e-mail", i.Email)
	some("called", i.DisplayName)
	some("context", i.ACR)
	some("signed in", whenP(stamp(i.AuthTime)))
	some("session index", i.SessionIndex)
	if len(i.Groups) == 0 {
		a.fact("groups", "none: "+groupsSaid(i.GroupState))
	}
	for _, g := range i.Groups[:min(len(i.Groups), groupsShown)] {
		a.fact("group", g)
	}
	if all := max(i.GroupCount, len(i.Groups)); all > groupsShown {
		a.fact("groups", fmt.Sprintf("and %d more", all-min(len(i.Groups), groupsShown)))
	}
	for _, name := range slices.Sorted(maps.Keys(i.Attributes)) {
		text, err := json.Marshal(i.Attributes[name])
		if err == nil {
			a.printf("  %s = %s", cellText(name), text)
		}
	}
}

// groupsSaid puts a group state into words.
func groupsSaid(state string) string {
	switch state {
	case "listed":
		return "the provider sent an empty list"
	case "none":
		return "the provider sent none"
	default:
		return "the provider left them out"
	}
}
