package store

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect is all that differs between the two databases. Every statement is written once, for PostgreSQL; SQLite
// binds $1 by number as well.
type dialect struct {
	name     string
	goose    goose.Dialect
	write    *sql.TxOptions    // each statement sees what others committed before it
	snapshot *sql.TxOptions    // a read of several statements that sees one state
	query    *strings.Replacer // rewrites statements
	schema   *strings.Replacer // fills in migrations
	clock    string            // the server's, in microseconds, where several machines write; empty: each process's own
}

func sqliteDialect() dialect {
	return dialect{
		name:     "sqlite",
		goose:    goose.DialectSQLite3,
		snapshot: &sql.TxOptions{ReadOnly: true},
		// The single writer is the lock that PostgreSQL takes row by row.
		query: strings.NewReplacer(" FOR UPDATE", "", " FOR SHARE", "", " FOR KEY SHARE", "", "GREATEST(", "MAX(", "strpos(", "instr("),
		schema: strings.NewReplacer(
			"{{text}}", "TEXT",
			"{{int}}", "INTEGER",
			"{{bytes}}", "BLOB",
			"{{seq}}", "INTEGER PRIMARY KEY AUTOINCREMENT",
			"{{strict}}", "STRICT",
			"{{keyed}}", "STRICT, WITHOUT ROWID",
			"{{xid}}\n", "",
			"{{postgres}}", "--",
		),
	}
}

func postgresDialect() dialect {
	return dialect{
		name:     "postgres",
		goose:    goose.DialectPostgres,
		clock:    serverClock,
		write:    &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		snapshot: &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
		query:    strings.NewReplacer(),
		schema: strings.NewReplacer(
			"{{text}}", `TEXT COLLATE "C"`,
			"{{int}}", "BIGINT",
			"{{bytes}}", "BYTEA",
			"{{seq}}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
			" {{strict}}", "",
			" {{keyed}}", "",
			"{{xid}}", "xid XID8 NOT NULL DEFAULT pg_current_xact_id(),",
			"{{postgres}} ", "",
		),
	}
}

// errAgain asks write to run its function from the start: another writer was faster, and what it wrote changes the answer.
var errAgain = errors.New("another writer was faster")

// again reports an error that goes away when the whole transaction runs once more.
func again(err error) bool {
	if errors.Is(err, errAgain) {
		return true
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_BUSY // another process kept the writer's lock: this one never began
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01") // serialization_failure, deadlock_detected
}

// duplicate reports a broken UNIQUE or PRIMARY KEY.
func duplicate(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}
