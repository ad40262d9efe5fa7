package scim

import (
	"context"
	"log/slog"
	"sync"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// alarmAt is how many calls in a row a tenant's provider is refused before somebody is told. A provider that is refused
// long enough stops asking (Entra quarantines the job), and then nobody is shut out any more.
const alarmAt = 20

// maxAlarmed bounds the tenants that are counted; only those refused just now are.
const maxAlarmed = 10_000

// alarm counts, for each tenant, the calls in a row that were refused for the client's fault.
type alarm struct {
	mu   sync.Mutex
	runs map[tenant.ID]int
}

// note counts a call, and warns at 20 refusals in a row, at 200, at 2,000 and so on.
func (a *alarm) note(ctx context.Context, log *slog.Logger, c directory.Call) {
	refused := c.Status >= 400 && c.Status < 500 && c.Status != 429
	a.mu.Lock()
	defer a.mu.Unlock()
	if !refused {
		if c.Status < 300 {
			delete(a.runs, c.Tenant)
		}
		return
	}
	if a.runs == nil || len(a.runs) >= maxAlarmed {
		a.runs = map[tenant.ID]int{}
	}
	a.runs[c.Tenant]++
	if n := a.runs[c.Tenant]; log != nil && milestone(n) {
		log.WarnContext(ctx, "provider is refused again and again", "tenant", c.Tenant, "count", n, "status", c.Status, "reason", c.Detail,
			"hint", "run: ssogate scim log --tenant "+string(c.Tenant)+" --failed")
	}
}

// milestone holds for 20, 200, 2,000 and so on.
func milestone(n int) bool {
	for n > alarmAt && n%10 == 0 {
		n /= 10
	}
	return n == alarmAt
}
