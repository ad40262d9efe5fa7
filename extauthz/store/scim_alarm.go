package store

import (
	"context"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

// silence is how long Entra may say nothing: its cycle takes about 40 minutes, changes or not. Okta speaks only when
// something happens, so its silence means nothing.
const silence = 2 * time.Hour

// hearProviders warns once of each Entra tenant whose provisioning has stopped: people removed there keep their access
// here, and no request tells.
func (s *Store) hearProviders(ctx context.Context, now time.Time) error {
	silent := map[tenant.ID]time.Time{}
	err := s.read(ctx, "read when providers spoke", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var id tenant.ID
			var last int64
			if err := scan(&id, &last); err != nil {
				return err
			}
			silent[id] = instant(last)
			return nil
		}, `SELECT t.id, MAX(k.last_used) FROM tenants t JOIN scim_tokens k ON k.tenant = t.id
			WHERE t.scim = 1 AND k.last_used > 0
			AND EXISTS (SELECT 1 FROM connections c WHERE c.tenant = t.id AND c.provider = 'entra' AND c.enabled = 1)
			GROUP BY t.id HAVING MAX(k.last_used) < $1`, micros(now.Add(-silence)))
	})
	if err != nil {
		return err
	}
	s.silent.Lock()
	defer s.silent.Unlock()
	for id, last := range silent {
		if !s.silent.told[id].Equal(last) {
			s.o.Log.Warn("entra has stopped provisioning", "tenant", id, "last", last,
				"hint", "look at Provisioning > Overview in Entra ID: a job in quarantine asks once a day; then run: ssogate scim log --tenant "+string(id))
		}
	}
	s.silent.told = silent
	return nil
}
