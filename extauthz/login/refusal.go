package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
)

// The words of Refusal.Code that this package chooses itself.
const (
	unauthenticated = "unauthenticated"
	invalidRequest  = "invalid_request"
	unavailable     = "unavailable"
)

// Refusal is an answer that says no, in the form people and programs read alike.
type Refusal struct {
	Status        int
	Code          string // unauthenticated, forbidden, not_provisioned, step_up_required, invalid_request or unavailable
	Message       string // one sentence, shown as it is
	DecisionID    string
	SwitchAccount bool   // offer another account
	RetryAfter    bool   // our fault: ask again in a second
	ReturnTo      string // where to go after another sign-in; optional
}

// heading is a page's first line.
func (f Refusal) heading() string {
	switch f.Status {
	case http.StatusUnauthorized:
		return "Please sign in"
	case http.StatusForbidden:
		return "You do not have access to this page"
	case http.StatusNotFound:
		return "Page not found"
	case http.StatusServiceUnavailable:
		return "Not available at the moment"
	default:
		return "This request cannot be answered"
	}
}

// Page writes the refusal as a page.
func (h *Handler) Page(w http.ResponseWriter, f Refusal) {
	p := page{Title: f.heading(), Says: sentence(f.Message), RequestID: f.DecisionID}
	switch f.Status {
	case http.StatusUnauthorized:
		p.Links = append(p.Links, link{"Sign in", h.loginPath("return_to", f.ReturnTo)})
	case http.StatusForbidden:
		p.Next = "If you think you should have access, ask your administrator and quote the request id."
	case http.StatusServiceUnavailable:
		p.Next = "Nothing is lost. Load the page again in a moment."
	}
	if f.SwitchAccount {
		p.Links = append(p.Links, link{"Use another account", h.loginPath("switch", "1", "return_to", f.ReturnTo)})
	}
	if f.RetryAfter {
		w.Header().Set("Retry-After", "1")
	}
	h.render(w, f.Status, p)
}

// JSON writes the refusal for programs. loginURL is added to a 401.
func JSON(w http.ResponseWriter, f Refusal, loginURL string) {
	body := struct {
		Error      string `json:"error"`
		Message    string `json:"message"`
		DecisionID string `json:"decision_id"`
		LoginURL   string `json:"login_url,omitempty"`
	}{Error: f.Code, Message: f.Message, DecisionID: f.DecisionID}
	if f.Status == http.StatusUnauthorized {
		body.LoginURL = loginURL
	}
	if f.RetryAfter {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, f.Status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // only strings and times go in
		status, b = http.StatusServiceUnavailable, []byte(`{"error":"unavailable"}`)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the browser is gone: nobody is left to tell
}

// fault answers for an error of ours. It tells the person nothing but the id to ask about.
func (h *Handler) fault(w http.ResponseWriter, r *http.Request, err error) {
	h.Page(w, h.ours(r, err))
}

// ours notes an error of ours, for the log and for Faulted, and says what the asker is told.
func (h *Handler) ours(r *http.Request, err error) Refusal {
	h.log().ErrorContext(r.Context(), "sign-in pages cannot answer", "request_id", RequestID(r.Context()), "err", err)
	if request, ok := r.Context().Value(requestKey{}).(*request); ok {
		request.faulted.Store(true)
	}
	return h.faulty(r)
}

func (h *Handler) faulty(r *http.Request) Refusal {
	return Refusal{
		Status: http.StatusServiceUnavailable, Code: unavailable, RetryAfter: true,
		Message: "Something went wrong on our side.", DecisionID: RequestID(r.Context()),
	}
}

// twice answers for a parameter that was given twice.
func (h *Handler) twice(w http.ResponseWriter, v *visit) {
	h.Page(w, Refusal{Status: http.StatusBadRequest, Code: invalidRequest, Message: "A parameter was given twice.", DecisionID: RequestID(v.Context())})
}

// busy answers for a provider that too many people wait for already.
func (h *Handler) busy(w http.ResponseWriter, v *visit, c idp.Connection) {
	h.log().WarnContext(v.Context(), "too many calls to identity providers in flight", "tenant", c.Tenant, "connection", c.ID, "request_id", RequestID(v.Context()))
	f := h.faulty(v.Request)
	f.Message = "Too many people are signing in at this moment."
	h.Page(w, f)
}

// refused ends an attempt: a page for the person, a line for the operator and, within bounds, a row for the tenant's auditor.
func (h *Handler) refused(w http.ResponseWriter, v *visit, c idp.Connection, returnTo, subject string, err error) {
	h.noteRefusal(v.Context(), v, c, audit.SignInRefused, subject, err)
	h.explained(w, idp.CodeOf(err), RequestID(v.Context()), c, returnTo)
}

// reason names the rule that was broken, as exactly as it is known.
func reason(err error) string {
	if e, ok := errors.AsType[*idp.Error](err); ok {
		return e.Reason()
	}
	return ""
}

func (h *Handler) noteRefusal(ctx context.Context, v *visit, c idp.Connection, action audit.Action, subject string, err error) {
	attrs := []any{"tenant", c.Tenant, "connection", c.ID, "reason", reason(err), "request_id", RequestID(ctx), "err", err}
	if e, ok := errors.AsType[*idp.Error](err); ok && e.Hint != "" {
		attrs = append(attrs, "hint", e.Hint)
	}
	if e := v.get("error"); e != "" { // written by the provider, or by anyone: for the operator's eyes only
		attrs = append(attrs, "provider_error", cut(e, 64), "provider_error_description", cut(v.get("error_description"), 256))
	}
	audited := h.refusals.claim(c.ID, h.Now())
	if !audited {
		attrs = append(attrs, "audited", false)
	}
	if action == audit.SignOutRefused {
		h.log().WarnContext(ctx, "sign-out refused", attrs...)
	} else {
		h.log().WarnContext(ctx, "sign-in refused", attrs...)
	}
	if audited {
		h.recordRefusal(ctx, v, c, action, subject, reason(err))
	}
}

func (h *Handler) recordRefusal(ctx context.Context, v *visit, c idp.Connection, action audit.Action, subject, why string) {
	id := RequestID(ctx)
	row := audit.Event{
		At: h.Now(), Tenant: c.Tenant, Actor: "gate", Action: action, Target: string(c.ID), Connection: c.ID,
		Subject: subject, Outcome: "refused", Reason: why, RequestID: id, IP: v.ip(),
	}
	if err := h.Audit.Record(ctx, row); err != nil { // the person stays out either way
		h.log().ErrorContext(ctx, "audit row lost", "tenant", c.Tenant, "request_id", id, "err", err)
	}
}

// explained shows the page of a code.
func (h *Handler) explained(w http.ResponseWriter, code idp.Code, id string, c idp.Connection, returnTo string) {
	status := explain(code).status
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	h.render(w, status, h.explanation(code, id, c, returnTo))
}

func (h *Handler) explanation(code idp.Code, id string, c idp.Connection, returnTo string) page {
	e := explain(code)
	p := page{Title: "Sign-in could not be completed", Says: e.says, Next: e.next, Code: shown(code), RequestID: id}
	if code == idp.CodeSAMLReplay { // the first use may have signed them in
		p.Links = append(p.Links, link{"Continue", "/"})
	}
	if e.retry {
		again := "Try again"
		if code == idp.CodeSAMLUnsolicited {
			again = "Sign in"
		}
		p.Links = append(p.Links, link{again, h.loginPath("connection", string(c.ID), "return_to", returnTo)})
	}
	if e.choose {
		p.Links = append(p.Links, link{"Use another account", h.loginPath("switch", "1", "return_to", returnTo)})
	}
	return p
}

// sentence makes a page's sentence of a policy's or an error's words.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if s[0] >= 'a' && s[0] <= 'z' {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if strings.ContainsAny(s[len(s)-1:], ".?!") {
		return s
	}
	return s + "."
}

// cut keeps the first n runes.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
