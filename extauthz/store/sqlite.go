package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"
)

// openSQLite opens the file under a lock: switching a fresh file to WAL and creating its tables fails for the second
// of two processes that do it at once, whatever the busy timeout.
func (s *Store) openSQLite(ctx context.Context, path string) (err error) {
	s.d = sqliteDialect()
	if s.path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("database path: %w", err)
	}
	lock, err := waitLock(ctx, s.path+".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := private(s.path); err != nil {
		return err
	}
	// FULL: a revocation that was answered survives a power cut.
	if s.db, err = sqliteDB(s.path, url.Values{"_txlock": {"immediate"}, "_synchronous": {"FULL"}}); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	if s.readers, err = sqliteDB(s.path, url.Values{"_query_only": {"1"}}); err != nil {
		return err
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	s.readers.SetMaxOpenConns(readers)
	s.readers.SetMaxIdleConns(readers)
	return migrate(ctx, s.db, s.d)
}

// private creates the file for its owner alone; SQLite gives its side files the same mode.
func private(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the path is the operator's own
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return f.Close()
}

func sqliteDB(path string, params url.Values) (*sql.DB, error) {
	params.Set("_busy_timeout", "4000")
	params.Set("_foreign_keys", "1")
	params.Set("_journal_mode", "WAL")
	params.Set("_dqs", "0")       // a misspelt column is an error, not a string
	params.Set("_defensive", "1") // no statement may damage the file
	name := url.URL{Scheme: "file", Path: path, RawQuery: params.Encode()}
	c, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return sql.OpenDB(c), nil
}
