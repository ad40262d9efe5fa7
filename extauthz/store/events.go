package store

import (
	"context"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Record implements audit.Sink.
func (s *Store) Record(ctx context.Context, e audit.Event) error {
	return s.write(ctx, "write audit event", func(ctx context.Context, t *tx) error { return t.record(ctx, e) })
}

// AuditEvents reads the newest events of a tenant, newest first; of the installation itself where t is empty.
func (s *Store) AuditEvents(ctx context.Context, t tenant.ID, limit int) ([]audit.Event, error) {
	if limit <= 0 {
		limit = 100
	}
	var all []audit.Event
	err := s.read(ctx, "read audit events", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var e audit.Event
			var at int64
			err := scan(&e.ID, &at, &e.Tenant, &e.Actor, &e.Action, &e.Target, &e.Connection, &e.Subject, &e.Outcome, &e.Reason, &e.RequestID, &e.IP)
			e.At = instant(at)
			all = append(all, e)
			return err
		}, `SELECT id, at, tenant, actor, action, target, connection, subject, outcome, reason, request_id, ip FROM audit
			WHERE tenant = $1 ORDER BY id DESC LIMIT $2`, t, limit)
	})
	return all, err
}
