package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// querier is what reads need of a pool or a transaction; its statements go through the dialect.
type querier struct {
	d dialect
	q interface {
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
}

func (q querier) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return q.q.QueryContext(ctx, q.d.query.Replace(query), args...)
}

func (q querier) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return q.q.QueryRowContext(ctx, q.d.query.Replace(query), args...)
}

// scan calls each for every row, with a function that scans it.
func (q querier) scan(ctx context.Context, each func(scan func(...any) error) error, query string, args ...any) (err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// read runs fn on the pool of readers. Each statement sees the state of its own start.
func (s *Store) read(ctx context.Context, op string, fn func(context.Context, querier) error) error {
	defer s.observe(op, s.now())
	ctx, cancel := context.WithTimeout(ctx, s.patience.read)
	defer cancel()
	if err := fn(ctx, querier{s.d, s.readers}); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// snapshot runs fn in a transaction, so that all its statements see one state.
func (s *Store) snapshot(ctx context.Context, op string, fn func(context.Context, querier) error) error {
	defer s.observe(op, s.now())
	ctx, cancel := context.WithTimeout(ctx, s.patience.read)
	defer cancel()
	if err := s.inSnapshot(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

func (s *Store) inSnapshot(ctx context.Context, fn func(context.Context, querier) error) error {
	tx, err := s.readers.BeginTx(ctx, s.d.snapshot)
	if err != nil {
		return err
	}
	if err := fn(ctx, querier{s.d, tx}); err != nil {
		return errors.Join(err, rollback(tx))
	}
	return tx.Commit()
}

func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return fmt.Errorf("roll back: %w", err)
	}
	return nil
}

// tx is one write: a change, its rows of the change feed and its audit rows, all of it or nothing.
type tx struct {
	querier
	tx      *sql.Tx
	s       *Store
	at      time.Time
	changes []change
}

// exec runs a statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(ctx, t.d.query.Replace(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// changed notes what caches must forget.
func (t *tx) changed(k kind, id tenant.ID, key string) {
	t.changes = append(t.changes, change{kind: k, tenant: id, key: key})
}

func (t *tx) record(ctx context.Context, e audit.Event) error {
	if e.At.IsZero() {
		e.At = t.at
	}
	_, err := t.exec(ctx, `INSERT INTO audit (at, tenant, actor, action, target, connection, subject, outcome, reason, request_id, ip)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		micros(e.At), plain(string(e.Tenant)), plain(e.Actor), e.Action, plain(e.Target), plain(string(e.Connection)), plain(e.Subject), plain(e.Outcome),
		plain(e.Reason), plain(e.RequestID), plain(e.IP))
	if err != nil {
		return fmt.Errorf("write audit row: %w", err)
	}
	return nil
}

// attempts bounds how often a write starts again.
const attempts = 16

// write runs fn in one transaction. It returns once the caches of this handle, and of every other that lives, have
// forgotten what fn changed. fn may run several times.
func (s *Store) write(ctx context.Context, op string, fn func(context.Context, *tx) error) error {
	defer s.observe(op, s.now())
	var last mark
	var err error
	for range attempts {
		last, err = s.attempt(ctx, fn)
		if err == nil || !again(err) {
			break
		}
	}
	if err == nil {
		err = s.await(ctx, last)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// attempt runs fn once and returns where its changes stand in the feed.
func (s *Store) attempt(ctx context.Context, fn func(context.Context, *tx) error) (last mark, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience.write)
	defer cancel()
	sqlTx, err := s.db.BeginTx(ctx, s.d.write)
	if err != nil {
		return mark{}, err
	}
	t := &tx{querier: querier{s.d, sqlTx}, tx: sqlTx, s: s, at: s.now()}
	if err := fn(ctx, t); err != nil {
		return mark{}, errors.Join(err, rollback(sqlTx))
	}
	if last, err = t.publish(ctx); err != nil {
		return mark{}, errors.Join(err, rollback(sqlTx))
	}
	err = sqlTx.Commit()
	// Also after an error: the database may have committed and only the answer was lost.
	return last, errors.Join(err, s.apply(context.WithoutCancel(ctx), t.changes))
}

// publish writes the transaction's rows of the change feed, and wakes those who follow it.
func (t *tx) publish(ctx context.Context) (m mark, err error) {
	for rest := t.changes; len(rest) > 0; {
		n := min(batch, len(rest))
		if m.id, err = t.publishSome(ctx, rest[:n]); err != nil {
			return mark{}, fmt.Errorf("write changes: %w", err)
		}
		rest = rest[n:]
	}
	if len(t.changes) > 0 && t.s.path == "" {
		m.xid, err = t.wakeOthers(ctx)
	}
	return m, err
}

// publishSome returns the highest number of the rows it wrote.
func (t *tx) publishSome(ctx context.Context, changes []change) (last int64, err error) {
	var values strings.Builder
	at := t.d.clock
	if at == "" {
		at = strconv.FormatInt(micros(t.at), 10)
	}
	args := []any{t.s.origin}
	for i, c := range changes {
		if i > 0 {
			values.WriteString(", ")
		}
		fmt.Fprintf(&values, "($%d, $%d, $%d, $1, %s)", len(args)+1, len(args)+2, len(args)+3, at)
		args = append(args, c.kind, c.tenant, c.key)
	}
	err = t.scan(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		last = max(last, id)
		return err
	}, "INSERT INTO changes (kind, tenant, key, origin, at) VALUES "+values.String()+" RETURNING id", args...)
	return last, err
}
