package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

type personKey struct {
	tenant tenant.ID
	user   directory.UserID
}

// record is a user with all that any of their connections says about them; one entry serves them all, so that one
// change has one entry to forget.
type record struct {
	user   directory.User
	scim   bool // groups are the directory's, claims map nothing
	groups []string
	links  []directory.Link
	stamp  uint64
}

// Person implements directory.Reader.
func (s *Store) Person(ctx context.Context, t tenant.ID, id directory.UserID, c tenant.ConnectionID) (directory.Person, error) {
	if !storable(string(id)) {
		return directory.Person{}, directory.ErrNotFound
	}
	var r *record
	var err error
	if s.trusted() {
		r, err = s.people.get(ctx, personKey{t, id}, func(ctx context.Context) (*record, error) { return s.loadPerson(ctx, t, id) })
	} else {
		r, err = s.loadPerson(ctx, t, id)
	}
	if err != nil {
		return directory.Person{}, err
	}
	return r.seenOver(c), nil
}

func (r *record) seenOver(c tenant.ConnectionID) directory.Person {
	p := directory.Person{User: r.user, Groups: r.groups, Stamp: r.stamp}
	if r.scim {
		return p
	}
	for i := range r.links {
		if r.links[i].Connection == c {
			p.Groups, p.Claims = r.links[i].Groups, r.links[i].Claims
		}
	}
	return p
}

func (s *Store) loadPerson(ctx context.Context, t tenant.ID, id directory.UserID) (*record, error) {
	r := &record{}
	err := s.snapshot(ctx, "read person", func(ctx context.Context, q querier) (err error) {
		var seq int64
		r.user, seq, err = scanUser(q.QueryRowContext(ctx, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND id = $2", t, id).Scan)
		if err != nil {
			return err
		}
		r.user.Doc = nil // nobody asks the gate for it, and a hundred thousand of these lie in memory
		var key tenant.GroupKey
		if err := q.QueryRowContext(ctx, "SELECT scim, group_key FROM tenants WHERE id = $1", t).Scan(&r.scim, &key); err != nil {
			return err
		}
		if r.scim {
			r.groups, err = readGroupsOf(ctx, q, t, seq, key)
			return err
		}
		r.links, err = readLinks(ctx, q, t, seq)
		return err
	})
	r.stamp = s.stamps.Add(1)
	return r, err
}

// readGroupsOf names a person's groups by the tenant's key. A group without the key does not count.
func readGroupsOf(ctx context.Context, q querier, t tenant.ID, seq int64, key tenant.GroupKey) ([]string, error) {
	column := "display_name"
	if key == tenant.ByExternalID {
		column = "external_id"
	}
	var names []string
	err := q.scan(ctx, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	}, "SELECT g."+column+` FROM memberships m JOIN user_groups g ON g.tenant = m.tenant AND g.seq = m.group_seq
		WHERE m.tenant = $1 AND m.user_seq = $2 AND g.`+column+` <> '' ORDER BY g.seq`, t, seq)
	return names, err
}

func readLinks(ctx context.Context, q querier, t tenant.ID, seq int64) ([]directory.Link, error) {
	var links []directory.Link
	err := q.scan(ctx, func(scan func(...any) error) error {
		var l directory.Link
		var groups, claims string
		var seen int64
		if err := scan(&l.Connection, &l.Issuer, &l.Subject, &groups, &claims, &seen); err != nil {
			return err
		}
		l.Seen = instant(seen)
		if err := decode("groups", groups, &l.Groups); err != nil {
			return err
		}
		if err := decode("claims", claims, &l.Claims); err != nil {
			return err
		}
		links = append(links, l)
		return nil
	}, "SELECT connection, iss, sub, group_names, claims, seen FROM links WHERE tenant = $1 AND user_seq = $2 ORDER BY connection", t, seq)
	return links, err
}

// Links reads what a person signs in as, and what was asserted last.
func (s *Store) Links(ctx context.Context, t tenant.ID, id directory.UserID) ([]directory.Link, error) {
	if !storable(string(id)) {
		return nil, directory.ErrNotFound
	}
	var links []directory.Link
	err := s.snapshot(ctx, "read links", func(ctx context.Context, q querier) error {
		var seq int64
		err := q.QueryRowContext(ctx, "SELECT seq FROM users WHERE tenant = $1 AND id = $2", t, id).Scan(&seq)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("user %.60q: %w", id, directory.ErrNotFound)
		}
		if err != nil {
			return err
		}
		links, err = readLinks(ctx, q, t, seq)
		return err
	})
	return links, err
}
