package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const (
	// keepUnadopted is how long people whom SCIM did not take over stay listed.
	keepUnadopted = 30 * 24 * time.Hour
	// keepPending is how long a member is waited for.
	keepPending = 30 * 24 * time.Hour
)

// lockTenant keeps a tenant's row for the writer alone. ErrNotFound: no such tenant.
func (t *tx) lockTenant(ctx context.Context, id tenant.ID) error {
	n := 0
	err := t.scan(ctx, func(scan func(...any) error) error { n++; return scan(new(int64)) }, "SELECT epoch FROM tenants WHERE id = $1 FOR UPDATE", id)
	if err == nil && n == 0 {
		err = fmt.Errorf("tenant %.60q: %w", id, ErrNotFound)
	}
	return err
}

// SetSCIM makes SCIM the authority for groups and active, or no longer. On, claims map nothing and people whom SCIM has
// not made are refused at their next request. Off, the tenant's sessions end, so that claims count from a fresh sign-in;
// whoever was deactivated or deleted stays out. ErrDeclared: the configuration file says which.
func (s *Store) SetSCIM(ctx context.Context, t tenant.ID, on bool, actor string) error {
	return s.write(ctx, "switch scim", func(ctx context.Context, w *tx) error {
		if err := w.lockTenant(ctx, t); err != nil {
			return err
		}
		have, err := scanTenant(w.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE id = $1", t).Scan)
		if err != nil || have.SCIM == on {
			return err
		}
		if have.Declared {
			return fmt.Errorf("tenant %s is %w", t, ErrDeclared)
		}
		return w.switchSCIM(ctx, have, on, actor)
	})
}

func (t *tx) switchSCIM(ctx context.Context, have tenant.Tenant, on bool, actor string) error {
	since, epoch, reason := t.at, have.Epoch, "scim on"
	if !on {
		since, epoch, reason = time.Time{}, epoch+1, "scim off"
	}
	_, err := t.exec(ctx, "UPDATE tenants SET scim = $1, scim_since = $2, epoch = $3 WHERE id = $4", number(on), micros(since), epoch, have.ID)
	if err != nil {
		return err
	}
	t.changed(realmChanged, have.ID, "")
	t.changed(peopleChanged, have.ID, "")
	return t.record(ctx, audit.Event{Tenant: have.ID, Actor: actor, Action: audit.TenantChanged, Target: string(have.ID), Outcome: "ok", Reason: reason})
}

// SetStrictMembers chooses what becomes of unknown members: refused, or remembered and granted nothing.
func (s *Store) SetStrictMembers(ctx context.Context, t tenant.ID, strict bool, actor string) error {
	return s.write(ctx, "set strict members", func(ctx context.Context, w *tx) error {
		n, err := w.exec(ctx, "UPDATE tenants SET strict_members = $1 WHERE id = $2 AND strict_members <> $1", number(strict), t)
		if err != nil || n == 0 {
			return errors.Join(err, w.exists(ctx, t))
		}
		return w.record(ctx, audit.Event{Tenant: t, Actor: actor, Action: audit.TenantChanged, Target: string(t), Outcome: "ok", Reason: fmt.Sprintf("strict members %t", strict)})
	})
}

// SetJoin says how a connection's identities find provisioned people.
func (s *Store) SetJoin(ctx context.Context, t tenant.ID, c idp.ConnectionID, rule idp.Join, claim, actor string) error {
	switch rule {
	case idp.JoinExternalID, idp.JoinUserName, idp.JoinNone:
	default:
		return fmt.Errorf("join rule %.20q: want external_id, user_name or none", rule)
	}
	if !storable(claim) || len(claim) > 200 {
		return errors.New("join claim is not readable text of at most 200 bytes")
	}
	return s.write(ctx, "set join rule", func(ctx context.Context, w *tx) error {
		have, err := w.lockConnection(ctx, t, c)
		if err != nil || have.Join == rule && have.JoinClaim == claim {
			return err
		}
		if have.Declared {
			return fmt.Errorf("connection %s is %w", c, ErrDeclared)
		}
		// The claim is read at sign-in: an attempt begun under the old rule is refused by its version.
		_, err = w.exec(ctx, "UPDATE connections SET join_rule = $1, join_claim = $2, version = version + 1 WHERE tenant = $3 AND id = $4", rule, claim, t, c)
		if err != nil {
			return err
		}
		return w.connectionChanged(ctx, have, audit.ConnectionChanged, "join rule "+string(rule), actor)
	})
}

// Unlink forgets who signs in as a user over a connection; the next sign-in joins anew. ErrNotFound of the directory: there
// is no such user or link.
func (s *Store) Unlink(ctx context.Context, t tenant.ID, user directory.UserID, c idp.ConnectionID, actor string) error {
	return s.write(ctx, "unlink user", func(ctx context.Context, w *tx) error {
		u, seq, err := w.lockUser(ctx, t, user)
		if err != nil {
			return err
		}
		n, err := w.exec(ctx, "DELETE FROM links WHERE tenant = $1 AND user_seq = $2 AND connection = $3", t, seq, c)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("link of user %s over connection %.60q: %w", u.ID, c, directory.ErrNotFound)
		}
		return w.userChanged(ctx, u, audit.UserUnlinked, actor)
	})
}

// SCIMPerson is someone as their roles depend on the tenant's switch.
type SCIMPerson struct {
	User   directory.User
	Links  []directory.Link // what claims say while SCIM is off
	Groups []string         // what the directory says while SCIM is on
}

// SCIMPreview hands out, in the order they were made, everybody whom the tenant's switch may change: those who have
// signed in. People of source jit are refused while it is on.
func (s *Store) SCIMPreview(ctx context.Context, t tenant.ID, each func(SCIMPerson) error) error {
	const step = 200
	for last, n := int64(0), step; n == step; {
		var people []SCIMPerson
		err := s.snapshot(ctx, "preview scim", func(ctx context.Context, q querier) (err error) {
			people, last, err = previewSome(ctx, q, t, last, step)
			return err
		})
		if err != nil {
			return err
		}
		n = len(people)
		for _, p := range people {
			if err := each(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func previewSome(ctx context.Context, q querier, t tenant.ID, last int64, limit int) ([]SCIMPerson, int64, error) {
	var key tenant.GroupKey
	if err := q.QueryRowContext(ctx, "SELECT group_key FROM tenants WHERE id = $1", t).Scan(&key); err != nil {
		return nil, last, err
	}
	var people []SCIMPerson
	var seqs []int64
	err := q.scan(ctx, func(scan func(...any) error) error {
		u, seq, err := scanUser(scan)
		people, seqs = append(people, SCIMPerson{User: u}), append(seqs, seq)
		return err
	}, "SELECT "+userColumns+` FROM users WHERE tenant = $1 AND seq > $2 AND seq IN (SELECT user_seq FROM links WHERE tenant = $1)
		ORDER BY seq LIMIT $3`, t, last, limit)
	if err != nil {
		return nil, last, err
	}
	for i, seq := range seqs {
		if people[i].Links, err = readLinks(ctx, q, t, seq); err != nil {
			return nil, last, err
		}
		if people[i].Groups, err = readGroupsOf(ctx, q, t, seq, key); err != nil {
			return nil, last, err
		}
		last = seq
	}
	return people, last, nil
}

// Unadopted lists people whom a sign-in made and SCIM has not taken over, those who signed in last first.
func (s *Store) Unadopted(ctx context.Context, t tenant.ID, limit int) ([]directory.Unadopted, error) {
	var all []directory.Unadopted
	err := s.snapshot(ctx, "list unadopted people", func(ctx context.Context, q querier) error {
		var since int64
		if err := q.QueryRowContext(ctx, "SELECT scim_since FROM tenants WHERE id = $1", t).Scan(&since); err != nil {
			return err
		}
		var seqs []int64
		err := q.scan(ctx, func(scan func(...any) error) error {
			u, seq, err := scanUser(scan)
			one := directory.Unadopted{User: u}
			if since != 0 {
				one.Goes = instant(since).Add(keepUnadopted)
			}
			all, seqs = append(all, one), append(seqs, seq)
			return err
		}, "SELECT "+userColumns+" FROM users WHERE tenant = $1 AND source = 'jit' ORDER BY last_sign_in DESC, seq LIMIT $2", t, atLeastOne(limit))
		if err != nil {
			return err
		}
		for i, seq := range seqs {
			if all[i].Links, err = readLinks(ctx, q, t, seq); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

func atLeastOne(limit int) int {
	if limit <= 0 {
		return 100
	}
	return limit
}

// PendingMembers lists members who were asked for and are not there, the oldest first.
func (s *Store) PendingMembers(ctx context.Context, t tenant.ID, limit int) ([]directory.Pending, error) {
	var all []directory.Pending
	err := s.read(ctx, "list pending members", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var p directory.Pending
			var at int64
			err := scan(&p.Group, &p.GroupName, &p.Value, &p.Kind, &at)
			p.At = instant(at)
			all = append(all, p)
			return err
		}, `SELECT g.id, g.display_name, p.value, p.kind, p.at FROM pending_memberships p JOIN user_groups g ON g.tenant = p.tenant AND g.seq = p.group_seq
			WHERE p.tenant = $1 ORDER BY p.at, g.seq, p.value LIMIT $2`, t, atLeastOne(limit))
	})
	return all, err
}

// Tombstones lists deleted people who are kept out, the latest first.
func (s *Store) Tombstones(ctx context.Context, t tenant.ID, limit int) ([]directory.Tombstone, error) {
	var all []directory.Tombstone
	err := s.read(ctx, "list tombstones", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var x directory.Tombstone
			var at int64
			err := scan(&x.User, &x.Source, &x.UserName, &x.ExternalID, &at)
			x.At = instant(at)
			all = append(all, x)
			return err
		}, "SELECT id, source, user_name_ci, external_id, at FROM tombstones WHERE tenant = $1 ORDER BY at DESC, id LIMIT $2", t, atLeastOne(limit))
	})
	return all, err
}

// LostMappings lists a tenant's group mappings that no group of the directory meets.
func (s *Store) LostMappings(ctx context.Context, t tenant.ID) ([]idp.RoleMapping, error) {
	var lost []idp.RoleMapping
	err := s.snapshot(ctx, "list lost mappings", func(ctx context.Context, q querier) error {
		var key tenant.GroupKey
		if err := q.QueryRowContext(ctx, "SELECT group_key FROM tenants WHERE id = $1", t).Scan(&key); err != nil {
			return err
		}
		column := "display_name"
		if key == tenant.ByExternalID {
			column = "external_id"
		}
		have := map[string]bool{}
		err := q.scan(ctx, func(scan func(...any) error) error {
			var value string
			err := scan(&value)
			have[value] = true
			return err
		}, "SELECT DISTINCT m.value FROM role_mappings m JOIN user_groups g ON g.tenant = m.tenant AND g."+column+" = m.value WHERE m.tenant = $1 AND m.kind = 'group'", t)
		if err != nil {
			return err
		}
		all, err := readMappings(ctx, q, t)
		lost = slices.DeleteFunc(all, func(m idp.RoleMapping) bool { return m.Kind != idp.MapGroup || have[m.Value] })
		return err
	})
	return lost, err
}

// sweepDirectory removes what has waited long enough.
func (s *Store) sweepDirectory(ctx context.Context) error {
	now := s.now()
	for _, q := range []struct {
		statement string
		before    time.Time
	}{
		{"DELETE FROM pending_memberships WHERE (tenant, group_seq, value) IN (SELECT tenant, group_seq, value FROM pending_memberships WHERE at < $1 LIMIT 1000)", now.Add(-keepPending)},
		{"DELETE FROM scim_log WHERE id IN (SELECT id FROM scim_log WHERE at < $1 LIMIT 1000)", now.Add(-keepCallsFor)},
	} {
		if err := s.sweepOne(ctx, q.statement, micros(q.before)); err != nil {
			return err
		}
	}
	if err := s.trimCalls(ctx); err != nil {
		return err
	}
	if err := s.hearProviders(ctx, now); err != nil {
		return err
	}
	return s.sweepUnadopted(ctx, now.Add(-keepUnadopted))
}

// trimCalls keeps the newest calls of each tenant.
func (s *Store) trimCalls(ctx context.Context) error {
	tenants, err := s.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		for n := int64(1000); n == 1000; {
			err := s.write(ctx, "trim provisioning log", func(ctx context.Context, w *tx) (err error) {
				n, err = w.exec(ctx, "DELETE FROM scim_log WHERE id IN (SELECT id FROM scim_log WHERE tenant = $1 AND id <= (SELECT id FROM scim_log WHERE tenant = $1 ORDER BY id DESC LIMIT 1 OFFSET $2) LIMIT 1000)", t.ID, keepCalls)
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepUnadopted removes people whom SCIM has not taken over in a month. They leave no tombstone: nobody decided that
// they must stay out, and a sign-in refuses them as long as SCIM is on.
func (s *Store) sweepUnadopted(ctx context.Context, before time.Time) error {
	const step = 100
	for n := step; n == step; {
		err := s.write(ctx, "remove unadopted people", func(ctx context.Context, w *tx) error {
			var gone []directory.User
			err := w.scan(ctx, func(scan func(...any) error) error {
				u, _, err := scanUser(scan)
				gone = append(gone, u)
				return err
			}, "SELECT "+prefixed("u.", userColumns)+` FROM users u JOIN tenants t ON t.id = u.tenant
				WHERE t.scim = 1 AND t.scim_since < $1 AND u.source = 'jit' AND u.last_sign_in < $1 ORDER BY u.seq LIMIT $2`, micros(before), step)
			if err != nil {
				return err
			}
			for _, u := range gone {
				if err := w.forgetPerson(ctx, u); err != nil {
					return err
				}
			}
			n = len(gone)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetPerson removes someone whom a sign-in made, with their sessions and without a tombstone.
func (t *tx) forgetPerson(ctx context.Context, u directory.User) error {
	if _, err := t.endSessions(ctx, u.Tenant, " AND user_id = $4", []any{u.ID}, "not provisioned"); err != nil {
		return err
	}
	if _, err := t.exec(ctx, "DELETE FROM users WHERE tenant = $1 AND id = $2 AND source = 'jit'", u.Tenant, u.ID); err != nil {
		return err
	}
	return t.userChanged(ctx, u, audit.UserDeleted, "gate")
}
