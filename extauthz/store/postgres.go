package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// migrationLock is the number of the advisory lock under which one process migrates.
const migrationLock = 7_767_283

// connectTimeout is for a server that is busy; a request gives up earlier, by its own deadline.
const connectTimeout = 5 * time.Second

// poolSize bounds the connections of one handle, the change feed's own aside.
const poolSize = 32

func (s *Store) openPostgres(ctx context.Context) error {
	s.d = postgresDialect()
	config, err := pgx.ParseConfig(s.o.DSN)
	if err != nil { // pgx takes the password out of its errors
		return fmt.Errorf("postgres address: %w", err)
	}
	if config.ConnectTimeout <= 0 || config.ConnectTimeout > connectTimeout {
		config.ConnectTimeout = connectTimeout
	}
	// What a standby holds is older than what a writer was told: caches fill from where the change feed is read.
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	s.postgres = config
	s.patience.poll = pollPostgres
	s.db = stdlib.OpenDB(*config)
	s.db.SetMaxOpenConns(poolSize)
	s.db.SetMaxIdleConns(poolSize)
	s.readers = s.db
	return s.migratePostgres(ctx)
}

// migratePostgres holds an advisory lock on a connection of its own: replicas that start together wait for the first.
func (s *Store) migratePostgres(ctx context.Context) (err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := supported(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("wait for other replicas: %w", err)
	}
	err = migrate(ctx, s.db, s.d)
	_, unlockErr := conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", migrationLock)
	return errors.Join(err, unlockErr)
}

// supported refuses what the statements here do not run on.
func supported(ctx context.Context, conn *sql.Conn) error {
	var version int
	var encoding string
	q := "SELECT CAST(current_setting('server_version_num') AS INTEGER), current_setting('server_encoding')"
	if err := conn.QueryRowContext(ctx, q).Scan(&version, &encoding); err != nil {
		return fmt.Errorf("ask for the server's version: %w", err)
	}
	if version < 130000 || encoding != "UTF8" {
		return fmt.Errorf("PostgreSQL %d in %s: want 13 or newer in UTF8", version/10000, encoding)
	}
	return nil
}
