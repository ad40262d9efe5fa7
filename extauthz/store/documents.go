package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// maxDocument bounds a stored document: connectors read at most a megabyte.
const maxDocument = 2 << 20

// Document implements idp.Documents.
func (s *Store) Document(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string) (body []byte, fetched time.Time, ok bool, err error) {
	err = s.read(ctx, "read document", func(ctx context.Context, q querier) error {
		var at int64
		err := q.QueryRowContext(ctx, "SELECT body, fetched FROM idp_documents WHERE tenant = $1 AND connection = $2 AND kind = $3", t, c, kind).Scan(&body, &at)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		fetched, ok = instant(at), err == nil
		return err
	})
	return body, fetched, ok, err
}

// SaveDocument implements idp.Documents. An older document never replaces a newer one.
func (s *Store) SaveDocument(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string, body []byte, fetched time.Time) error {
	if len(body) > maxDocument {
		return fmt.Errorf("save document: %d bytes, at most %d", len(body), maxDocument)
	}
	return s.write(ctx, "save document", func(ctx context.Context, w *tx) error {
		_, err := w.exec(ctx, `INSERT INTO idp_documents (tenant, connection, kind, body, fetched) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (tenant, connection, kind) DO UPDATE SET body = excluded.body, fetched = excluded.fetched
			WHERE excluded.fetched >= idp_documents.fetched`, t, c, kind, body, micros(fetched))
		return err
	})
}
