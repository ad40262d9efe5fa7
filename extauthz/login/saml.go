package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/idp"
)

// acs takes a browser back from a SAML provider: the assertion consumer service (SAML 2.0 Profiles §4.1.4.4). The address
// chooses connection and keys, never what the response says; the attempt comes from a sealed cookie of this browser.
func (h *Handler) acs(w http.ResponseWriter, v *visit) {
	c, connector, ok := h.addressed(w, v, (*Handler).connection)
	if !ok || !h.readBody(w, v) {
		return
	}
	v.useTwin()
	a, found := h.carried(v, relayState(v.posted))
	if h.throttled(w, v, c, h.expects(v, c, a)) {
		return
	}
	if err := h.acrossSites(v.Context(), v); err != nil {
		h.fault(w, v.Request, err)
		return
	}
	if !found {
		id, err := pick(v, c, connector)
		switch {
		case err != nil:
			h.end(w, v, h.unknown(c), "", err)
			return
		case id == "":
			h.unsolicited(w, v, c)
			return
		}
		a, found = h.requested(v, id)
	}
	if !found || !a.signsIn() {
		h.lost(w, v, c, "")
		return
	}
	b := returning{attempt: a, connection: c}
	switch {
	case a.Tenant != c.Tenant || a.Connection != c.ID:
		h.end(w, v, b, "", &idp.Error{Code: idp.CodeConnection, Detail: "callback", Err: errors.New("answer came to the callback of another connection")})
	case (!a.fresh(h.Now()) || !a.of(v.flow)) && a.Kind == idp.KindTest: // what begins again would sign in
		h.end(w, v, b, "", &idp.Error{Code: idp.CodeState, Err: errors.New("test is over, or of another browser")})
	case !a.fresh(h.Now()) || !a.of(v.flow):
		h.lost(w, v, c, a.Relay)
	case a.issuer != issuerDigest(c): // other settings may have changed: the answer is held against them as they are now
		h.end(w, v, b, "", &idp.Error{Code: idp.CodeConnection, Detail: "issuer", Err: errors.New("connection has another provider since the attempt began")})
	case !h.overtaken(w, v, b):
		h.accept(w, v, b, connector)
	}
}

// accept verifies the response and signs in. The attempt is used up in the transaction that writes the session, together
// with the assertion: before, nothing is known of the response that would be worth an attempt.
func (h *Handler) accept(w http.ResponseWriter, v *visit, b returning, connector idp.Connector) {
	ctx, cancel := callContext(v.Context())
	defer cancel()
	b.Callback = h.absolute(callbackPath(b.connection))
	who, err := connector.Complete(ctx, b.connection, b.Attempt, v.again())
	err = belongs(b.connection, who, err)
	if code := idp.CodeOf(err); err == nil || code != "" && code != idp.CodeSAMLBusy { // else loading the page again may help
		h.drop(w, b.attempt)
	}
	switch {
	case b.Kind == idp.KindTest:
		h.burnTest(ctx, w, v, b, who, err)
	case idp.CodeOf(err) == idp.CodeSAMLBusy:
		h.crowded(w, v, b, err)
	case err != nil:
		h.end(w, v, b, "", err)
	default:
		h.admit(ctx, w, v, b, who)
	}
}

// crowded serves an answer that found no room to be verified. Where many tabs came back at once another of them has mostly
// signed in by now, which a page of our own sees: it lands there, and else says that there was no room.
func (h *Handler) crowded(w http.ResponseWriter, v *visit, b returning, err error) {
	h.report(b, string(idp.CodeOf(err)))
	h.noteRefusal(v.Context(), v, b.connection, audit.SignInRefused, "", err)
	redirect(w, http.StatusSeeOther, h.absolute(h.loginPath("connection", string(b.connection.ID), "again", b.Relay, "busy", "1")))
}

// addressed finds the connection that the path names, by find, and what speaks SAML to it. Where there is none it has
// answered: unknown, disabled and of another protocol look alike.
func (h *Handler) addressed(w http.ResponseWriter, v *visit, find func(*Handler, context.Context, string) (idp.Connection, bool, error)) (idp.Connection, idp.Connector, bool) {
	name := v.target.Segments[len(v.target.Segments)-1]
	if v.target.Under("auth", "saml") {
		name = v.target.Segments[2]
	}
	c, ok, err := find(h, v.Context(), name)
	if err != nil {
		h.fault(w, v.Request, err)
		return c, nil, false
	}
	connector := h.Connectors[idp.SAML]
	if !ok || c.Protocol != idp.SAML || connector == nil {
		h.nowhere(w, v)
		return c, nil, false
	}
	return c, connector, true
}

// pick asks which request the response says it answers: RelayState may have been lost on the way.
func pick(v *visit, c idp.Connection, connector idp.Connector) (string, error) {
	picker, ok := connector.(idp.AttemptPicker)
	if !ok {
		return "", &idp.Error{Code: idp.CodeSAMLAttempt, Err: errors.New("no attempt, and the connector cannot find one")}
	}
	return picker.Pick(v.Context(), c, v.again())
}

// unknown stands for an attempt that is not there, so that its end is told like any other.
func (h *Handler) unknown(c idp.Connection) returning {
	var b returning
	b.connection, b.Kind, b.Tenant, b.Connection, b.Begun = c, idp.KindSignIn, c.Tenant, c.ID, h.Now()
	return b
}

// lost sends a browser whose attempt is gone, over, or of another flow to our own pages: with the cookies that stayed
// behind, a session another tab has won is seen there, and else a sign-in begins again (see resume).
func (h *Handler) lost(w http.ResponseWriter, v *visit, c idp.Connection, handle string) {
	h.log().InfoContext(v.Context(), "answer without its attempt", "tenant", c.Tenant, "connection", c.ID, "request_id", RequestID(v.Context()))
	h.homeward(w, v, c, handle)
}

// unsolicited serves a response that nobody asked for, such as a tile's on the provider's start page. It is never
// accepted: whoever makes someone else's browser post one would sign them in to an account of their choosing.
func (h *Handler) unsolicited(w http.ResponseWriter, v *visit, c idp.Connection) {
	if c.SAML.IdPInitiated == idp.InitiatedBounce {
		h.homeward(w, v, c, "") // thrown away; the provider's own session answers the request that follows
		return
	}
	h.end(w, v, h.unknown(c), "", &idp.Error{
		Code: idp.CodeSAMLUnsolicited, Err: errors.New("response to no request"),
		Hint: "The sign-in began at the identity provider. Begin it here, or let the connection answer such responses with a sign-in of its own (IdP-initiated: bounce).",
	})
}

// noAttempt is the value of the parameter again where there is no handle to go by.
const noAttempt = "1"

// homeward goes on by a GET of our own. The twin must be there when it arrives: it is how a browser shows that it keeps
// cookies, for one that keeps none would come back here for ever.
func (h *Handler) homeward(w http.ResponseWriter, v *visit, c idp.Connection, handle string) {
	if handle == "" {
		handle = noAttempt
	}
	if !v.twin.flow.opens {
		f, _, err := h.begin(v.flow)
		if err == nil {
			next := v.twin
			next.flow = f
			err = h.setTwin(w, next)
		}
		if err != nil {
			h.fault(w, v.Request, err)
			return
		}
	}
	redirect(w, http.StatusSeeOther, h.absolute(h.loginPath("connection", string(c.ID), "again", handle)))
}

// resume is where homeward leads. It lands on a session that is alive, asks before it exchanges one, and else begins again:
// once for an attempt that is there and over, and for what has none only so often. After an answer that found no room it
// says so first: beginning again at once would only add to the crowd.
func (h *Handler) resume(w http.ResponseWriter, v *visit, c idp.Connection, again string) {
	want := wanted{returnTo: "/", retry: 1}
	a, have := h.carried(v, again)
	have = have && a.Kind == idp.KindSignIn && a.Tenant == c.Tenant && a.Connection == c.ID
	if have {
		want.returnTo, want.ask = a.landing(), a.Ask
	}
	switch {
	case v.Live && v.Session.Tenant == c.Tenant && (!have || a.plain()):
		if have {
			h.drop(w, a)
		}
		redirect(w, http.StatusSeeOther, h.absolute(want.returnTo))
		return
	case v.Live && v.Session.Tenant != c.Tenant:
		h.confirmSwitch(w, v, c, ask{returnTo: want.returnTo})
		return
	}
	if v.get("busy") == "1" {
		if have && a.Retry == 0 { // once, and after a breath
			w.Header().Set("Refresh", "1; url="+h.loginPath("connection", string(c.ID), "again", again))
		}
		h.explained(w, idp.CodeSAMLBusy, RequestID(v.Context()), c, want.returnTo)
		return
	}
	if want.by = !have || a.Retry > 0; !v.twin.flow.opens || want.by && v.twin.restless(h.Now()) {
		h.end(w, v, h.unknown(c), "", &idp.Error{
			Code: idp.CodeSAMLAttempt, Err: errors.New("browser came back without the attempt it was given"),
			Hint: "The browser refuses this site's cookies, or its clock is wrong. Cookies must be allowed for this site, also when another site sends people here.",
		})
		return
	}
	if have {
		h.drop(w, a)
		want.instead = a.Relay
	}
	h.toProvider(w, v, c, want)
}

// expects tells a message that answers attempt a, which the browser brought along, from one that nobody here waits for.
func (h *Handler) expects(v *visit, c idp.Connection, a attempt) message {
	if a.signsIn() && a.Tenant == c.Tenant && a.Connection == c.ID && a.fresh(h.Now()) && a.of(v.flow) {
		return awaited
	}
	return stray
}

// throttled answers for a client whose messages keep failing, or for a connection whose do, and reports that it has.
func (h *Handler) throttled(w http.ResponseWriter, v *visit, c idp.Connection, what message) bool {
	wait := h.failures.wait(v.source(), c.ID, what, h.Now())
	if wait <= 0 {
		return false
	}
	h.log().WarnContext(v.Context(), "too many messages failed", "tenant", c.Tenant, "connection", c.ID, "request_id", RequestID(v.Context()))
	w.Header().Set("Retry-After", retryAfter(wait))
	h.render(w, http.StatusTooManyRequests, h.explanation(idp.CodeSAMLBusy, RequestID(v.Context()), c, "/"))
	return true
}

// readBody reads what was posted, once: connectors read it from copies. Where it cannot it has answered.
func (h *Handler) readBody(w http.ResponseWriter, v *visit) bool {
	if v.Method != http.MethodPost {
		return true
	}
	var err error
	v.posted, err = io.ReadAll(http.MaxBytesReader(w, v.Body, envoy.LargestBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		h.Page(w, Refusal{Status: http.StatusRequestEntityTooLarge, Code: invalidRequest, Message: "The request's body is too large.", DecisionID: RequestID(v.Context())})
		return false
	}
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("read body: %w", err))
		return false
	}
	return true
}

// again is the request with its whole body before it.
func (v *visit) again() *http.Request {
	r := *v.Request
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(v.posted)), int64(len(v.posted))
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	return &r
}

// relayState finds the handle in a form. Whether the form as a whole is one that two readers take alike is the connector's
// to judge; a handle chooses among this browser's own cookies and no more.
func relayState(form []byte) string {
	var found string
	for pair := range bytes.SplitSeq(form, []byte("&")) {
		value, ok := strings.CutPrefix(string(pair[:min(len(pair), 64)]), "RelayState=")
		switch {
		case !ok:
		case found != "" || !isHandle(value):
			return ""
		default:
			found = value
		}
	}
	return found
}
