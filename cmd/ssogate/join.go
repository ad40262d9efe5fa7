package main

import (
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

type connectionJoinCmd struct {
	Connection string `arg:"" help:"The connection."`
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	Rule       string `required:"" enum:"external_id,user_name,none" help:"external_id (and where that finds nobody, the user name), user_name or none." placeholder:"RULE"`
	Claim      string `help:"With external_id: the claim or attribute that carries what SCIM sends as externalId. Default: sub (Okta over OIDC), oid or objectidentifier (Entra)." placeholder:"CLAIM"`
}

// Run sets a connection's join rule. Links that exist stay: the rule is for sign-ins that know nobody yet.
func (cmd connectionJoinCmd) Run(a *app) error {
	if cmd.Claim != "" && cmd.Rule != string(idp.JoinExternalID) {
		return misused("leave --claim out", "--claim is for --rule external_id")
	}
	return a.withConnection(cmd.Tenant, cmd.Connection, func(s *store.Store, conn idp.Connection) error {
		rule := idp.Join(cmd.Rule)
		if err := s.SetJoin(a.ctx, conn.Tenant, conn.ID, rule, cmd.Claim, actor); err != nil {
			return fmt.Errorf("set join rule of connection %s: %w", conn.ID, err)
		}
		conn.Join, conn.JoinClaim = rule, cmd.Claim
		return a.result(connectionRowOf(conn, a.now()), "connection %s joins by %s", conn.ID, rule)
	})
}

type userUnlinkCmd struct {
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	User       string `arg:"" help:"User id, or the whole user name."`
	Connection string `required:"" help:"The connection." placeholder:"ID"`
}

// Run forgets a link. It is the remedy where somebody signs in as another person's account (person-linked).
func (cmd userUnlinkCmd) Run(a *app) error {
	over, err := connectionID(cmd.Connection)
	if err != nil {
		return err
	}
	return a.withUser(cmd.Tenant, cmd.User, func(s *store.Store, u directory.User) error {
		called := userRowOf(u).called()
		err := s.Unlink(a.ctx, u.Tenant, u.ID, over, actor)
		if errors.Is(err, directory.ErrNotFound) {
			return hinted(fmt.Sprintf("see: ssogate user show --tenant %s %s", u.Tenant, u.ID), "nobody signs in over %s as user %s", over, called)
		}
		if err != nil {
			return fmt.Errorf("unlink user %s: %w", u.ID, err)
		}
		n, err := s.Revoke(a.ctx, u.Tenant, session.Revocation{User: u.ID, Connection: over, Reason: "unlinked by an operator", Actor: actor})
		if err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		return a.result(ended{string(u.ID), "unlinked", n}, "user %s is no longer known over %s, %s ended", called, over, count(n, "session", "sessions"))
	})
}
