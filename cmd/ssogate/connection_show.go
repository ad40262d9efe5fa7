package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

type connectionShowCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
}

// shownOIDC is one connection with what to enter at its provider.
type shownOIDC struct {
	connectionRow
	RedirectURI string `json:"redirect_uri"`
	SignOutURI  string `json:"sign_out_uri"`
}

// shownSAML is the same over SAML.
type shownSAML struct {
	connectionRow
	samlAddresses
	Notes []string `json:"notes,omitempty"`
}

// Run prints one connection.
func (cmd connectionShowCmd) Run(a *app) error {
	return a.withAnyConnection(cmd.Tenant, cmd.Connection, func(_ *store.Store, c Config, _ idp.Realm, conn idp.Connection) error {
		row := connectionRowOf(conn, a.now())
		if conn.Protocol != idp.SAML {
			out := shownOIDC{row, c.redirectURI(conn), c.signOutURI()}
			if a.json() {
				return a.printJSON(out)
			}
			a.showConnection(row)
			a.fact("redirect URI", out.RedirectURI)
			a.fact("sign-out URI", out.SignOutURI)
			return nil
		}
		out := shownSAML{row, c.samlAddresses(conn.ID), concerns(conn.Provider, conn.SAML, a.now())}
		if a.json() {
			return a.printJSON(out)
		}
		a.showConnection(row)
		a.showSAML(*row.SAML, out.samlAddresses)
		a.notes(out.Notes)
		return a.showKeys(*row.SAML)
	})
}

// fact prints one line of a description.
func (a *app) fact(key, value string) { a.printf("%-17s %s", key, cellText(value)) }

func (a *app) showConnection(r connectionRow) {
	a.fact("id", string(r.ID))
	a.fact("tenant", string(r.Tenant))
	a.fact("name", r.Name)
	a.fact("protocol", string(r.Protocol))
	a.fact("provider", string(r.Provider))
	a.fact("issuer", r.Issuer)
	if r.ClientID != "" {
		a.fact("client id", r.ClientID)
	}
	a.fact("state", yes(r.Enabled, "enabled", "disabled"))
	a.fact("from", yes(r.Declared, "file", "database"))
	a.fact("join", string(r.Join))
}

// showSAML prints settings; those that are as they come are left out.
func (a *app) showSAML(r samlRow, ours samlAddresses) {
	some := func(key, value string) {
		if value != "" {
			a.fact(key, value)
		}
	}
	some("metadata", r.MetadataURL)
	if r.MetadataURL != "" {
		a.fact("read", cmp.Or(whenP(r.Fetched), "not yet"))
		some("last failure", r.FetchError)
		a.fact("key rollover", r.KeyRollover)
	}
	a.fact("sign-on", address(r.SSOURL, r.SSOBinding))
	a.fact("single logout", address(r.SLOURL, r.SLOBinding))
	some("pending sign-on", r.PendingSSOURL)
	some("pending logout", r.PendingSLOURL)
	a.fact("requests signed", r.SignRequests)
	a.fact("wanted signed", r.WantSigned)
	a.fact("wanted encrypted", yes(r.WantEncrypted, "yes", "no"))
	a.fact("SHA-1 until", cmp.Or(whenP(r.AllowSHA1), "never"))
	a.fact("expired key", r.CertExpiry)
	a.fact("subject from", r.SubjectFrom)
	some("NameID format", r.NameIDFormat)
	for _, one := range []struct {
		key   string
		names []string
	}{{"user name", r.Attributes.UserName}, {"e-mail", r.Attributes.Email}, {"given name", r.Attributes.GivenName}, {"family name", r.Attributes.FamilyName}, {"display name", r.Attributes.DisplayName}, {"groups", r.Attributes.Groups}} {
		for _, name := range one.names {
			a.fact(one.key+" from", name)
		}
	}
	a.fact("IdP-initiated", r.IdPInitiated)
	if r.ForceAuthn {
		a.fact("every sign-in", "people prove themselves to the provider")
	}
	for _, class := range r.RequestedACR {
		a.fact("context wanted", class)
	}
	a.fact("our entity id", ours.EntityID)
	a.fact("our ACS URL", ours.ACS)
	a.fact("our SLO URL", ours.SLO)
}

func address(url string, binding idp.SAMLBinding) string {
	if url == "" {
		return ""
	}
	return fmt.Sprintf("%s (%s)", url, binding)
}

// showKeys prints both sides' keys.
func (a *app) showKeys(r samlRow) error {
	a.printf("")
	heading := []string{"KEY", "WHOSE", "STATE", "KIND", "LEFT", "EXPIRES"}
	line := func(whose string) func(certificateRow) []string {
		return func(k certificateRow) []string {
			return []string{shortPrint(k.SHA256), strings.TrimSpace(whose + " " + k.Use), k.State, k.Kind, k.left(), whenP(k.NotAfter)}
		}
	}
	type keyOf struct {
		certificateRow
		whose string
	}
	var all []keyOf
	for _, k := range r.Keys {
		all = append(all, keyOf{k, "provider's"})
	}
	for _, k := range r.SPKeys {
		all = append(all, keyOf{k, "our"})
	}
	return table(a, all, "no keys yet", heading, func(k keyOf) []string { return line(k.whose)(k.certificateRow) })
}

type connectionUpdateCmd struct {
	Connection string          `arg:"" help:"The connection."`
	Tenant     string          `required:"" help:"The tenant." placeholder:"ID"`
	Name       string          `help:"What the sign-in page calls it." placeholder:"TEXT"`
	Source     samlSourceFlags `embed:""`
	Remove     []string        `name:"remove-certificate" sep:"none" group:"saml" help:"SAML: a certificate of the provider's that counts no longer: 8 or more digits of its fingerprint." placeholder:"PRINT"`
	SAML       samlFlags       `embed:""`
	Probe      bool            `negatable:"" default:"true" help:"Read metadata that is at an address before saving."`
}

// Run changes settings. What the flags do not name stays.
func (cmd connectionUpdateCmd) Run(a *app) error {
	ofSAML := cmd.Source.given() || cmd.SAML.given() || len(cmd.Remove) > 0
	if cmd.Name == "" && !ofSAML {
		return misused("run: ssogate connection update --help", "nothing to change")
	}
	return a.withAnyConnection(cmd.Tenant, cmd.Connection, func(s *store.Store, c Config, _ idp.Realm, conn idp.Connection) error {
		if conn.Declared {
			return c.declaredElsewhere("connection", cmd.Connection)
		}
		if ofSAML && conn.Protocol != idp.SAML {
			return misused("leave them out: ssogate connection create makes a connection over SAML", "connection %s is over %s: settings of SAML are not for it", conn.ID, conn.Protocol)
		}
		warnings, err := cmd.change(a, c, &conn)
		if err != nil {
			return err
		}
		made, err := s.UpdateConnection(a.ctx, conn, actor)
		if errors.Is(err, store.ErrChanged) {
			return hinted("run the command again", "connection %s was changed by somebody else meanwhile", conn.ID)
		}
		if err != nil {
			return fmt.Errorf("change connection %s: %w", conn.ID, err)
		}
		if made.Protocol == idp.SAML {
			warnings = append(warnings, concerns(made.Provider, made.SAML, a.now())...)
		}
		if a.json() {
			return a.printJSON(shownSAML{connectionRowOf(made, a.now()), c.samlAddresses(made.ID), warnings})
		}
		a.printf("connection %s changed", made.ID)
		a.notes(warnings)
		return nil
	})
}

func (cmd connectionUpdateCmd) change(a *app, c Config, conn *idp.Connection) ([]string, error) {
	conn.Name = cmp.Or(cmd.Name, conn.Name)
	if conn.Protocol != idp.SAML {
		return nil, nil
	}
	s := &conn.SAML
	before := *s
	var warnings []string
	if cmd.Source.given() {
		var err error
		if warnings, err = cmd.Source.read(a, c, s, cmd.Probe); err != nil {
			return nil, err
		}
	}
	for _, prefix := range cmd.Remove {
		if err := removeKey(s, prefix); err != nil {
			return nil, err
		}
	}
	if err := cmd.SAML.apply(s, a.now()); err != nil {
		return nil, err
	}
	if err := settled(*s, c.Insecure()); err != nil {
		return nil, err
	}
	return append(warnings, renamed(before, *s)...), nil
}

// renamed tells what a change of how people are named brings.
func renamed(before, after idp.SAMLSettings) []string {
	switch {
	case before.IdP.EntityID != after.IdP.EntityID:
		return []string{"The provider has another entity id: everybody signs in anew and is recognised anew."}
	case before.SubjectFrom != after.SubjectFrom || before.NameIDFormat != after.NameIDFormat:
		return []string{
			"People are named by something else now: everybody signs in anew and is recognised anew.",
			"Whoever was switched off or deleted here is known by their user name alone from now on. Where the provider asserts none, remove them there too.",
		}
	}
	return nil
}

// removeKey takes one of the provider's keys away.
func removeKey(s *idp.SAMLSettings, prefix string) error {
	i, err := theKey(s.IdP.Keys, prefix)
	if err != nil {
		return err
	}
	s.IdP.Keys = slices.Delete(slices.Clone(s.IdP.Keys), i, i+1)
	return nil
}

// theKey finds the one key that a fingerprint's beginning names.
func theKey(keys []idp.SAMLKey, prefix string) (int, error) {
	found := -1
	for i, k := range keys {
		if !matches(k.SHA256, prefix) {
			continue
		}
		if found >= 0 {
			return 0, misused("give more digits", "%s begins several fingerprints", quote(prefix))
		}
		found = i
	}
	if found < 0 {
		return 0, misused("see: ssogate connection show, and give 8 digits or more", "no certificate has a fingerprint that begins with %s", quote(prefix))
	}
	return found, nil
}

// expiries says in sentences which certificates run out soon.
func expiries(s idp.SAMLSettings, now time.Time) []string {
	var out []string
	for _, e := range saml.Expiries(s, now) {
		if e.Warn >= 0 {
			out = append(out, expirySentence(e))
		}
	}
	return out
}

func expirySentence(e saml.Expiry) string {
	whose, step := "The provider's certificate", "get its next one: new metadata, or connection update --certificate FILE"
	if e.Ours {
		whose, step = "Our own "+e.Use+" certificate", "begin a rollover: ssogate saml keys begin"
	}
	when := "expires in " + count(e.Days, "day", "days")
	switch {
	case e.Days < 0:
		when = "has expired"
	case e.Days == 0:
		when = "expires within a day"
	}
	return fmt.Sprintf("%s %s %s: %s.", whose, shortPrint(e.SHA256), when, step)
}
