package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// sqliteLog follows the changes that other processes make to a SQLite file.
type sqliteLog struct {
	s          *Store
	conn       *sql.Conn // PRAGMA data_version compares with what this very connection saw before
	version    int64
	cursor     int64
	registered int64     // the applied number in our row of replicas
	until      time.Time // the lease in our row
}

// begin goes on from the last row there is.
func (l *sqliteLog) begin(ctx context.Context) error {
	if err := l.conn.QueryRowContext(ctx, "SELECT COALESCE(MAX(id), 0) FROM changes").Scan(&l.cursor); err != nil {
		return err
	}
	l.registered, l.until = -1, time.Time{}
	l.s.forgetEverything()
	return nil
}

// catchUp reads nothing while nobody wrote.
func (l *sqliteLog) catchUp(ctx context.Context) error {
	var version int64
	if err := l.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		return fmt.Errorf("read data version: %w", err)
	}
	if version == l.version {
		return nil
	}
	// Rows are trimmed after an hour: whoever slept for a good part of it may have missed some.
	if now := l.s.now(); !l.until.IsZero() && now.Round(0).Sub(l.until.Round(0)) > keepChanges/2 {
		return fmt.Errorf("%w: no look for %s", errLost, now.Round(0).Sub(l.until.Round(0)))
	}
	if err := l.readRows(ctx); err != nil {
		return err
	}
	l.version = version
	return nil
}

// readRows applies the rows after the cursor. Rows of this handle were applied when they were written.
func (l *sqliteLog) readRows(ctx context.Context) error {
	q := querier{l.s.d, l.conn}
	var changes []change
	last := l.cursor
	err := q.scan(ctx, func(scan func(...any) error) error {
		var c change
		var origin string
		if err := scan(&last, &c.kind, &c.tenant, &c.key, &origin); err != nil {
			return err
		}
		if origin != l.s.origin {
			changes = append(changes, c)
		}
		return nil
	}, "SELECT id, kind, tenant, key, origin FROM changes WHERE id > $1 ORDER BY id", l.cursor)
	if err != nil {
		return err
	}
	if err := l.s.apply(ctx, changes); err != nil {
		return err
	}
	l.cursor = last
	return nil
}

// register writes nothing while half of the lease is left and nothing is new: the file has one writer at a time.
func (l *sqliteLog) register(ctx context.Context, began time.Time) (time.Time, error) {
	if l.registered == l.cursor && !began.Add(lease/2).After(l.until) {
		return l.until, nil
	}
	until := began.Add(lease)
	q := `INSERT INTO replicas (id, applied, lease_until) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, lease_until = excluded.lease_until`
	if _, err := l.conn.ExecContext(ctx, q, l.s.origin, l.cursor, micros(until)); err != nil {
		return time.Time{}, err
	}
	l.registered, l.until = l.cursor, until.Add(-time.Microsecond) // the row holds whole microseconds
	return l.until, nil
}

func (l *sqliteLog) leave(ctx context.Context) error {
	_, err := l.conn.ExecContext(ctx, "DELETE FROM replicas WHERE id = $1", l.s.origin)
	return err
}
