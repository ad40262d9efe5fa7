package store

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const (
	callsEvery = time.Second
	// maxCalls bounds the calls that wait to be written, and keepCalls those that stay written for a tenant.
	maxCalls       = 10_000
	keepCalls      = 10_000
	keepCallsFor   = 30 * 24 * time.Hour
	callColumns    = "id, tenant, at, token, user_agent, method, path, target, shape, status, scim_type, detail, hint, request_id"
	callsStatement = 40 // rows of one INSERT
)

// provisioning is what requests leave behind that is written later, outside of their own time.
type provisioning struct {
	mu    sync.Mutex
	uses  map[tokenKey]int64
	calls []directory.Call
	lost  int64 // calls that found no room
	turn  commits
	marks anchors
}

func (p *provisioning) use(k tokenKey, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.uses == nil {
		p.uses = map[tokenKey]int64{}
	}
	p.uses[k] = max(p.uses[k], at)
}

func (p *provisioning) lastUse(k tokenKey) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.uses[k]
}

func (p *provisioning) takeUses() map[tokenKey]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	used := p.uses
	p.uses = nil
	return used
}

// LogCall notes a SCIM call for its tenant's provisioning log. It does not wait: a call that finds no room is counted
// and dropped.
func (s *Store) LogCall(c directory.Call) {
	if c.At.IsZero() {
		c.At = s.now()
	}
	p := &s.scim
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) >= maxCalls {
		p.lost++
		return
	}
	p.calls = append(p.calls, c)
}

// flushCalls writes the calls that wait.
func (s *Store) flushCalls(ctx context.Context) error {
	p := &s.scim
	p.mu.Lock()
	calls, lost := p.calls, p.lost
	p.calls, p.lost = nil, 0
	p.mu.Unlock()
	if lost > 0 {
		s.o.Log.Warn("provisioning log is full, calls were dropped", "reason", lost)
	}
	for len(calls) > 0 {
		n := min(len(calls), callsStatement)
		if err := s.writeCalls(ctx, calls[:n]); err != nil {
			p.mu.Lock()
			p.calls = append(calls[:min(len(calls), maxCalls-len(p.calls))], p.calls...)
			p.mu.Unlock()
			return err
		}
		calls = calls[n:]
	}
	return nil
}

func (s *Store) writeCalls(ctx context.Context, calls []directory.Call) error {
	var values strings.Builder
	var args []any
	for i, c := range calls {
		if i > 0 {
			values.WriteString(", ")
		}
		values.WriteString(placeholders(len(args)+1, 13))
		args = append(args, plain(string(c.Tenant)), micros(c.At), plain(string(c.Token)), plain(c.UserAgent), plain(c.Method), plain(c.Path),
			plain(c.Target), plain(c.Shape), int64(c.Status), plain(c.SCIMType), plain(c.Detail), plain(c.Hint), plain(c.RequestID))
	}
	_, columns, _ := strings.Cut(callColumns, ", ")
	return s.write(ctx, "write provisioning log", func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "INSERT INTO scim_log ("+columns+") VALUES "+values.String(), args...)
		return err
	})
}

// placeholders returns ($first, …), n of them.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return "(" + b.String() + ")"
}

// CallQuery selects calls of the provisioning log, the newest first.
type CallQuery struct {
	Before int64 // the id of the last one seen; 0: from the newest
	Failed bool  // only those that were refused or failed
	Limit  int   // 0: 100
}

// Calls reads a tenant's provisioning log.
func (s *Store) Calls(ctx context.Context, t tenant.ID, want CallQuery) ([]directory.Call, error) {
	if want.Limit <= 0 {
		want.Limit = 100
	}
	least := 0
	if want.Failed {
		least = 400
	}
	var all []directory.Call
	err := s.read(ctx, "read provisioning log", func(ctx context.Context, q querier) error {
		return q.scan(ctx, func(scan func(...any) error) error {
			var c directory.Call
			var at int64
			err := scan(&c.ID, &c.Tenant, &at, &c.Token, &c.UserAgent, &c.Method, &c.Path, &c.Target, &c.Shape, &c.Status, &c.SCIMType, &c.Detail, &c.Hint, &c.RequestID)
			c.At = instant(at)
			all = append(all, c)
			return err
		}, "SELECT "+callColumns+" FROM scim_log WHERE tenant = $1 AND ($2 = 0 OR id < $2) AND status >= $3 ORDER BY id DESC LIMIT $4",
			t, want.Before, least, want.Limit)
	})
	return all, err
}
