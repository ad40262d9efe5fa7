package main

import (
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

type auditCmd struct {
	List auditListCmd `cmd:"" help:"List what was done in a tenant, newest first."`
}

// auditRow is an audit event as commands print it.
type auditRow struct {
	ID         int64        `json:"id"`
	At         *time.Time   `json:"at"`
	Actor      string       `json:"actor"`
	Action     audit.Action `json:"action"`
	Target     string       `json:"target,omitempty"`
	Connection string       `json:"connection,omitempty"`
	Subject    string       `json:"subject,omitempty"`
	Outcome    string       `json:"outcome"`
	Reason     string       `json:"reason,omitempty"`
	RequestID  string       `json:"request_id,omitempty"`
	IP         string       `json:"ip,omitempty"`
}

func auditRowOf(e audit.Event) auditRow {
	return auditRow{
		ID: e.ID, At: stamp(e.At), Actor: e.Actor, Action: e.Action, Target: e.Target, Connection: string(e.Connection),
		Subject: e.Subject, Outcome: e.Outcome, Reason: e.Reason, RequestID: e.RequestID, IP: e.IP,
	}
}

type auditListCmd struct {
	Tenant string `help:"The tenant. Default: what concerns none of them, such as keys." placeholder:"ID"`
	Limit  int    `default:"100" help:"How many, 1 to 10000."`
}

// Run prints events.
func (cmd auditListCmd) Run(a *app) error {
	var t tenant.ID
	if cmd.Tenant != "" {
		var err error
		if t, err = tenantID(cmd.Tenant); err != nil {
			return err
		}
	}
	if cmd.Limit < 1 || cmd.Limit > 10_000 {
		return misused("choose 1 to 10000", "--limit %d is out of bounds", cmd.Limit)
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if t != "" {
			if _, err := a.realm(s, c, t); err != nil {
				return err
			}
		}
		events, err := s.AuditEvents(a.ctx, t, cmd.Limit)
		if err != nil {
			return fmt.Errorf("list audit events: %w", err)
		}
		var rows []auditRow
		for _, e := range events {
			rows = append(rows, auditRowOf(e))
		}
		return table(a, rows, "nothing yet", []string{"AT", "ACTION", "BY", "TARGET", "OUTCOME", "REASON"},
			func(r auditRow) []string {
				return []string{whenP(r.At), string(r.Action), r.Actor, r.Target, r.Outcome, r.Reason}
			})
	})
}
