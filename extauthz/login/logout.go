package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// logout ends the session here first, and only then sends the browser to the provider's own sign-out (OpenID Connect
// RP-Initiated Logout 1.0 §2). A provider that is down, or keeps its session, cannot keep ours alive.
func (h *Handler) logout(w http.ResponseWriter, v *visit) {
	if v.Method == http.MethodPost && !h.ownPost(v) {
		h.Page(w, Refusal{Status: http.StatusForbidden, Code: "forbidden", Message: "Sign-out was asked for by another site.", DecisionID: RequestID(v.Context())})
		return
	}
	state, back := v.target.Query.Get("state")
	switch {
	case v.Live && (back || v.Method == http.MethodGet && v.foreign()):
		h.confirmSignOut(w, v)
	case back:
		h.signedOut(w, v, h.returned(state))
	case v.Opens:
		h.signOut(w, v)
	default:
		if _, n := v.cookies.Get(h.CookieNames().Session); n > 0 {
			h.setCookie(w, h.CookieNames().Session, "", 0)
		}
		h.signedOut(w, v, "")
	}
}

// ownPost reports that a form of our own host posted. Browsers that send no Sec-Fetch-Site send Origin with a POST.
func (h *Handler) ownPost(v *visit) bool {
	if site := v.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return v.Header.Get("Origin") == h.absolute("")
}

// confirmSignOut asks, because another site's link must not sign people out, and an answer from a provider belongs to a
// session that is gone.
func (h *Handler) confirmSignOut(w http.ResponseWriter, v *visit) {
	h.render(w, http.StatusOK, page{
		Title: "Sign out?", Says: "You are signed in as " + v.User.UserName + ".", RequestID: RequestID(v.Context()),
		Links: []link{{"Sign out", pathLogout}, {"Stay signed in", "/"}},
	})
}

func (h *Handler) signOut(w http.ResponseWriter, v *visit) {
	ctx := v.Context()
	hash := v.Token.ID.Hash()
	tokens, err := h.Sessions.Tokens(ctx, v.Token.Tenant, hash) // before the session ends: they end with it
	if err != nil {
		h.log().WarnContext(ctx, "sign-out without a hint for the provider", "tenant", v.Token.Tenant, "request_id", RequestID(ctx), "err", err)
	}
	actor := string(v.Session.User)
	if actor == "" {
		actor = "gate"
	}
	n, err := h.Sessions.Revoke(ctx, v.Token.Tenant, session.Revocation{Hash: &hash, Reason: "signed out", Actor: actor})
	if err != nil { // the cookie stays: a page that says otherwise would leave an open session behind
		h.fault(w, v.Request, fmt.Errorf("end session: %w", err))
		return
	}
	h.setCookie(w, h.CookieNames().Session, "", 0)
	if n > 0 {
		h.recordSignOut(ctx, v, actor)
	}
	h.toSignOut(w, v, tokens)
}

func (h *Handler) recordSignOut(ctx context.Context, v *visit, actor string) {
	h.log().InfoContext(ctx, "signed out", "tenant", v.Token.Tenant, "connection", v.Session.Connection, "user", v.Session.User, "request_id", RequestID(ctx))
	row := audit.Event{
		At: h.Now(), Tenant: v.Token.Tenant, Actor: actor, Action: audit.SignedOut, Target: v.Token.ID.Hash().SID(),
		Connection: v.Session.Connection, Subject: v.Session.Subject, Outcome: "ok", RequestID: RequestID(ctx), IP: v.ip(),
	}
	if err := h.Audit.Record(ctx, row); err != nil { // the session is over; nothing can be taken back
		h.log().ErrorContext(ctx, "audit row lost", "tenant", v.Token.Tenant, "request_id", RequestID(ctx), "err", err)
	}
}

// toSignOut goes on to the provider's sign-out where there is one, and says so where there is none.
func (h *Handler) toSignOut(w http.ResponseWriter, v *visit, tokens session.Tokens) {
	c, ok := v.Realm.Connection(v.Session.Connection)
	if !ok {
		h.signedOut(w, v, "")
		return
	}
	to, err := h.providerSignOut(w, v, c, tokens)
	if err == nil {
		h.send(w, v.Request, to)
		return
	}
	if !errors.Is(err, idp.ErrNoLogout) {
		h.log().WarnContext(v.Context(), "provider's sign-out cannot be reached", "tenant", c.Tenant, "connection", c.ID, "request_id", RequestID(v.Context()), "err", err)
	}
	// Its own session goes on, so that the next sign-in would pass without a question.
	f, _, err := h.begin(v.flow)
	if err == nil {
		f.choose = true
		err = h.setFlow(w, f)
	}
	if err != nil {
		h.log().ErrorContext(v.Context(), "flow cookie not set", "request_id", RequestID(v.Context()), "err", err)
	}
	h.signedOut(w, v, "You may still be signed in at "+c.Name+". On a shared computer, sign out there too.")
}

func (h *Handler) providerSignOut(w http.ResponseWriter, v *visit, c idp.Connection, tokens session.Tokens) (idp.Redirect, error) {
	connector, ok := h.Connectors[c.Protocol].(idp.Logouter)
	if !ok || !c.Enabled {
		return idp.Redirect{}, idp.ErrNoLogout
	}
	l := idp.Logout{
		IDToken: tokens.IDToken, NameID: tokens.NameID, Subject: v.Session.Subject, SID: v.Session.IdPSID, ReturnTo: h.absolute(pathLogout),
	}
	var a attempt
	var err error
	if c.Protocol == idp.SAML {
		a = h.newLogout(c)
		l.Relay, l.RequestID = a.Relay, a.RequestID()
	} else if l.Relay, err = h.sealLogout(c); err != nil {
		return idp.Redirect{}, err
	}
	if !h.enter(c.ID) {
		return idp.Redirect{}, errors.New("too many calls in flight")
	}
	defer h.leave(c.ID)
	ctx, cancel := callContext(v.Context())
	defer cancel()
	to, err := connector.Logout(ctx, c, l)
	if err != nil || c.Protocol != idp.SAML {
		return to, err
	}
	return to, h.carry(w, v, a, "")
}

// sealLogout makes the state of a sign-out. It is sealed for another use than an attempt's, so neither passes for the other.
func (h *Handler) sealLogout(c idp.Connection) (string, error) {
	b := packInt64([]byte{byte(idp.KindLogout)}, h.Now().Unix())
	b = packText(packText(b, string(c.Tenant)), string(c.ID))
	return h.Ring.Seal(session.ForState, h.logoutBound(), b)
}

// returned is what the page says of a browser that is back from the provider's sign-out: nothing, unless the state is ours.
func (h *Handler) returned(state string) string {
	plain, _, err := h.Ring.Open(session.ForState, h.logoutBound(), state)
	if err != nil {
		return ""
	}
	u := unpacker{rest: plain}
	kind, at := idp.Kind(u.byte()), time.Unix(u.int64(), 0)
	_, tenantErr := tenant.ParseID(u.text())
	_, connectionErr := tenant.ParseConnectionID(u.text())
	age := h.Now().Sub(at)
	if !u.done() || kind != idp.KindLogout || tenantErr != nil || connectionErr != nil || age >= attemptTTL || age < -clockSkew {
		return ""
	}
	return "You are signed out at your identity provider as well."
}

func (h *Handler) signedOut(w http.ResponseWriter, v *visit, says string) {
	if says == "" {
		says = "You can close this page."
	}
	h.render(w, http.StatusOK, page{
		Title: "You are signed out", Says: says, RequestID: RequestID(v.Context()), Links: []link{{"Sign in again", pathLogin}},
	})
}
