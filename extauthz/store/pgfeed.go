package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	// pollPostgres is how often the change feed is looked at when no notification comes: they are lost with a connection,
	// and never come through a pooler that shares one.
	pollPostgres = 500 * time.Millisecond
	// manyChanges is how many rows one look names one by one before the caches forget everything.
	manyChanges = 100_000
	// pinnedWarning is how long the oldest transaction may hold the feed's cursor before it is complained about.
	pinnedWarning = 5 * time.Minute
	feedName      = "ssogate change feed"
	// serverClock is what ages rows of changes and replicas: all machines compare by the same clock.
	serverClock = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
)

// postgresLog follows the change feed on a connection of its own.
//
// Its cursor is a snapshot. A row is new when the last look's snapshot does not see its transaction: numbers of rows
// would not do, for a transaction that began early commits late, behind rows that were read already.
type postgresLog struct {
	s          *Store
	conn       *pgx.Conn
	woken      *bool  // a notification came while a statement ran
	cursor     string // pg_snapshot of the last look
	registered bool   // there is a row of replicas to update
	oldest     string // the lowest transaction id the last look waited for
	pinned     time.Time
	warned     bool
}

// followPostgres follows until ctx ends, over as many connections as it takes. Caches stay trusted for what is left of
// the lease when one breaks, and not longer.
func (s *Store) followPostgres(ctx context.Context) error {
	state := trouble{s: s, what: "follow changes"}
	for {
		err := s.followConn(ctx, &state)
		if ctx.Err() != nil {
			if errors.Is(err, context.Canceled) {
				return nil // told to end while it connected: that is no failure
			}
			return err
		}
		state.note(errors.Join(err, s.publishKeys(ctx))) // a gate without a feed hears of new keys all the same
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.patience.poll):
		}
	}
}

// followConn returns when ctx ends or the connection does.
func (s *Store) followConn(ctx context.Context, state *trouble) (err error) {
	l, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx))) }()
	return l.follow(ctx, state)
}

func (l *postgresLog) follow(ctx context.Context, state *trouble) error {
	last := context.WithoutCancel(ctx) // the connection outlives ctx: the row of replicas goes at the end
	f := &follower{s: l.s, log: l}
	if err := f.start(last); err != nil {
		return fmt.Errorf("start change feed: %w", err)
	}
	for {
		state.note(nil)
		if err := l.wait(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return f.stop(last)
		}
		if err := f.poll(last); err != nil {
			return err
		}
	}
}

// listen opens the feed's connection.
func (s *Store) listen(ctx context.Context) (*postgresLog, error) {
	ctx, cancel := context.WithTimeout(ctx, max(s.patience.read, connectTimeout))
	defer cancel()
	woken := new(bool)
	config := s.postgres.Copy()
	config.RuntimeParams["application_name"] = feedName                                  // to be told from the pool's in pg_stat_activity
	config.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { *woken = true } // called by whoever uses the connection
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect change feed: %w", err)
	}
	l := &postgresLog{s: s, conn: conn, woken: woken}
	if _, err := conn.Exec(ctx, "LISTEN ssogate"); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for changes: %w", err), l.close(ctx))
	}
	// The primary may be another server now. Reads must not go on at the old one.
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(poolSize)
	return l, nil
}

func (l *postgresLog) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.s.patience.poll)
	defer cancel()
	if err := l.conn.Close(ctx); err != nil {
		return fmt.Errorf("close change feed: %w", err)
	}
	return nil
}

// wait returns when something was written, when it is time to look anyway, or when ctx ends.
func (l *postgresLog) wait(ctx context.Context) error {
	if *l.woken {
		*l.woken = false
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, l.s.patience.poll)
	defer cancel()
	err := l.conn.PgConn().WaitForNotification(ctx)
	*l.woken = false
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for changes: %w", err)
	}
	return nil
}

// begin trusts nothing from before this connection: the server may be another one, or restored, and number its
// transactions again from an earlier one.
func (l *postgresLog) begin(ctx context.Context) error {
	if err := l.conn.QueryRow(ctx, "SELECT CAST(pg_current_snapshot() AS TEXT)").Scan(&l.cursor); err != nil {
		return err
	}
	l.registered = false
	l.s.forgetEverything()
	return nil
}

// newChanges is the answer of one statement, so that no commit falls between the rows and the snapshot. With no new rows
// it has one row without a change.
const newChanges = `SELECT CAST(s.now AS TEXT), CAST(pg_snapshot_xmin(s.now) AS TEXT), pg_snapshot_xmin(s.now) < pg_snapshot_xmin(CAST($1 AS pg_snapshot)),
		c.kind, c.tenant, c.key
	FROM (SELECT pg_current_snapshot() AS now) s LEFT JOIN changes c
		ON c.xid >= pg_snapshot_xmin(CAST($1 AS pg_snapshot)) AND NOT pg_visible_in_snapshot(c.xid, CAST($1 AS pg_snapshot))`

// catchUp applies each row once. Those of this handle too: a commit whose answer was lost may come true after the
// caches forgot and read again.
func (l *postgresLog) catchUp(ctx context.Context) error {
	found, err := l.readRows(ctx)
	if err != nil {
		return err
	}
	if found.back {
		return fmt.Errorf("%w: the server's transactions went back", errLost)
	}
	if found.many {
		l.s.forgetEverything()
		found.changes = []change{{kind: keysChanged}}
	}
	if err := l.s.apply(ctx, found.changes); err != nil {
		return err
	}
	l.cursor = found.cursor
	l.complain(found.oldest)
	return nil
}

// found is what one look saw.
type found struct {
	cursor, oldest string
	back           bool // the server's transactions have lower numbers than before
	many           bool // more changes than are worth naming
	changes        []change
}

func (l *postgresLog) readRows(ctx context.Context) (f found, err error) {
	rows, err := l.conn.Query(ctx, newChanges, l.cursor)
	if err != nil {
		return f, err
	}
	defer rows.Close()
	for rows.Next() {
		var c struct{ kind, tenant, key *string } // null where nothing is new
		if err := rows.Scan(&f.cursor, &f.oldest, &f.back, &c.kind, &c.tenant, &c.key); err != nil {
			return f, err
		}
		if c.kind == nil || c.tenant == nil || c.key == nil {
			continue
		}
		if f.many = len(f.changes) >= manyChanges; !f.many {
			f.changes = append(f.changes, change{kind(*c.kind), tenant.ID(*c.tenant), *c.key})
		}
	}
	if err := rows.Err(); err != nil {
		return f, err
	}
	if f.cursor == "" {
		return f, errors.New("no answer")
	}
	return f, nil
}

// complain notices a transaction that stays open: each look reads past all that was written since it began. A gate's
// own looks are transactions, so the oldest one moves on in a database where nothing else happens.
func (l *postgresLog) complain(oldest string) {
	now := l.s.now()
	if oldest != l.oldest {
		l.oldest, l.pinned, l.warned = oldest, now, false
	}
	if age := now.Sub(l.pinned); age > pinnedWarning && !l.warned {
		l.warned = true
		l.s.o.Log.Warn("a transaction of the database stays open: find it in pg_stat_activity by backend_xid", "backend_xid", oldest, "age", age.String())
	}
}

// register writes the row at each look. Rows of replicas are swept out long before those of changes: a gate that finds
// its own gone may have missed some.
func (l *postgresLog) register(ctx context.Context, began time.Time) (time.Time, error) {
	until := "(" + serverClock + " + " + fmt.Sprint(lease.Microseconds()) + ")"
	q := "UPDATE replicas SET applied_snapshot = CAST($2 AS pg_snapshot), lease_until = " + until + " WHERE id = $1"
	if !l.registered {
		q = "INSERT INTO replicas (id, applied, applied_snapshot, lease_until) VALUES ($1, 0, CAST($2 AS pg_snapshot), " + until + `)
			ON CONFLICT (id) DO UPDATE SET applied_snapshot = excluded.applied_snapshot, lease_until = excluded.lease_until`
	}
	tag, err := l.conn.Exec(ctx, q, l.s.origin, l.cursor)
	if err != nil {
		return time.Time{}, err
	}
	if tag.RowsAffected() == 0 {
		return time.Time{}, fmt.Errorf("%w: nothing was heard of this gate for too long", errLost)
	}
	l.registered = true
	return began.Add(lease), nil
}

func (l *postgresLog) leave(ctx context.Context) error {
	_, err := l.conn.Exec(ctx, "DELETE FROM replicas WHERE id = $1", l.s.origin)
	return err
}

// wakeOthers tells those who listen that this transaction changed something, and returns its id. The server delivers it
// when the transaction has committed. It takes a lock of the whole server at commit: last-seen times wake nobody.
func (t *tx) wakeOthers(ctx context.Context) (xid string, err error) {
	var nothing string
	err = t.QueryRowContext(ctx, "SELECT CAST(pg_current_xact_id() AS TEXT), CAST(pg_notify('ssogate', '') AS TEXT)").Scan(&xid, &nothing)
	if err != nil {
		return "", fmt.Errorf("wake other replicas: %w", err)
	}
	return xid, nil
}

// behindOnPostgres counts replicas whose snapshot does not see the transaction. That alone would do: the lease is for
// those that died. An applied number would stall behind a long transaction, or pass one that commits late.
func (s *Store) behindOnPostgres(ctx context.Context, m mark) (n int, err error) {
	q := "SELECT COUNT(*) FROM replicas WHERE id <> $1 AND lease_until > " + serverClock +
		" AND NOT COALESCE(pg_visible_in_snapshot(CAST($2 AS xid8), applied_snapshot), FALSE)"
	err = s.db.QueryRowContext(ctx, q, s.origin, m.xid).Scan(&n)
	return n, err
}

// trimPostgres deletes old rows of the feed, by the server's clock. Rows of replicas that went without a word go first:
// one that comes back to find its row has missed nothing.
func (s *Store) trimPostgres(ctx context.Context) error {
	ago := func(d time.Duration) string { return serverClock + " - " + fmt.Sprint(d.Microseconds()) }
	if err := s.sweepOne(ctx, "DELETE FROM replicas WHERE lease_until < "+ago(keepReplicas)); err != nil {
		return err
	}
	return s.sweepOne(ctx, "DELETE FROM changes WHERE id IN (SELECT id FROM changes WHERE at < "+ago(keepChanges)+" LIMIT 1000)")
}
