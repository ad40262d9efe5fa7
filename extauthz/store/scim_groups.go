package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const groupColumns = "seq, tenant, id, display_name, external_id, version, created, modified"

func scanGroup(scan func(...any) error) (g directory.Group, seq int64, err error) {
	var created, modified int64
	err = scan(&seq, &g.Tenant, &g.ID, &g.DisplayName, &g.ExternalID, &g.Version, &created, &modified)
	if errors.Is(err, sql.ErrNoRows) {
		return g, 0, directory.ErrNotFound
	}
	g.Created, g.Modified = instant(created), instant(modified)
	return g, seq, err
}

// Group implements directory.Tx.
func (d *directoryTx) Group(id directory.GroupID) (directory.Group, error) {
	g, _, err := d.lockGroup(id)
	return g, err
}

// lockGroup is the first lock of everything that changes a group or its members.
func (d *directoryTx) lockGroup(id directory.GroupID) (directory.Group, int64, error) {
	if !storable(string(id)) {
		return directory.Group{}, 0, fmt.Errorf("group: %w", directory.ErrNotFound)
	}
	q := "SELECT " + groupColumns + " FROM user_groups WHERE tenant = $1 AND id = $2 FOR UPDATE"
	g, seq, err := scanGroup(d.QueryRowContext(d.ctx, q, d.tenant, id).Scan)
	if err != nil {
		return directory.Group{}, 0, fmt.Errorf("group: %w", err)
	}
	return g, seq, nil
}

// PutGroup implements directory.Tx.
func (d *directoryTx) PutGroup(g directory.Group) (directory.Group, error) {
	if g.DisplayName == "" {
		return directory.Group{}, fmt.Errorf("group without a name: %w", directory.ErrInvalid)
	}
	if err := errors.Join(indexable("displayName", g.DisplayName), indexable("externalId", g.ExternalID)); err != nil {
		return directory.Group{}, err
	}
	g.Tenant, g.Members = d.tenant, nil
	if g.ID == "" {
		return d.createGroup(g)
	}
	have, seq, err := d.lockGroup(g.ID)
	if err != nil {
		return directory.Group{}, err
	}
	if have.DisplayName == g.DisplayName && have.ExternalID == g.ExternalID {
		return have, nil
	}
	g.Version, g.Created, g.Modified = have.Version+1, have.Created, truncated(d.at)
	_, err = d.exec(d.ctx, `UPDATE user_groups SET display_name = $1, display_ci = $2, external_id = $3, version = $4, modified = $5
		WHERE tenant = $6 AND seq = $7`, g.DisplayName, directory.Fold(g.DisplayName), g.ExternalID, g.Version, micros(g.Modified), d.tenant, seq)
	if err != nil {
		return directory.Group{}, groupError("write group", err)
	}
	d.everyone = true // its members' groups have another name now, and there may be a hundred thousand of them
	return g, d.renamed(have, g, seq)
}

func groupError(doing string, err error) error {
	if duplicate(err) {
		return fmt.Errorf("group name: %w", directory.ErrTaken)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// renamed tells the audit log and the operator which role mappings have lost their group.
func (d *directoryTx) renamed(have, g directory.Group, seq int64) error {
	var names []string
	if have.DisplayName != g.DisplayName {
		names = append(names, "displayName")
	}
	if have.ExternalID != g.ExternalID {
		names = append(names, "externalId")
	}
	var key tenant.GroupKey
	if err := d.QueryRowContext(d.ctx, "SELECT group_key FROM tenants WHERE id = $1", d.tenant).Scan(&key); err != nil {
		return fmt.Errorf("read group key: %w", err)
	}
	before, after := have.DisplayName, g.DisplayName
	if key == tenant.ByExternalID {
		before, after = have.ExternalID, g.ExternalID
	}
	lost, err := d.lostRoles(before, after)
	if err != nil {
		return err
	}
	reason := strings.Join(names, ", ")
	if len(lost) > 0 {
		var n int64
		if err := d.QueryRowContext(d.ctx, "SELECT COUNT(*) FROM memberships WHERE tenant = $1 AND group_seq = $2", d.tenant, seq).Scan(&n); err != nil {
			return fmt.Errorf("count members: %w", err)
		}
		reason += fmt.Sprintf("; the role mapping to %s no longer finds this group of %d", strings.Join(lost, ", "), n)
		d.s.o.Log.WarnContext(d.ctx, "group was renamed away from its role mapping", "tenant", d.tenant, "group", g.ID, "role", strings.Join(lost, ", "), "members", n)
	}
	d.event(audit.GroupChanged, string(g.ID), reason)
	return nil
}

// lostRoles are the roles that were mapped from a group's name of before.
func (d *directoryTx) lostRoles(before, after string) (roles []string, err error) {
	if before == after || before == "" {
		return nil, nil
	}
	err = d.scan(d.ctx, func(scan func(...any) error) error {
		var role string
		err := scan(&role)
		roles = append(roles, role)
		return err
	}, "SELECT DISTINCT role FROM role_mappings WHERE tenant = $1 AND kind = 'group' AND value = $2 ORDER BY role", d.tenant, before)
	if err != nil {
		return nil, fmt.Errorf("read role mappings: %w", err)
	}
	return roles, nil
}

func (d *directoryTx) createGroup(g directory.Group) (directory.Group, error) {
	now := truncated(d.at)
	g.ID, g.Version, g.Created, g.Modified = directory.NewGroupID(), 1, now, now
	_, err := d.exec(d.ctx, `INSERT INTO user_groups (tenant, id, display_name, display_ci, external_id, version, created, modified)
		VALUES ($1, $2, $3, $4, $5, 1, $6, $6)`, d.tenant, g.ID, g.DisplayName, directory.Fold(g.DisplayName), g.ExternalID, micros(now))
	if err != nil {
		return directory.Group{}, groupError("create group", err)
	}
	d.groups++
	d.event(audit.GroupCreated, string(g.ID), "")
	return g, nil
}

func (d *directoryTx) deleteGroup(id directory.GroupID) error {
	g, seq, err := d.lockGroup(id)
	if err != nil {
		return err
	}
	if err := d.touchMembers(seq); err != nil {
		return err
	}
	if _, err := d.exec(d.ctx, "DELETE FROM user_groups WHERE tenant = $1 AND seq = $2", d.tenant, seq); err != nil {
		return fmt.Errorf("delete group: %w", err)
	}
	d.groups--
	d.event(audit.GroupDeleted, string(g.ID), "")
	return nil
}

// touchMembers notes everybody in a group, or that they are many.
func (d *directoryTx) touchMembers(group int64) error {
	err := d.scan(d.ctx, func(scan func(...any) error) error {
		var id directory.UserID
		err := scan(&id)
		d.touch(id)
		return err
	}, "SELECT u.id FROM memberships m JOIN users u ON u.tenant = m.tenant AND u.seq = m.user_seq WHERE m.tenant = $1 AND m.group_seq = $2 LIMIT $3",
		d.tenant, group, manyPeople+1)
	if err != nil {
		return fmt.Errorf("read members: %w", err)
	}
	return nil
}
