package extauthz

import (
	"errors"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/policies"
)

// decisionPath is the policy question a logged decision answers, in OPA's path form.
const decisionPath = "ssogate/authz/decision"

// record writes the check's line in the decision log. Only ids, names and words go in; the query's values, cookies,
// tokens and bodies have no field there.
func (s *Server) record(c *inquiry, a Answer, took time.Duration) error {
	r := c.request
	d := audit.Decision{
		ID: c.id, At: c.began, Path: decisionPath, Revision: c.decision.Revision, RequestedBy: r.IP,
		Method: r.Method, RawPath: r.Target.Path, Segments: r.Target.Segments, Host: r.Host, IP: r.IP, UserAgent: r.UserAgent,
		Tenant: string(c.who.Token.Tenant), TenantSlug: c.who.Realm.Tenant.Slug,
		Connection: string(c.who.Connection.ID), Protocol: string(c.who.Connection.Protocol), Provider: string(c.who.Connection.Provider),
		User: string(c.who.User.ID), UserName: c.who.User.UserName, Source: string(c.who.User.Source), Roles: c.who.Roles,
		Decided: c.decided, Allowed: c.decision.Allowed && a.response.GetOkResponse() != nil, Role: c.decision.Role, Permission: c.decision.Permission,
		Outcome: string(a.outcome), Reason: c.reason, Status: a.status, Took: took, EvalTook: c.evalTook,
	}
	for _, p := range r.Target.Query {
		d.QueryNames = append(d.QueryNames, p.Name)
	}
	switch {
	case c.fault != nil:
		d.ErrorCode, d.Error = "fault", c.fault.Error()
		if f, ok := errors.AsType[*policies.Fault](c.fault); ok {
			d.ErrorCode = f.Code
		}
	case c.detail != nil:
		d.ErrorCode, d.Error = c.decision.Code, c.detail.Error()
	}
	return s.Decisions.Write(d)
}
