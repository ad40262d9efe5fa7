package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

type userCmd struct {
	List       userListCmd       `cmd:"" help:"List a tenant's people."`
	Show       userShowCmd       `cmd:"" help:"All that is known about one person."`
	Deactivate userDeactivateCmd `cmd:"" help:"Shut a person out; their sessions end at once."`
	Activate   userActivateCmd   `cmd:"" help:"Let a deactivated person back in."`
	Unlink     userUnlinkCmd     `cmd:"" help:"Forget who signs in as a person over a connection; the next sign-in joins anew."`
	Delete     userDeleteCmd     `cmd:"" help:"Remove a person. They stay out: a sign-in does not make them anew."`
}

// userRow is a person as commands print them.
type userRow struct {
	ID          directory.UserID `json:"id"`
	UserName    string           `json:"user_name"`
	DisplayName string           `json:"display_name,omitempty"`
	Email       string           `json:"email,omitempty"`
	Active      bool             `json:"active"`
	Source      directory.Source `json:"source"`
	Created     *time.Time       `json:"created,omitempty"`
	LastSignIn  *time.Time       `json:"last_sign_in,omitempty"`
}

func userRowOf(u directory.User) userRow {
	return userRow{
		ID: u.ID, UserName: u.UserName, DisplayName: u.DisplayName, Email: u.Email(), Active: u.Active,
		Source: u.Source, Created: stamp(u.Created), LastSignIn: stamp(u.LastSignIn),
	}
}

// called is what messages call a person.
func (u userRow) called() string { return fmt.Sprintf("%s (%s)", u.UserName, u.ID) }

type userListCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	Match  string `help:"Only people whose user name contains this." placeholder:"TEXT"`
	After  string `help:"Begin after this user id: the last one of the page before." placeholder:"ID"`
	Limit  int    `default:"100" help:"How many, 1 to 1000."`
}

// Run prints people, in the order they were made.
func (cmd userListCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	if cmd.Limit < 1 || cmd.Limit > 1000 {
		return misused("choose 1 to 1000", "--limit %d is out of bounds", cmd.Limit)
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if _, err := a.realm(s, c, t); err != nil {
			return err
		}
		users, err := s.ListUsers(a.ctx, t, store.UserQuery{Match: cmd.Match, After: directory.UserID(cmd.After), Limit: cmd.Limit})
		if err != nil {
			return fmt.Errorf("list users: %w", err)
		}
		var rows []userRow
		for _, u := range users {
			rows = append(rows, userRowOf(u))
		}
		err = table(a, rows, "no people here; without provisioning they appear when they first sign in",
			[]string{"USER", "NAME", "STATE", "SOURCE", "LAST SIGN-IN"},
			func(u userRow) []string {
				return []string{string(u.ID), u.UserName, yes(u.Active, "active", "deactivated"), string(u.Source), whenP(u.LastSignIn)}
			})
		if err == nil && len(rows) == cmd.Limit && !a.json() {
			a.printf("more: ssogate user list --tenant %s --after %s", t, rows[len(rows)-1].ID)
		}
		return err
	})
}

// userDetail is userRow with how the person signs in.
type userDetail struct {
	userRow
	ExternalID string       `json:"external_id,omitempty"`
	Links      []linkRow    `json:"sign_ins"`
	Sessions   []sessionRow `json:"sessions"`
}

type linkRow struct {
	Connection idp.ConnectionID `json:"connection"`
	Issuer     string           `json:"issuer"`
	Subject    string           `json:"subject"`
	Groups     []string         `json:"groups"`
	Seen       *time.Time       `json:"seen,omitempty"`
}

type userShowCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	User   string `arg:"" help:"User id, or the whole user name."`
}

// Run prints one person.
func (cmd userShowCmd) Run(a *app) error {
	return a.withUser(cmd.Tenant, cmd.User, func(s *store.Store, u directory.User) error {
		d := userDetail{userRow: userRowOf(u), ExternalID: u.ExternalID, Links: []linkRow{}, Sessions: []sessionRow{}}
		links, err := s.Links(a.ctx, u.Tenant, u.ID)
		if err != nil {
			return fmt.Errorf("read sign-ins: %w", err)
		}
		for _, l := range links {
			groups := l.Groups
			if groups == nil {
				groups = []string{}
			}
			d.Links = append(d.Links, linkRow{Connection: l.Connection, Issuer: l.Issuer, Subject: l.Subject, Groups: groups, Seen: stamp(l.Seen)})
		}
		live, err := s.List(a.ctx, u.Tenant, session.Query{User: u.ID})
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		for _, l := range live {
			d.Sessions = append(d.Sessions, sessionRowOf(l))
		}
		if a.json() {
			return a.printJSON(d)
		}
		a.showUser(d)
		return nil
	})
}

func (a *app) showUser(d userDetail) {
	line := func(key, value string) { a.printf("%-13s %s", key, cellText(value)) }
	line("user", string(d.ID))
	line("name", d.UserName)
	line("called", d.DisplayName)
	line("email", d.Email)
	line("state", yes(d.Active, "active", "deactivated"))
	line("source", string(d.Source))
	line("created", whenP(d.Created))
	line("last sign-in", whenP(d.LastSignIn))
	for _, l := range d.Links {
		line("signs in", fmt.Sprintf("over %s as %s at %s", l.Connection, l.Subject, l.Issuer))
		for _, g := range l.Groups {
			line("  group", g)
		}
	}
	line("sessions", fmt.Sprint(len(d.Sessions)))
}

type userDeactivateCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	User   string `arg:"" help:"User id, or the whole user name."`
}

// ended is what a command that ends access reports.
type ended struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Ended int    `json:"sessions_ended"`
}

// Run shuts a person out.
func (cmd userDeactivateCmd) Run(a *app) error {
	return a.withUser(cmd.Tenant, cmd.User, func(s *store.Store, u directory.User) error {
		called := userRowOf(u).called()
		if !u.Active {
			return a.result(ended{string(u.ID), "deactivated", 0}, "user %s was deactivated already", called)
		}
		n, err := a.liveSessions(s, u.Tenant, session.Query{User: u.ID})
		if err != nil {
			return err
		}
		if _, err := s.SetActive(a.ctx, u.Tenant, u.ID, false, actor); err != nil {
			return fmt.Errorf("deactivate user %s: %w", u.ID, err)
		}
		return a.result(ended{string(u.ID), "deactivated", n}, "user %s deactivated, %s ended", called, count(n, "session", "sessions"))
	})
}

type userActivateCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	User   string `arg:"" help:"User id, or the whole user name."`
}

// Run lets a person back in.
func (cmd userActivateCmd) Run(a *app) error {
	return a.withUser(cmd.Tenant, cmd.User, func(s *store.Store, u directory.User) error {
		if _, err := s.SetActive(a.ctx, u.Tenant, u.ID, true, actor); err != nil {
			return fmt.Errorf("activate user %s: %w", u.ID, err)
		}
		return a.result(ended{ID: string(u.ID), State: "active"}, "user %s active; they sign in anew", userRowOf(u).called())
	})
}

type userDeleteCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	User   string `arg:"" help:"User id, or the whole user name."`
	Yes    bool   `help:"Do not ask."`
}

// Run removes a person.
func (cmd userDeleteCmd) Run(a *app) error {
	return a.withUser(cmd.Tenant, cmd.User, func(s *store.Store, u directory.User) error {
		called := userRowOf(u).called()
		if err := a.confirm(cmd.Yes, fmt.Sprintf("Delete user %s? They stay out for good.", called)); err != nil {
			return err
		}
		n, err := a.liveSessions(s, u.Tenant, session.Query{User: u.ID})
		if err != nil {
			return err
		}
		if err := s.DeleteUser(a.ctx, u.Tenant, u.ID, actor); err != nil {
			return fmt.Errorf("delete user %s: %w", u.ID, err)
		}
		return a.result(ended{string(u.ID), "deleted", n}, "user %s deleted, %s ended", called, count(n, "session", "sessions"))
	})
}

// withUser opens the store and finds a person.
func (a *app) withUser(tenantName, name string, work func(*store.Store, directory.User) error) error {
	t, err := tenantID(tenantName)
	if err != nil {
		return err
	}
	return a.withStore(func(s *store.Store, c Config) error {
		u, err := a.user(s, c, t, name)
		if err != nil {
			return err
		}
		return work(s, u)
	})
}

// user finds a person by id, or by the whole user name where one person has it.
func (a *app) user(s *store.Store, c Config, t tenant.ID, name string) (directory.User, error) {
	u, err := s.User(a.ctx, t, directory.UserID(name))
	if err == nil || !errors.Is(err, directory.ErrNotFound) && !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	if _, err := a.realm(s, c, t); err != nil {
		return u, err
	}
	all, err := s.ListUsers(a.ctx, t, store.UserQuery{Match: name, Limit: 1000})
	if err != nil {
		return u, fmt.Errorf("find user %s: %w", quote(name), err)
	}
	called := slices.DeleteFunc(all, func(u directory.User) bool { return u.UserName != name })
	see := fmt.Sprintf("see: ssogate user list --tenant %s --match %s", t, quote(name))
	switch len(called) {
	case 0:
		return u, hinted("see: ssogate user list --tenant "+string(t), "tenant %s has no user %s", t, quote(name))
	case 1:
		return called[0], nil
	default:
		return u, hinted(see+", and give the id", "%d people of tenant %s are called %s", len(called), t, quote(name))
	}
}

// liveSessions counts the sessions that a change is about to end.
func (a *app) liveSessions(s *store.Store, t tenant.ID, q session.Query) (int, error) {
	q.Limit = 100_000
	live, err := s.List(a.ctx, t, q)
	if err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return len(live), nil
}

func whenP(t *time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t)
}
