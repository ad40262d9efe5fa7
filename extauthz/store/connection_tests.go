package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	sealTest      = "connection-test"
	maxTestResult = 256 << 10
	// keepTest is how long a test waits to be begun, finished and read.
	keepTest = 15 * time.Minute
)

func testRow(t tenant.ID, c idp.ConnectionID, id [16]byte) string {
	return row(t, string(c)) + "/" + hex.EncodeToString(id[:])
}

// CreateTest makes room for one test of a connection, until expires and fifteen minutes at most. ErrNotFound: the tenant
// has no such connection.
func (s *Store) CreateTest(ctx context.Context, t tenant.ID, c idp.ConnectionID, id [16]byte, expires time.Time) error {
	return s.write(ctx, "create connection test", func(ctx context.Context, w *tx) error {
		if _, err := w.lockConnection(ctx, t, c); err != nil {
			return err
		}
		if longest := w.at.Add(keepTest); expires.After(longest) {
			expires = longest
		}
		_, err := w.exec(ctx, "INSERT INTO connection_tests (tenant, connection, id, begun, expires) VALUES ($1, $2, $3, 0, $4)",
			t, c, hex.EncodeToString(id[:]), micros(expires))
		if duplicate(err) {
			return fmt.Errorf("test is %w", ErrTaken)
		}
		return err
	})
}

// BeginTest reports whether there is such a test and nobody began it: true exactly once.
func (s *Store) BeginTest(ctx context.Context, t tenant.ID, c idp.ConnectionID, id [16]byte) (bool, error) {
	if !storable(string(t)) || !storable(string(c)) {
		return false, nil
	}
	// Anybody may ask for any token: only a test that is there is worth a write.
	var there int
	err := s.read(ctx, "find connection test", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM connection_tests WHERE tenant = $1 AND connection = $2 AND id = $3 AND begun = 0 AND expires > $4",
			t, c, hex.EncodeToString(id[:]), micros(s.now())).Scan(&there)
	})
	if err != nil || there == 0 {
		return false, err
	}
	var n int64
	err = s.write(ctx, "begin connection test", func(ctx context.Context, w *tx) (err error) {
		n, err = w.exec(ctx, "UPDATE connection_tests SET begun = 1 WHERE tenant = $1 AND connection = $2 AND id = $3 AND begun = 0 AND expires > $4",
			t, c, hex.EncodeToString(id[:]), micros(w.at))
		return err
	})
	return err == nil && n == 1, err
}

// FinishTest leaves the outcome of a test that was begun, sealed: at most 256 KiB. The first one stays, and for a test
// that is not there, or no longer, nothing is written: whoever waited has gone.
func (s *Store) FinishTest(ctx context.Context, t tenant.ID, c idp.ConnectionID, id [16]byte, result []byte) error {
	if len(result) == 0 || len(result) > maxTestResult {
		return fmt.Errorf("finish connection test: a result of %d bytes, at most %d", len(result), maxTestResult)
	}
	if !storable(string(t)) || !storable(string(c)) {
		return nil
	}
	sealed, err := s.o.Sealer.Seal(sealTest, testRow(t, c, id), result)
	if err != nil {
		return fmt.Errorf("finish connection test: %w", err)
	}
	return s.write(ctx, "finish connection test", func(ctx context.Context, w *tx) error {
		_, err := w.exec(ctx, `UPDATE connection_tests SET result = $1
			WHERE tenant = $2 AND connection = $3 AND id = $4 AND begun = 1 AND result IS NULL AND expires > $5`,
			sealed, t, c, hex.EncodeToString(id[:]), micros(w.at))
		return err
	})
}

// TestResult returns what FinishTest left, and removes it: it is read once. done is false while there is nothing to
// read, be the test under way, over, or never made.
func (s *Store) TestResult(ctx context.Context, t tenant.ID, c idp.ConnectionID, id [16]byte) (result []byte, done bool, err error) {
	if !storable(string(t)) || !storable(string(c)) {
		return nil, false, nil
	}
	// Whoever waits asks often; only the last time is a write.
	var finished int
	err = s.read(ctx, "read connection test", func(ctx context.Context, q querier) error {
		return q.QueryRowContext(ctx, "SELECT COUNT(*) FROM connection_tests WHERE tenant = $1 AND connection = $2 AND id = $3 AND result IS NOT NULL AND expires > $4",
			t, c, hex.EncodeToString(id[:]), micros(s.now())).Scan(&finished)
	})
	if err != nil || finished == 0 {
		return nil, false, err
	}
	var sealed []byte
	err = s.write(ctx, "take connection test", func(ctx context.Context, w *tx) error {
		sealed = nil
		err := w.QueryRowContext(ctx, "DELETE FROM connection_tests WHERE tenant = $1 AND connection = $2 AND id = $3 AND result IS NOT NULL RETURNING result",
			t, c, hex.EncodeToString(id[:])).Scan(&sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // somebody else read it meanwhile
		}
		return err
	})
	if err != nil || sealed == nil {
		return nil, false, err
	}
	if result, err = s.o.Sealer.Open(sealTest, testRow(t, c, id), sealed); err != nil {
		return nil, false, fmt.Errorf("read connection test: %w", err)
	}
	return result, true, nil
}
