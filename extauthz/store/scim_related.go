package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// readGroups fills in the groups of users.
func readGroups(ctx context.Context, q querier, t tenant.ID, rows []listed[directory.User]) error {
	at := map[int64]*directory.User{}
	for chunk := range slices.Chunk(rows, membersStatement) {
		args := []any{t}
		for i := range chunk {
			at[chunk[i].seq] = &chunk[i].value
			args = append(args, chunk[i].seq)
		}
		err := q.scan(ctx, func(scan func(...any) error) error {
			var seq int64
			var g directory.GroupRef
			if err := scan(&seq, &g.ID, &g.DisplayName); err != nil {
				return err
			}
			at[seq].Groups = append(at[seq].Groups, g)
			return nil
		}, `SELECT m.user_seq, g.id, g.display_name FROM memberships m JOIN user_groups g ON g.tenant = m.tenant AND g.seq = m.group_seq
			WHERE m.tenant = $1 AND m.user_seq IN `+placeholders(2, len(chunk))+" ORDER BY m.user_seq, m.group_seq", args...)
		if err != nil {
			return fmt.Errorf("read groups: %w", err)
		}
	}
	return nil
}

// readMembers fills in the members of groups.
func readMembers(ctx context.Context, q querier, t tenant.ID, rows []listed[directory.Group]) error {
	for i := range rows {
		g := &rows[i].value
		err := q.scan(ctx, func(scan func(...any) error) error {
			var id directory.UserID
			err := scan(&id)
			g.Members = append(g.Members, id)
			return err
		}, `SELECT u.id FROM memberships m JOIN users u ON u.tenant = m.tenant AND u.seq = m.user_seq
			WHERE m.tenant = $1 AND m.group_seq = $2 ORDER BY m.user_seq`, t, rows[i].seq)
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
	}
	return nil
}

// membersChunk is how many members are handed out at a time.
const membersChunk = 1000

// Members implements directory.Store. Each chunk is a read of its own: no connection is held while the caller writes to
// a slow client.
func (s *Store) Members(ctx context.Context, t tenant.ID, id directory.GroupID, each func([]directory.UserID) error) error {
	if !storable(string(id)) {
		return directory.ErrNotFound
	}
	var group int64
	err := s.read(ctx, "read members", func(ctx context.Context, q querier) (err error) {
		_, group, err = scanGroup(q.QueryRowContext(ctx, "SELECT "+groupColumns+" FROM user_groups WHERE tenant = $1 AND id = $2", t, id).Scan)
		return err
	})
	if err != nil {
		return err
	}
	ids := make([]directory.UserID, 0, membersChunk)
	for last := int64(-1); ; {
		ids = ids[:0]
		err := s.read(ctx, "read members", func(ctx context.Context, q querier) error {
			return q.scan(ctx, func(scan func(...any) error) error {
				var u directory.UserID
				err := scan(&last, &u)
				ids = append(ids, u)
				return err
			}, `SELECT m.user_seq, u.id FROM memberships m JOIN users u ON u.tenant = m.tenant AND u.seq = m.user_seq
				WHERE m.tenant = $1 AND m.group_seq = $2 AND m.user_seq > $3 ORDER BY m.user_seq LIMIT $4`, t, group, last, membersChunk)
		})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return nil
		}
		if err := each(ids); err != nil {
			return err
		}
		if len(ids) < membersChunk {
			return nil
		}
	}
}
