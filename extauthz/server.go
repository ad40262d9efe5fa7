package extauthz

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// The gate's own deadlines, each further cut to leave room before Envoy gives up.
const (
	decisionTime = time.Second
	signInTime   = 12 * time.Second
	headroom     = 100 * time.Millisecond
)

// adminRole is what Settings > Authentication needs beside policy's yes; no policy edit opens it to another.
const adminRole = "Admin"

// Realms reads what a tenant's admin has set.
type Realms interface {
	Realm(ctx context.Context, t tenant.ID) (idp.Realm, error)
}

// Server answers Envoy. Fill the exported fields, then call Init once.
type Server struct {
	authv3.UnimplementedAuthorizationServer

	PublicURL       *url.URL
	Insecure        bool // plain http on loopback, for trying things out
	Sessions        session.Store
	Directory       directory.Reader
	Realms          Realms
	Policy          *policies.Engine
	Login           *login.Handler
	Ring            *session.Ring
	Assertions      *Assertions
	Decisions       *audit.Log // nil: no decision log
	Metrics         *Metrics   // nil: no metrics
	Limits          session.Limits
	PolicyHeaders   []string     // upstream headers a policy may set or remove
	AnyPolicyHeader bool         // it may set every header but those envoy.RefusedPolicyHeader names
	BodiesByHTTP    bool         // the front end sends no bodies along: the HTTP listener answers what posts them under /auth
	MaxDecisions    int          // checks in flight before the gate refuses at once; 0: 1024
	Ready           func() error // nil error: store and policy can be trusted; nil func: always
	Now             func() time.Time
	Log             *slog.Logger

	names    session.CookieNames
	host     httpreq.Host
	bound    string
	ids      *decisionIDs
	inFlight atomic.Int64
}

// Init checks the fields and ties the sign-in pages to this server.
func (s *Server) Init() error {
	host, err := httpreq.HostOf(s.PublicURL)
	if err != nil {
		return fmt.Errorf("public url: %w", err)
	}
	s.host, s.names, s.ids = host, session.Cookies(s.Insecure), newDecisionIDs()
	s.bound = session.Bound(s.names.Session, s.PublicURL.Host)
	if s.MaxDecisions == 0 {
		s.MaxDecisions = 1024
	}
	s.Login.Visitor, s.Login.Holder, s.Login.Foretell = s.visitor, s.holder, s.foretell
	return nil
}

// inquiry is one request on its way to an answer, and what its line in the decision log says.
type inquiry struct {
	id       string
	began    time.Time
	request  Request
	who      asker
	decision policies.Decision
	decided  bool
	evalTook time.Duration
	reason   string // the line's reason where policy gave none
	detail   error  // why a refusal was made, for the operator
	fault    error  // set: the answer is a 503 of ours
}

// Check implements ext_authz. It never returns an error: Envoy's failure mode is not ours to trust.
func (s *Server) Check(ctx context.Context, in *authv3.CheckRequest) (out *authv3.CheckResponse, _ error) {
	c := &inquiry{id: s.ids.New(), began: s.Now()}
	var answer Answer
	n := s.inFlight.Add(1)
	s.Metrics.entered()
	defer func() {
		s.inFlight.Add(-1)
		s.Metrics.left()
		if p := recover(); p != nil {
			c.fault = fmt.Errorf("panic: %v", p)
			answer = Answer{}
		}
		out = s.finish(ctx, c, answer)
	}()
	ctx, cancel := deadline(login.WithRequestID(ctx, c.id), c.began, signInTime)
	defer cancel()
	if n > int64(s.MaxDecisions) {
		c.request.faultForm = in.GetAttributes().GetContextExtensions()[envoy.FaultsKey] == envoy.FaultsErrorResponse
		c.fault = errors.New("too many checks in flight")
		s.Metrics.shed()
	} else {
		answer, c.fault = s.answer(ctx, c, in)
	}
	return nil, nil
}

// answer is the walk: parse, the gate's own paths, who asks, what policy says. An error is a fault of ours.
func (s *Server) answer(ctx context.Context, c *inquiry, in *authv3.CheckRequest) (Answer, error) {
	var err error
	c.request, err = parseRequest(in, s.host, s.names)
	if refusal, ok := errors.AsType[*httpreq.Refusal](err); ok {
		return s.invalid(ctx, c, refusal)
	}
	if err != nil {
		return Answer{}, err
	}
	r := c.request
	switch {
	case envoy.Under(r.Target.Path, envoy.PathAuth):
		return s.auth(ctx, c)
	case envoy.Under(r.Target.Path, envoy.PathSCIM):
		return s.pass(r), nil
	}
	ctx, cancel := deadline(ctx, c.began, decisionTime)
	defer cancel()
	if s.Ready != nil {
		if err := s.Ready(); err != nil {
			return Answer{}, err
		}
	}
	if c.who, err = s.whoAsks(ctx, r.Cookies); err != nil {
		return Answer{}, err
	}
	if c.who.inactive() {
		return s.forbid(ctx, c, "your account is not active")
	}
	if !c.who.Live {
		return s.signIn(ctx, c, idp.Ask{})
	}
	if c.who.unprovisioned() {
		return s.notProvisioned(ctx, c)
	}
	return s.decide(ctx, c)
}

// decide asks policy both questions and turns the decision into an answer.
func (s *Server) decide(ctx context.Context, c *inquiry) (Answer, error) {
	s.Sessions.Touch(c.who.Session.Tenant, c.who.Session.Hash, c.began)
	in := c.who.input(s.Policy.Input())
	in.Now = c.began
	in.Action.Method = c.request.Method
	in.Resource = policies.Resource{
		Path: c.request.Target.Path, Segments: c.request.Target.Segments, Host: c.request.Host, Query: c.request.Target.Query.Map(),
	}
	in.Context = policies.Context{IP: c.request.IP, UserAgent: c.request.UserAgent}
	asked := s.Now()
	defer func() { c.evalTook = s.Now().Sub(asked) }()
	roles, err := s.Policy.Roles(ctx, in)
	if refusal, ok := errors.AsType[*policies.Refusal](err); ok {
		c.reason, c.detail = refusal.Code, refusal
		return s.forbid(ctx, c, "the policy could not work out your roles")
	}
	if err != nil {
		return Answer{}, fmt.Errorf("ask for roles: %w", err)
	}
	in.Subject.Roles, c.who.Roles = roles, roles
	if c.decision, err = s.Policy.Decide(ctx, in); err != nil {
		return Answer{}, fmt.Errorf("ask for a decision: %w", err)
	}
	c.decided = true
	switch d := c.decision; {
	case d.Code != "":
		c.detail = errors.New(d.Code + ": " + d.Detail)
		return s.forbid(ctx, c, "the policy gave no usable answer")
	case d.Allowed && envoy.Under(c.request.Target.Path, envoy.PathSettings) && !slices.Contains(roles, adminRole):
		return s.forbid(ctx, c, "Settings > Authentication is for Admins")
	case d.Allowed:
		return s.permit(ctx, c)
	case d.StepUp != nil:
		return s.stepUp(ctx, c, *d.StepUp)
	default:
		return s.forbid(ctx, c, "")
	}
}

// permit forwards the request with the identity headers and without what the client forged.
func (s *Server) permit(ctx context.Context, c *inquiry) (Answer, error) {
	assertion, err := s.Assertions.For(c.began, c.who, c.decision.Role)
	if err != nil {
		return Answer{}, fmt.Errorf("sign assertion: %w", err)
	}
	var u upstream
	u.SetIdentity(envoy.HeaderUser, string(c.who.User.ID))
	u.SetIdentity(envoy.HeaderEmail, c.who.User.Email())
	u.SetIdentity(envoy.HeaderTenant, string(c.who.Realm.Tenant.ID))
	u.SetIdentity(envoy.HeaderRole, c.decision.Role)
	u.SetIdentity(envoy.HeaderAssertion, assertion)
	if problem := u.applyPolicy(c.decision, s.PolicyHeaders, s.AnyPolicyHeader); problem != "" {
		c.detail = errors.New(problem)
		return s.forbid(ctx, c, "the policy asked for a header it may not set")
	}
	for _, name := range c.request.spoofed {
		u.Remove(name)
	}
	u.stripCookies(c.request.Cookies, c.request.headers.get("cookie"), s.names)
	u.response = append(u.response, header{envoy.HeaderDecisionID, c.id})
	c.reason = c.decision.Reason
	return allow(envoy.OutcomeAllow, u), nil
}

// pass hands a SCIM call to the handler that authenticates its bearer token.
func (s *Server) pass(r Request) Answer {
	var u upstream
	for _, name := range r.spoofed {
		u.Remove(name)
	}
	u.stripCookies(r.Cookies, r.headers.get("cookie"), s.names)
	return allow(envoy.OutcomePass, u)
}

// finish is the last line of every check: it turns whatever is not a finished answer into a fault, stamps ids, counts
// and logs.
func (s *Server) finish(ctx context.Context, c *inquiry, a Answer) *authv3.CheckResponse {
	if !a.finished() {
		if c.fault == nil {
			c.fault = errors.New("no answer was made")
		}
		a = s.faultAnswer(ctx, c).fault(c.request.faultForm)
	}
	a = a.metadata(c.decision.Metadata, map[string]string{
		envoy.MetadataTenant:     string(c.who.Token.Tenant),
		envoy.MetadataUser:       string(c.who.User.ID),
		envoy.MetadataRole:       c.decision.Role,
		envoy.MetadataDecisionID: c.id,
		envoy.MetadataOutcome:    string(a.outcome),
	})
	took := s.Now().Sub(c.began)
	s.Metrics.check(a.outcome, took)
	if err := s.record(c, a, took); err != nil {
		s.Log.ErrorContext(ctx, "decision log refused a line", "decision_id", c.id, "err", err)
		if s.Decisions.Required() { // what must be logged must not happen unlogged
			return bareFault().fault(c.request.faultForm).response
		}
	}
	return a.response
}

// deadline cuts ctx to d from began, and to what the caller's own deadline leaves after headroom.
func deadline(ctx context.Context, began time.Time, d time.Duration) (context.Context, context.CancelFunc) {
	until := began.Add(d)
	if theirs, ok := ctx.Deadline(); ok {
		until = earlier(until, theirs.Add(-headroom))
	}
	return context.WithDeadline(ctx, until)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
