package extauthz

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/policies"
)

// The forms a refusal takes.
type refusalForm int

const (
	formJSON refusalForm = iota
	formPage
	formGRPC
	formGRPCWeb
	formSCIM
)

// form picks a refusal's form. A page is for navigations and plain form posts; whatever is unknown gets JSON.
func form(r Request) refusalForm {
	if r.scimForm {
		return formSCIM
	}
	switch r.Kind {
	case httpreq.KindPage:
		return formPage
	case httpreq.KindGRPC:
		return formGRPC
	case httpreq.KindGRPCWeb:
		return formGRPCWeb
	case httpreq.KindJSON, httpreq.KindWebSocket:
		return formJSON
	default:
		return formJSON
	}
}

// forbid is policy's no, or a no of the gate's own with its message.
func (s *Server) forbid(ctx context.Context, c *inquiry, message string) (Answer, error) {
	d := c.decision
	if message == "" {
		message = d.Reason
	}
	if message == "" {
		message = "You may not do this."
	}
	if c.reason == "" {
		c.reason = message
	}
	status := http.StatusForbidden
	if d.HTTPStatus != 0 && !d.Allowed {
		status = d.HTTPStatus
	}
	if d.Code == "" && !d.Allowed && (d.Body != "" || len(d.Headers) > 0) {
		return s.policyRefusal(c, status)
	}
	return s.refusal(ctx, c, envoy.OutcomeDeny, login.Refusal{
		Status: status, Code: "forbidden", Message: message, DecisionID: c.id, SwitchAccount: c.request.Navigates,
		ReturnTo: httpreq.ReturnPath(c.request.Target.String()),
	})
}

// notProvisioned refuses someone whom the tenant's provider has not provisioned.
func (s *Server) notProvisioned(ctx context.Context, c *inquiry) (Answer, error) {
	c.reason = string(idp.CodeNotProvisioned)
	return s.refusal(ctx, c, envoy.OutcomeDeny, login.Refusal{
		Status: http.StatusForbidden, Code: string(idp.CodeNotProvisioned),
		Message:    "You are not set up for this application yet. Ask your administrator to assign it to you.",
		DecisionID: c.id, SwitchAccount: c.request.Navigates, ReturnTo: httpreq.ReturnPath(c.request.Target.String()),
	})
}

// policyRefusal sends the body and headers that the policy wrote itself.
func (s *Server) policyRefusal(c *inquiry, status int) (Answer, error) {
	w := newRecorder()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	for i, h := range c.decision.Headers {
		if i == 0 || !strings.EqualFold(h.Name, c.decision.Headers[i-1].Name) {
			w.Header().Del(h.Name)
		}
		w.Header().Add(h.Name, h.Value)
	}
	w.WriteHeader(status)
	if _, err := w.Write([]byte(c.decision.Body)); err != nil {
		return Answer{}, err
	}
	return w.answer(envoy.OutcomeDeny, c.id)
}

// stepUp asks for a fresher or stronger sign-in (RFC 9470 §3 for programs).
func (s *Server) stepUp(ctx context.Context, c *inquiry, want policies.StepUp) (Answer, error) {
	if c.request.Navigates {
		a, err := s.signIn(ctx, c, idp.Ask{ACR: want.ACR, MaxAge: want.MaxAge, Prompt: "login"})
		if a.outcome == envoy.OutcomeSignIn {
			a.outcome = envoy.OutcomeStepUp
		}
		return a, err
	}
	challenge := `Bearer error="insufficient_user_authentication"`
	if len(want.ACR) > 0 {
		challenge += `, acr_values="` + strings.NewReplacer(`"`, "", `\`, "").Replace(strings.Join(want.ACR, " ")) + `"`
	}
	if want.MaxAge != nil {
		challenge += `, max_age=` + strconv.Itoa(int(want.MaxAge.Seconds()))
	}
	return s.refusal(ctx, c, envoy.OutcomeStepUp, login.Refusal{
		Status: http.StatusUnauthorized, Code: "step_up_required", Message: c.decision.Reason, DecisionID: c.id,
	}, header{"Www-Authenticate", challenge})
}

// invalid is a request the gate will not interpret.
func (s *Server) invalid(ctx context.Context, c *inquiry, why *httpreq.Refusal) (Answer, error) {
	c.reason = why.Reason
	return s.refusal(ctx, c, envoy.OutcomeInvalid, login.Refusal{
		Status: why.Status, Code: "invalid_request", Message: "The request was refused: " + why.Message + ".", DecisionID: c.id,
	})
}

// faultAnswer says that the gate could not decide. It must not depend on what may be broken.
func (s *Server) faultAnswer(ctx context.Context, c *inquiry) (a Answer) {
	s.Log.ErrorContext(ctx, "check ended in a fault", "decision_id", c.id, "err", c.fault)
	defer func() {
		if recover() != nil || !a.finished() {
			a = bareFault()
		}
	}()
	a, err := s.refusal(ctx, c, envoy.OutcomeFault, login.Refusal{
		Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "The gate could not decide. Try again in a moment.",
		DecisionID: c.id, RetryAfter: true,
	}, header{"Retry-After", "1"})
	if err != nil {
		return Answer{}
	}
	return a
}

// stripCookies takes the gate's cookies from the line, or the line with them; never both in one answer.
func (u *upstream) stripCookies(cookies httpreq.Cookies, line string, names session.CookieNames) {
	rest := cookies.Without(names.Own()...)
	if rest != line && !printable(rest) {
		rest = onlyPrintable(rest)
	}
	switch {
	case line == "" || rest == line:
	case rest == "":
		u.Remove("cookie")
	default:
		u.set = append(u.set, header{"cookie", rest})
	}
}

// onlyPrintable keeps the cookies that fit into a message: one that is not UTF-8 would make the whole answer fail.
func onlyPrintable(line string) string {
	var kept []string
	for part := range strings.SplitSeq(line, ";") {
		if part = strings.TrimSpace(part); part != "" && printable(part) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "; ")
}
