package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

type scimTokenCmd struct {
	Create scimTokenCreateCmd `cmd:"" help:"Make a token for an identity provider. It is shown once, with where to paste it."`
	List   scimTokenListCmd   `cmd:"" help:"List a tenant's tokens: when they were made and last used."`
	Revoke scimTokenRevokeCmd `cmd:"" help:"End a token; the next request with it is refused."`
}

// tokenRow is a token as commands print it: without the secret.
type tokenRow struct {
	ID       directory.TokenID `json:"id"`
	Label    string            `json:"label"`
	State    string            `json:"state"` // live, expired or revoked
	Created  *time.Time        `json:"created,omitempty"`
	LastUsed *time.Time        `json:"last_used,omitempty"`
	Expires  *time.Time        `json:"expires,omitempty"`
}

func (a *app) tokenRowOf(t directory.Token) tokenRow {
	r := tokenRow{ID: t.ID, Label: t.Label, State: "live", Created: stamp(t.Created), LastUsed: stamp(t.LastUsed), Expires: stamp(t.Expires)}
	switch {
	case !t.Revoked.IsZero():
		r.State = "revoked"
	case !t.Expires.IsZero() && !a.now().Before(t.Expires):
		r.State = "expired"
	}
	return r
}

type scimTokenCreateCmd struct {
	Tenant  string        `required:"" help:"The tenant." placeholder:"ID"`
	Label   string        `help:"What the token is for, such as okta." placeholder:"TEXT"`
	Expires time.Duration `help:"How long it is good for, such as 8760h. Default: until it is revoked. A provider stops provisioning when its token ends." placeholder:"TIME"`
}

// newToken is what making a token reports: the one time that its text is shown.
type newToken struct {
	tokenRow
	Token   string `json:"token"`
	BaseURL string `json:"base_url"`
}

// Run makes a token. Two may be live at once, so that a new one can take over before the old one ends.
func (cmd scimTokenCreateCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	if cmd.Expires < 0 {
		return misused("leave --expires out for a token that does not end", "--expires %s lies in the past", cmd.Expires)
	}
	var expires time.Time
	if cmd.Expires > 0 {
		expires = a.now().Add(cmd.Expires)
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if _, err := a.realm(s, c, t); err != nil {
			return err
		}
		text, made, err := s.CreateSCIMToken(a.ctx, t, cmd.Label, expires, actor)
		if errors.Is(err, directory.ErrTokens) {
			return hinted(fmt.Sprintf("see: ssogate scim token list --tenant %s, and revoke the one that is not used", t), "tenant %s has two live tokens already", t)
		}
		if err != nil {
			return fmt.Errorf("create token: %w", err)
		}
		out := newToken{a.tokenRowOf(made), text.Reveal(), c.scimURL()}
		if a.json() {
			return a.printJSON(out)
		}
		a.printf("token %s created, good %s. It is shown this once:\n\n  %s\n\n%s", out.ID, until(out.Expires), out.Token, provisioningGuide(out.BaseURL))
		a.printf("\nThen look who has arrived, and hand the directory over:\n  ssogate scim status --tenant %s\n  ssogate scim on --tenant %s", t, t)
		return nil
	})
}

func until(t *time.Time) string {
	if t == nil {
		return "until it is revoked"
	}
	return "until " + when(*t)
}

// scimURL is where identity providers send what they provision.
func (c Config) scimURL() string { return c.PublicURL.String() + "/scim/v2" }

type scimTokenListCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
}

// Run prints a tenant's tokens.
func (cmd scimTokenListCmd) Run(a *app) error {
	return a.withRealm(cmd.Tenant, func(s *store.Store, c Config, realm idp.Realm) error {
		t := realm.Tenant.ID
		all, err := s.SCIMTokens(a.ctx, t)
		if err != nil {
			return fmt.Errorf("list tokens: %w", err)
		}
		var rows []tokenRow
		for _, one := range all {
			rows = append(rows, a.tokenRowOf(one))
		}
		return table(a, rows, "no tokens yet: ssogate scim token create --tenant "+cmd.Tenant,
			[]string{"TOKEN", "LABEL", "STATE", "CREATED", "LAST USED", "UNTIL"},
			func(r tokenRow) []string {
				return []string{string(r.ID), r.Label, r.State, whenP(r.Created), whenP(r.LastUsed), whenP(r.Expires)}
			})
	})
}

type scimTokenRevokeCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	Token  string `arg:"" help:"The token, as scim token list shows it. Never the token's text."`
	Yes    bool   `help:"Do not ask."`
}

// Run ends a token.
func (cmd scimTokenRevokeCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	return a.withStore(func(s *store.Store, c Config) error {
		found, err := a.token(s, c, t, cmd.Token)
		if err != nil {
			return err
		}
		row := a.tokenRowOf(found)
		if row.State == "revoked" {
			return a.result(row, "token %s was revoked already", row.ID)
		}
		question := fmt.Sprintf("Revoke token %s (%s)? Its identity provider can no longer take anyone's access away.", row.ID, cellText(row.Label))
		if err := a.confirm(cmd.Yes, question); err != nil {
			return err
		}
		if err := s.RevokeSCIMToken(a.ctx, t, row.ID, actor); err != nil {
			return fmt.Errorf("revoke token %s: %w", row.ID, err)
		}
		row.State = "revoked"
		return a.result(row, "token %s revoked", row.ID)
	})
}

// token finds one of a tenant's tokens. What was typed is not repeated: it may be a token's text by mistake.
func (a *app) token(s *store.Store, c Config, t tenant.ID, id string) (directory.Token, error) {
	if _, err := a.realm(s, c, t); err != nil {
		return directory.Token{}, err
	}
	all, err := s.SCIMTokens(a.ctx, t)
	if err != nil {
		return directory.Token{}, fmt.Errorf("find token: %w", err)
	}
	for _, one := range all {
		if string(one.ID) == id {
			return one, nil
		}
	}
	return directory.Token{}, hinted("see: ssogate scim token list --tenant "+string(t), "tenant %s has no such token", t)
}
