package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const userColumns = "seq, tenant, id, source, user_name, external_id, active, epoch, version, created, modified, last_sign_in, doc"

// document is the part of a user that is stored as JSON, in the names of RFC 7643 §4.1.
type document struct {
	DisplayName string            `json:"displayName,omitempty"`
	Emails      []directory.Email `json:"emails,omitempty"`
}

func readDocument(text string) (document, error) {
	var doc document
	return doc, decode("user document", text, &doc)
}

// scanUser also returns the row number, which only joins rows inside the database.
func scanUser(scan func(...any) error) (u directory.User, seq int64, err error) {
	var active sql.NullBool // null in SCIM is inactive
	var created, modified, signedIn int64
	var text string
	err = scan(&seq, &u.Tenant, &u.ID, &u.Source, &u.UserName, &u.ExternalID, &active, &u.Epoch, &u.Version, &created, &modified, &signedIn, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return u, 0, directory.ErrNotFound
	}
	if err != nil {
		return u, 0, err
	}
	u.Active = active.Valid && active.Bool
	u.Created, u.Modified, u.LastSignIn = instant(created), instant(modified), instant(signedIn)
	doc, err := readDocument(text)
	if err != nil {
		return u, 0, fmt.Errorf("user %s: %w", u.ID, err)
	}
	u.ActiveUnset = !active.Valid
	u.DisplayName, u.Emails, u.Doc = doc.DisplayName, doc.Emails, json.RawMessage(text)
	return u, seq, nil
}

// User reads one user. ErrNotFound of the directory: the tenant has no such user.
func (s *Store) User(ctx context.Context, t tenant.ID, id directory.UserID) (u directory.User, err error) {
	if !storable(string(id)) {
		return u, directory.ErrNotFound
	}
	err = s.read(ctx, "read user", func(ctx context.Context, q querier) error {
		u, _, err = scanUser(q.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND id = $2", t, id).Scan)
		return err
	})
	return u, err
}

// UserQuery selects users to list, in the order they were made.
type UserQuery struct {
	Match string           // part of the user name in any case, or a whole id; empty: all
	After directory.UserID // the last user of the page before
	Limit int              // 0: 100
}

// ListUsers lists users of either source for people to look at.
func (s *Store) ListUsers(ctx context.Context, t tenant.ID, want UserQuery) ([]directory.User, error) {
	if !storable(want.Match) || !storable(string(want.After)) {
		return nil, nil
	}
	if want.Limit <= 0 {
		want.Limit = 100
	}
	var all []directory.User
	err := s.read(ctx, "list users", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			u, _, err := scanUser(scan)
			all = append(all, u)
			return err
		}, "SELECT "+userColumns+` FROM users
			WHERE tenant = $1 AND (strpos(user_name_ci, $2) > 0 OR id = $3)
			AND seq > COALESCE((SELECT seq FROM users WHERE tenant = $1 AND id = $4), 0)
			ORDER BY seq LIMIT $5`, t, directory.Fold(want.Match), want.Match, want.After, want.Limit)
	})
	return all, err
}

// ListGroups lists the tenant's groups by name.
func (s *Store) ListGroups(ctx context.Context, t tenant.ID) ([]directory.Group, error) {
	var all []directory.Group
	err := s.read(ctx, "list groups", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var g directory.Group
			var created, modified int64
			err := scan(&g.ID, &g.Tenant, &g.DisplayName, &g.ExternalID, &g.Version, &created, &modified)
			g.Created, g.Modified = instant(created), instant(modified)
			all = append(all, g)
			return err
		}, `SELECT id, tenant, display_name, external_id, version, created, modified FROM user_groups
			WHERE tenant = $1 ORDER BY display_ci`, t)
	})
	return all, err
}

// lockUser reads a user's row and keeps it until the transaction ends.
func (t *tx) lockUser(ctx context.Context, id tenant.ID, user directory.UserID) (directory.User, int64, error) {
	if !storable(string(user)) {
		return directory.User{}, 0, directory.ErrNotFound
	}
	q := "SELECT " + userColumns + " FROM users WHERE tenant = $1 AND id = $2 FOR UPDATE"
	return scanUser(t.QueryRowContext(ctx, q, id, user).Scan)
}

// SetActive lets a person in, or keeps them out and ends their sessions for good: letting them in again revives none.
func (s *Store) SetActive(ctx context.Context, id tenant.ID, user directory.UserID, active bool, actor string) (directory.User, error) {
	var u directory.User
	err := s.write(ctx, "switch user", func(ctx context.Context, t *tx) (err error) {
		u, _, err = t.lockUser(ctx, id, user)
		if err != nil || u.Active == active {
			return err
		}
		u.ActiveUnset = false
		u.Active, u.Version, u.Modified = active, u.Version+1, truncated(t.at)
		what := audit.UserActivated
		if !active {
			u.Epoch++
			what = audit.UserDeactivated
		}
		_, err = t.exec(ctx, "UPDATE users SET active = $1, epoch = $2, version = $3, modified = $4 WHERE tenant = $5 AND id = $6",
			number(active), u.Epoch, u.Version, micros(u.Modified), id, user)
		if err != nil {
			return err
		}
		return t.userChanged(ctx, u, what, actor)
	})
	return u, err
}

func (t *tx) userChanged(ctx context.Context, u directory.User, what audit.Action, actor string) error {
	t.changed(userChanged, u.Tenant, string(u.ID))
	return t.record(ctx, audit.Event{Tenant: u.Tenant, Actor: actor, Action: what, Target: string(u.ID), Outcome: "ok"})
}

// DeleteUser removes a person and leaves a tombstone: no sign-in brings them back.
func (s *Store) DeleteUser(ctx context.Context, id tenant.ID, user directory.UserID, actor string) error {
	return s.write(ctx, "delete user", func(ctx context.Context, t *tx) error {
		if err := t.lockGroupsOf(ctx, id, user); err != nil {
			return err
		}
		u, seq, err := t.lockUser(ctx, id, user)
		if err != nil {
			return err
		}
		if err := t.removeUser(ctx, u, seq); err != nil {
			return err
		}
		if err := t.userChanged(ctx, u, audit.UserDeleted, actor); err != nil || u.Source != directory.SCIM {
			return err
		}
		return t.count(ctx, id, -1, 0)
	})
}

// lockGroupsOf locks the groups of a user who is about to go.
func (t *tx) lockGroupsOf(ctx context.Context, id tenant.ID, user directory.UserID) error {
	if !storable(string(user)) {
		return directory.ErrNotFound
	}
	return t.scan(ctx, func(scan func(...any) error) error {
		var seq int64
		return scan(&seq)
	}, `SELECT seq FROM user_groups WHERE tenant = $1 AND seq IN (SELECT m.group_seq FROM memberships m JOIN users u
		ON u.tenant = m.tenant AND u.seq = m.user_seq WHERE m.tenant = $1 AND u.id = $2) ORDER BY seq FOR UPDATE`, id, user)
}

// removeUser deletes a user, whose row and groups are locked, with all that hangs on them, and leaves the tombstone.
func (t *tx) removeUser(ctx context.Context, u directory.User, seq int64) error {
	if err := t.bury(ctx, u, seq); err != nil {
		return err
	}
	if _, err := t.endSessions(ctx, u.Tenant, " AND user_id = $4", []any{u.ID}, "user deleted"); err != nil {
		return err
	}
	// A group that loses a member is another version of itself.
	_, err := t.exec(ctx, `UPDATE user_groups SET version = version + 1, modified = $1 WHERE tenant = $2
		AND seq IN (SELECT group_seq FROM memberships WHERE tenant = $2 AND user_seq = $3)`, micros(t.at), u.Tenant, seq)
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if _, err := t.exec(ctx, "DELETE FROM users WHERE tenant = $1 AND seq = $2", u.Tenant, seq); err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

// bury writes the tombstone with everything a later sign-in could be known by.
func (t *tx) bury(ctx context.Context, u directory.User, seq int64) error {
	_, err := t.exec(ctx, "INSERT INTO tombstones (tenant, id, source, user_name_ci, external_id, at) VALUES ($1, $2, $3, $4, $5, $6)",
		u.Tenant, u.ID, u.Source, directory.Fold(u.UserName), u.ExternalID, micros(t.at))
	if err != nil {
		return fmt.Errorf("write tombstone: %w", err)
	}
	_, err = t.exec(ctx, `INSERT INTO tombstone_links (tenant, connection, iss, sub, join_value, id)
		SELECT tenant, connection, iss, sub, join_value, $3 FROM links WHERE tenant = $1 AND user_seq = $2`, u.Tenant, seq, u.ID)
	if err != nil {
		return fmt.Errorf("write tombstone: %w", err)
	}
	return nil
}

// LiftTombstone lets a deleted person sign in again, as a new user. ErrNotFound: no such tombstone.
func (s *Store) LiftTombstone(ctx context.Context, id tenant.ID, user directory.UserID, actor string) error {
	if !storable(string(user)) {
		return ErrNotFound
	}
	return s.write(ctx, "lift tombstone", func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "DELETE FROM tombstones WHERE tenant = $1 AND id = $2", id, user)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("tombstone %.60q: %w", user, ErrNotFound)
		}
		return t.record(ctx, audit.Event{Tenant: id, Actor: actor, Action: audit.TombstoneLifted, Target: string(user), Outcome: "ok"})
	})
}
