package main

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

type sessionCmd struct {
	List   sessionListCmd   `cmd:"" help:"List a tenant's sessions, newest first."`
	Revoke sessionRevokeCmd `cmd:"" help:"End one session, a person's, a connection's or all of a tenant."`
}

// sessionRow is a session as commands print it. Its id opens nothing: it is derived from the cookie's by a hash.
type sessionRow struct {
	ID         string           `json:"id"`
	User       directory.UserID `json:"user"`
	Connection idp.ConnectionID `json:"connection"`
	IP         string           `json:"ip,omitempty"`
	UserAgent  string           `json:"user_agent,omitempty"`
	Created    *time.Time       `json:"created,omitempty"`
	LastSeen   *time.Time       `json:"last_seen,omitempty"`
	Expires    *time.Time       `json:"expires,omitempty"`
	Revoked    string           `json:"revoked,omitempty"`
}

func sessionRowOf(s session.Session) sessionRow {
	r := sessionRow{
		ID: s.Hash.SID(), User: s.User, Connection: s.Connection, IP: s.IP, UserAgent: s.UserAgent,
		Created: stamp(s.Created), LastSeen: stamp(s.LastSeen), Expires: stamp(s.AbsoluteExpiry),
	}
	if !s.RevokedAt.IsZero() {
		r.Revoked = s.RevokedReason
		if r.Revoked == "" {
			r.Revoked = "revoked"
		}
	}
	return r
}

type sessionListCmd struct {
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	User       string `help:"Only this person's: user id, or the whole user name." placeholder:"USER"`
	Connection string `help:"Only those over this connection." placeholder:"ID"`
	Ended      bool   `help:"Also ended ones that are still stored."`
	Limit      int    `default:"100" help:"How many, 1 to 1000."`
}

// Run prints sessions.
func (cmd sessionListCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	if cmd.Limit < 1 || cmd.Limit > 1000 {
		return misused("choose 1 to 1000", "--limit %d is out of bounds", cmd.Limit)
	}
	return a.withStore(func(s *store.Store, c Config) error {
		q := session.Query{Limit: cmd.Limit, Ended: cmd.Ended}
		if q.User, q.Connection, err = a.selection(s, c, t, cmd.User, cmd.Connection); err != nil {
			return err
		}
		found, err := s.List(a.ctx, t, q)
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		var rows []sessionRow
		for _, one := range found {
			rows = append(rows, sessionRowOf(one))
		}
		return table(a, rows, "no sessions", []string{"SESSION", "USER", "CONNECTION", "FROM", "LAST SEEN", "UNTIL", "STATE"},
			func(r sessionRow) []string {
				return []string{r.ID, string(r.User), string(r.Connection), r.IP, whenP(r.LastSeen), whenP(r.Expires), yes(r.Revoked == "", "live", r.Revoked)}
			})
	})
}

// selection reads --user and --connection.
func (a *app) selection(s *store.Store, c Config, t tenant.ID, user, connection string) (directory.UserID, idp.ConnectionID, error) {
	realm, err := a.realm(s, c, t)
	if err != nil {
		return "", "", err
	}
	var u directory.User
	if user != "" {
		if u, err = a.user(s, c, t, user); err != nil {
			return "", "", err
		}
	}
	if connection == "" {
		return u.ID, "", nil
	}
	id, err := connectionID(connection)
	if err != nil {
		return "", "", err
	}
	if _, ok := realm.Connection(id); !ok {
		return "", "", hinted("see: ssogate connection list --tenant "+string(t), "tenant %s has no connection %s", t, id)
	}
	return u.ID, id, nil
}

type sessionRevokeCmd struct {
	Tenant     string `required:"" help:"The tenant." placeholder:"ID"`
	Session    string `arg:"" optional:"" xor:"which" help:"One session, as session list shows it."`
	User       string `xor:"which" help:"All of this person's: user id, or the whole user name." placeholder:"USER"`
	Connection string `xor:"which" help:"All over this connection." placeholder:"ID"`
	All        bool   `xor:"which" help:"All of the tenant."`
	Yes        bool   `help:"With --all or --connection: do not ask."`
}

// Run ends sessions. Without saying which, none: forgetting a flag must not sign out a company.
func (cmd sessionRevokeCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	if cmd.Session == "" && cmd.User == "" && cmd.Connection == "" && !cmd.All {
		return misused("name a session, or add --user, --connection or --all", "which sessions?")
	}
	return a.withStore(func(s *store.Store, c Config) error {
		r := session.Revocation{Reason: "revoked by an operator", Actor: actor}
		if r.User, r.Connection, err = a.selection(s, c, t, cmd.User, cmd.Connection); err != nil {
			return err
		}
		if cmd.Session != "" {
			if r.Hash, err = a.sessionHash(s, t, cmd.Session); err != nil {
				return err
			}
		}
		if cmd.All || cmd.Connection != "" {
			if err := a.confirm(cmd.Yes, fmt.Sprintf("Sign out everyone %s?", cmd.whom())); err != nil {
				return err
			}
		}
		n, err := s.Revoke(a.ctx, t, r)
		if err != nil {
			return fmt.Errorf("revoke sessions: %w", err)
		}
		id := cmd.Session + cmd.User + cmd.Connection
		if cmd.All {
			id = cmd.Tenant
		}
		return a.result(ended{id, "revoked", n}, "%s ended", count(n, "session", "sessions"))
	})
}

func (cmd sessionRevokeCmd) whom() string {
	if cmd.All {
		return "of tenant " + cmd.Tenant
	}
	return "who came over connection " + cmd.Connection
}

// sessionHash finds the session whose shown id this is.
func (a *app) sessionHash(s *store.Store, t tenant.ID, shown string) (*session.Hash, error) {
	if h, err := session.ParseHash(shown); err == nil {
		return &h, nil
	}
	if b, err := hex.DecodeString(shown); err != nil || len(b) != 16 {
		return nil, misused("see: ssogate session list --tenant "+string(t), "%s is not a session", quote(shown))
	}
	live, err := s.List(a.ctx, t, session.Query{Limit: 100_000})
	if err != nil {
		return nil, fmt.Errorf("find session: %w", err)
	}
	for _, one := range live {
		if one.Hash.SID() == strings.ToLower(shown) {
			return &one.Hash, nil
		}
	}
	return nil, hinted("see: ssogate session list --tenant "+string(t), "tenant %s has no live session %s", t, shown)
}
