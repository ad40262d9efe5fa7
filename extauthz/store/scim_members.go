package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const (
	membersStatement = 500    // ids of one statement
	maxPending       = 10_000 // of one group
	maxPendingValue  = 256
)

// Members implements directory.Tx. Only rows that differ are touched, so the cost is that of the change, not of the
// group; but for Clear with Add, which compares with all there is.
func (d *directoryTx) Members(id directory.GroupID, delta directory.Delta) (directory.Result, error) {
	_, seq, err := d.lockGroup(id)
	if err != nil {
		return directory.Result{}, err
	}
	m := &membership{directoryTx: d, group: seq}
	known, err := m.resolve(delta.Add)
	if err != nil {
		return directory.Result{}, err
	}
	if err := m.refuseUnknown(delta, known); err != nil {
		return directory.Result{}, err
	}
	switch {
	case delta.Clear && len(known.seqs) == 0:
		err = m.clear()
	case delta.Clear:
		err = m.replace(known)
	default:
		err = m.change(delta, known)
	}
	if err != nil {
		return directory.Result{}, fmt.Errorf("change members: %w", err)
	}
	if err := m.wait(known.missing, delta.Nested); err != nil {
		return directory.Result{}, fmt.Errorf("note pending members: %w", err)
	}
	return m.result, m.close(id)
}

// membership is one change of one group's members.
type membership struct {
	*directoryTx
	group          int64
	added, removed int64
	result         directory.Result
}

// resolved are ids that were looked up.
type resolved struct {
	seqs    []int64
	ids     map[int64]directory.UserID
	missing []directory.UserID
}

// resolve finds users by id and keeps them from being deleted until the end. Each counts once.
func (m *membership) resolve(ids []directory.UserID) (resolved, error) {
	out := resolved{ids: map[int64]directory.UserID{}}
	found := map[directory.UserID]bool{}
	for chunk := range slices.Chunk(ids, membersStatement) {
		args := []any{m.tenant}
		for _, id := range chunk {
			if storable(string(id)) {
				args = append(args, id)
			}
		}
		if len(args) == 1 {
			continue
		}
		err := m.scan(m.ctx, func(scan func(...any) error) error {
			var seq int64
			var id directory.UserID
			if err := scan(&seq, &id); err != nil {
				return err
			}
			if !found[id] {
				out.seqs = append(out.seqs, seq)
				out.ids[seq], found[id] = id, true
			}
			return nil
		}, "SELECT seq, id FROM users WHERE tenant = $1 AND source = 'scim' AND id IN "+placeholders(2, len(args)-1)+" ORDER BY seq FOR KEY SHARE", args...)
		if err != nil {
			return out, fmt.Errorf("find members: %w", err)
		}
	}
	for _, id := range ids {
		if !found[id] {
			out.missing, found[id] = append(out.missing, id), true
		}
	}
	return out, nil
}

// refuseUnknown is for tenants that would rather have an error than a member who waits.
func (m *membership) refuseUnknown(delta directory.Delta, known resolved) error {
	if len(known.missing) == 0 && len(delta.Nested) == 0 {
		return nil
	}
	var strict bool
	if err := m.QueryRowContext(m.ctx, "SELECT strict_members FROM tenants WHERE id = $1", m.tenant).Scan(&strict); err != nil {
		return fmt.Errorf("read tenant: %w", err)
	}
	if !strict {
		return nil
	}
	unknown := slices.Clone(known.missing)
	for _, id := range delta.Nested {
		unknown = append(unknown, directory.UserID(id))
	}
	return &directory.UnknownMembers{IDs: unknown}
}

// clear removes everybody, those who are waited for too.
func (m *membership) clear() error {
	if err := m.touchMembers(m.group); err != nil {
		return err
	}
	n, err := m.exec(m.ctx, "DELETE FROM memberships WHERE tenant = $1 AND group_seq = $2", m.tenant, m.group)
	m.removed += n
	if err != nil {
		return err
	}
	return m.forgetPending()
}

func (m *membership) forgetPending() error {
	_, err := m.exec(m.ctx, "DELETE FROM pending_memberships WHERE tenant = $1 AND group_seq = $2", m.tenant, m.group)
	return err
}

// replace makes the members exactly those known.
func (m *membership) replace(want resolved) error {
	have := map[int64]bool{}
	var gone []int64
	err := m.scan(m.ctx, func(scan func(...any) error) error {
		var seq int64
		err := scan(&seq)
		have[seq] = true
		if _, stays := want.ids[seq]; !stays {
			gone = append(gone, seq)
		}
		return err
	}, "SELECT user_seq FROM memberships WHERE tenant = $1 AND group_seq = $2", m.tenant, m.group)
	if err != nil {
		return err
	}
	added := resolved{ids: want.ids}
	for _, seq := range want.seqs {
		if !have[seq] {
			added.seqs = append(added.seqs, seq)
		}
	}
	if err := m.remove(gone, nil); err != nil {
		return err
	}
	if err := m.add(added); err != nil {
		return err
	}
	return m.forgetPending()
}

// change removes and adds. Who is in both ends as a member, and so is not removed at all.
func (m *membership) change(delta directory.Delta, add resolved) error {
	adding := map[directory.UserID]bool{}
	for _, id := range delta.Add {
		adding[id] = true
	}
	var out []directory.UserID
	for _, id := range delta.Remove {
		if !adding[id] {
			out = append(out, id)
		}
	}
	gone, err := m.resolve(out)
	if err != nil {
		return err
	}
	if err := m.remove(gone.seqs, gone.ids); err != nil {
		return err
	}
	if err := m.unwait(gone.missing); err != nil {
		return err
	}
	return m.add(add)
}

// remove deletes memberships by the users' row numbers. ids may be nil: then those who went are looked up, or it is said
// that they are many.
func (m *membership) remove(seqs []int64, ids map[int64]directory.UserID) error {
	if ids == nil {
		m.everyone = m.everyone || len(seqs) > manyPeople
	}
	for chunk := range slices.Chunk(seqs, membersStatement) {
		args := []any{m.tenant, m.group}
		for _, seq := range chunk {
			args = append(args, seq)
		}
		if ids == nil && !m.everyone {
			if err := m.touchSeqs(chunk); err != nil {
				return err
			}
		}
		err := m.scan(m.ctx, func(scan func(...any) error) error {
			var seq int64
			err := scan(&seq)
			m.removed++
			if ids != nil {
				m.touch(ids[seq])
			}
			return err
		}, "DELETE FROM memberships WHERE tenant = $1 AND group_seq = $2 AND user_seq IN "+placeholders(3, len(chunk))+" RETURNING user_seq", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *membership) touchSeqs(seqs []int64) error {
	args := []any{m.tenant}
	for _, seq := range seqs {
		args = append(args, seq)
	}
	return m.scan(m.ctx, func(scan func(...any) error) error {
		var id directory.UserID
		err := scan(&id)
		m.touch(id)
		return err
	}, "SELECT id FROM users WHERE tenant = $1 AND seq IN "+placeholders(2, len(seqs)), args...)
}

func (m *membership) add(who resolved) error {
	for chunk := range slices.Chunk(who.seqs, membersStatement) {
		var values strings.Builder
		args := []any{m.tenant, m.group}
		for i, seq := range chunk {
			if i > 0 {
				values.WriteString(", ")
			}
			fmt.Fprintf(&values, "($1, $2, $%d)", i+3)
			args = append(args, seq)
		}
		err := m.scan(m.ctx, func(scan func(...any) error) error {
			var seq int64
			err := scan(&seq)
			m.added++
			m.touch(who.ids[seq])
			return err
		}, "INSERT INTO memberships (tenant, group_seq, user_seq) VALUES "+values.String()+" ON CONFLICT DO NOTHING RETURNING user_seq", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// unwait forgets members who were waited for.
func (m *membership) unwait(ids []directory.UserID) error {
	for chunk := range slices.Chunk(ids, membersStatement) {
		args := []any{m.tenant, m.group}
		for _, id := range chunk {
			if storable(string(id)) {
				args = append(args, id)
			}
		}
		if len(args) == 2 {
			continue
		}
		_, err := m.exec(m.ctx, "DELETE FROM pending_memberships WHERE tenant = $1 AND group_seq = $2 AND value IN "+placeholders(3, len(args)-2), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// wait remembers members who are not there. They grant nothing; whoever is made under exactly such an id becomes a
// member then.
func (m *membership) wait(missing []directory.UserID, nested []string) error {
	if len(missing) == 0 && len(nested) == 0 {
		return nil
	}
	var room int64
	if err := m.QueryRowContext(m.ctx, "SELECT COUNT(*) FROM pending_memberships WHERE tenant = $1 AND group_seq = $2", m.tenant, m.group).Scan(&room); err != nil {
		return err
	}
	room = maxPending - room
	groups, err := m.areGroups(missing)
	if err != nil {
		return err
	}
	m.result.Pending = missing
	for _, id := range missing {
		kind := directory.PendingUser
		if groups[string(id)] {
			kind = directory.PendingGroup
		}
		if err := m.waitFor(string(id), kind, &room); err != nil {
			return err
		}
	}
	for _, id := range nested {
		m.result.Pending = append(m.result.Pending, directory.UserID(id))
		if err := m.waitFor(id, directory.PendingGroup, &room); err != nil {
			return err
		}
	}
	return nil
}

func (m *membership) waitFor(value string, kind directory.PendingKind, room *int64) error {
	if *room <= 0 || value == "" || len(value) > maxPendingValue || !storable(value) {
		m.result.Dropped++
		return nil
	}
	n, err := m.exec(m.ctx, `INSERT INTO pending_memberships (tenant, group_seq, value, kind, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (tenant, group_seq, value) DO UPDATE SET at = excluded.at`, m.tenant, m.group, value, kind, micros(m.at))
	*room -= n
	return err
}

// areGroups tells which ids are groups of the tenant: a group in a group.
func (m *membership) areGroups(ids []directory.UserID) (map[string]bool, error) {
	groups := map[string]bool{}
	for chunk := range slices.Chunk(ids, membersStatement) {
		args := []any{m.tenant}
		for _, id := range chunk {
			if storable(string(id)) {
				args = append(args, id)
			}
		}
		if len(args) == 1 {
			continue
		}
		err := m.scan(m.ctx, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			groups[id] = true
			return err
		}, "SELECT id FROM user_groups WHERE tenant = $1 AND id IN "+placeholders(2, len(args)-1), args...)
		if err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// close raises the group's version when its members changed, and notes what happened.
func (m *membership) close(id directory.GroupID) error {
	m.result.Changed = m.added+m.removed > 0
	if m.result.Changed {
		_, err := m.exec(m.ctx, "UPDATE user_groups SET version = version + 1, modified = $1 WHERE tenant = $2 AND seq = $3", micros(m.at), m.tenant, m.group)
		if err != nil {
			return fmt.Errorf("write group: %w", err)
		}
	}
	if m.result.Changed || len(m.result.Pending) > 0 {
		reason := fmt.Sprintf("%d added, %d removed", m.added, m.removed)
		if n := len(m.result.Pending); n > 0 {
			reason += fmt.Sprintf(", %d unknown and pending", n)
		}
		m.event(audit.MembersChanged, string(id), reason)
	}
	return nil
}
