package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// callback takes a browser back from its provider. The order is the security of it: nothing is sent to a provider, and
// nothing of the answer is believed, before the attempt is known to be ours, fresh, of this browser and unused.
func (h *Handler) callback(w http.ResponseWriter, v *visit) {
	if v.repeats() {
		h.twice(w, v)
		return
	}
	a, keyID, err := h.openAttempt(v.get("state"))
	if err != nil {
		h.signInPage(w, v, http.StatusBadRequest, ask{returnTo: "/"}, noticeAgain, "")
		return
	}
	realm, _, err := h.realm(v.Context(), a.Tenant)
	if err != nil {
		h.fault(w, v.Request, err)
		return
	}
	c, found := realm.Connection(a.Connection)
	if !found {
		c = idp.Connection{ID: a.Connection, Tenant: a.Tenant, Protocol: idp.OIDC}
	}
	back := returning{attempt: a, keyID: keyID, connection: c}
	if !a.fresh(h.Now()) || !a.of(v.flow) {
		h.notOurs(w, v, back, idp.CodeState)
		return
	}
	if err := fits(v, back, found); err != nil {
		h.end(w, v, back, "", err)
		return
	}
	h.arrive(w, v, back)
}

// returning is an attempt whose browser is back, and the connection its state names.
type returning struct {
	attempt
	keyID      string
	connection idp.Connection
}

// fits holds the attempt against the connection as it is now, and against the path the answer came to.
func fits(v *visit, b returning, found bool) error {
	refuse := func(why string) error { return &idp.Error{Code: idp.CodeConnection, Err: errors.New(why)} }
	c := b.connection
	want := callbackPath(c)
	switch {
	case "/"+strings.Join(v.target.Segments, "/") != want:
		return refuse("answer came to the callback of another connection")
	case !found:
		return refuse("connection is gone")
	case !c.Enabled:
		return refuse("connection is disabled")
	case c.Protocol != idp.OIDC:
		return refuse("connection does not speak OpenID Connect")
	case c.Version != b.Version:
		return refuse("connection was changed since the attempt began")
	case c.Settings.SharedCallback && c.Settings.ClientAuth == idp.AuthNone:
		return refuse("a client without authentication must not use the shared callback")
	}
	return nil
}

// retriesOfTabs is how often a browser that keeps cookies is sent again for an attempt that does not fit its flow cookie.
// Of many tabs restored at once, without that cookie, each is given one, and the slower overtake the quicker.
const retriesOfTabs = 3

// notOurs is for an attempt that opens and is too old, used, or of another browser. That is mostly a person with many
// tabs: with a session they land, without one they are sent again, mostly once. Anybody can get such an attempt and lead
// others to it: it exchanges nobody's account for one at another company without asking them.
func (h *Handler) notOurs(w http.ResponseWriter, v *visit, b returning, code idp.Code) {
	if v.Live && v.Session.Tenant == b.Tenant && b.Kind != idp.KindTest {
		redirect(w, http.StatusSeeOther, h.absolute(b.landing()))
		return
	}
	most := 1
	if code == idp.CodeState && v.flow.opens {
		most = retriesOfTabs
	}
	if b.Retry >= most || b.Kind == idp.KindTest || !b.connection.Enabled {
		h.end(w, v, b, "", &idp.Error{Code: code, Err: errors.New("attempt is expired, used, or of another browser")})
		return
	}
	if v.Live {
		h.confirmSwitch(w, v, b.connection, ask{returnTo: b.landing()})
		return
	}
	h.again(w, v, b, b.Ask)
}

// again sends the browser to the provider once more.
func (h *Handler) again(w http.ResponseWriter, v *visit, b returning, a idp.Ask) {
	h.toProvider(w, v, b.connection, wanted{returnTo: b.landing(), ask: a, retry: b.Retry + 1})
}

// held reports that the person's session is alive, and that this attempt was not begun because policy wants more of them.
func (b returning) held(v *visit) bool {
	return v.Live && v.Session.Tenant == b.Tenant && b.plain()
}

// arrive finishes an attempt of this browser over a connection that stands.
func (h *Handler) arrive(w http.ResponseWriter, v *visit, b returning) {
	c := b.connection
	if h.overtaken(w, v, b) {
		return
	}
	if !h.enter(c.ID) { // before the attempt is used up: reloading the page tries again
		h.busy(w, v, c)
		return
	}
	defer h.leave(c.ID)
	ctx, cancel := callContext(v.Context())
	defer cancel()
	err := h.useUp(ctx, b)
	if errors.Is(err, session.ErrUsed) {
		h.notOurs(w, v, b, idp.CodeReplay)
		return
	}
	if err != nil {
		h.failed(w, v, b, fmt.Errorf("use up attempt: %w", err))
		return
	}
	h.finish(ctx, w, v, b)
}

// useUp burns an attempt, for as long as it would be taken. session.ErrUsed: somebody did before.
func (h *Handler) useUp(ctx context.Context, b returning) error {
	return h.Once.Burn(ctx, b.connection.Tenant, b.connection.ID, "attempt", sha256.Sum256(b.ID[:]), b.Begun.Add(attemptTTL+clockSkew))
}

// overtaken answers for an attempt that what happened in this browser since has made needless, or suspect.
func (h *Handler) overtaken(w http.ResponseWriter, v *visit, b returning) bool {
	c := b.connection
	switch {
	case b.Kind == idp.KindTest: // signs nobody in
		return false
	case b.held(v) && v.Session.Connection == c.ID && v.Session.Created.After(b.Begun):
		h.drop(w, b.attempt)
		redirect(w, http.StatusSeeOther, h.absolute(b.landing())) // another tab was faster: its session is this one's too
	case v.byTwin && v.Live && v.Session.Connection != c.ID && v.Session.Hash != b.over:
		h.confirmSwitch(w, v, c, ask{returnTo: b.landing()}) // begun by a page that knew nothing of it, or before it
	case v.Live && v.Session.Tenant != b.Tenant && v.Session.Created.After(b.Begun):
		h.confirmSwitch(w, v, c, ask{returnTo: b.landing()}) // its provider kept the answer until they had signed in elsewhere
	case !b.held(v) && v.flow.looping(h.Now()):
		h.end(w, v, b, "", &idp.Error{Code: idp.CodeLoop, Err: errors.New("fifth sign-in within a minute")})
	default:
		return false
	}
	return true
}

// finish asks the provider, writes the session and lets the browser land.
func (h *Handler) finish(ctx context.Context, w http.ResponseWriter, v *visit, b returning) {
	c := b.connection
	var err error
	if b.Key, err = h.attemptKey(b.keyID, v.flow, b.ID); err != nil {
		h.failed(w, v, b, err)
		return
	}
	b.Callback = h.absolute(callbackPath(c))
	connector, ok := h.Connectors[c.Protocol]
	if !ok {
		h.failed(w, v, b, fmt.Errorf("no connector speaks %q", c.Protocol))
		return
	}
	who, err := connector.Complete(ctx, c, b.Attempt, v.Request)
	if b.Kind == idp.KindTest {
		h.tested(ctx, w, v, b, who, err)
		return
	}
	if idp.CodeOf(err) == idp.CodeInteraction && b.Ask.Prompt == "none" && b.Retry == 0 {
		interactive := b.Ask
		interactive.Prompt = ""
		h.again(w, v, b, interactive)
		return
	}
	if err = belongs(c, who, err); err != nil {
		h.end(w, v, b, "", err)
		return
	}
	h.admit(ctx, w, v, b, who)
}

// belongs holds a connector to the connection it was asked about.
func belongs(c idp.Connection, who idp.Identity, err error) error {
	if err == nil && (who.Tenant != c.Tenant || who.Connection != c.ID) {
		return errors.New("connector answered for another connection")
	}
	return err
}

// admit makes the session. Its id is always new, and the one this browser had ends, so that a session someone planted
// or left behind is worth nothing.
func (h *Handler) admit(ctx context.Context, w http.ResponseWriter, v *visit, b returning, who idp.Identity) {
	c := b.connection
	in := session.SignIn{
		Identity: who, ID: session.NewID(), Attempt: b.ID, Begun: b.Begun, Limits: h.Limits,
		ConnectionEpoch: c.Epoch, ConnectionVersion: c.Version, // of the copy that the answer was held against
		IP: v.ip(), UserAgent: agent(v.UserAgent()), RequestID: RequestID(ctx),
	}
	had, old, owned := v.owned()
	if owned && had == c.Tenant {
		in.Replaces = &old
	}
	made, user, err := h.Sessions.SignIn(ctx, in)
	if errors.Is(err, session.ErrUsed) {
		err = replayed(c, err)
	}
	if err != nil {
		h.end(w, v, b, who.Subject, err)
		return
	}
	if owned && had != c.Tenant {
		h.leaveOther(ctx, had, old)
	}
	now := h.Now()
	name := h.CookieNames().Session
	value, err := session.SealToken(h.Ring, session.Bound(name, h.host()), session.Token{ID: in.ID, Tenant: c.Tenant, Issued: now})
	if err == nil {
		err = h.remember(w, v, v.flow.after(c, now, !b.held(v)), c.Tenant, in.ID.Hash())
	}
	if err != nil {
		h.failed(w, v, b, err)
		return
	}
	h.setCookie(w, name, value, made.AbsoluteExpiry.Sub(now))
	h.report(b, "ok")
	h.log().InfoContext(ctx, "signed in", "tenant", c.Tenant, "connection", c.ID, "user", user.ID, "request_id", RequestID(ctx))
	redirect(w, http.StatusSeeOther, h.absolute(b.landing()))
}

// replayed is the refusal of what was accepted before.
func replayed(c idp.Connection, err error) error {
	if c.Protocol == idp.SAML {
		return &idp.Error{Code: idp.CodeSAMLReplay, Detail: session.UsedKind(err), Err: err}
	}
	return &idp.Error{Code: idp.CodeReplay, Err: err}
}

// remember gives the browser both copies of f, the twin with the session it has now.
func (h *Handler) remember(w http.ResponseWriter, v *visit, f flow, t tenant.ID, s session.Hash) error {
	if err := h.setFlow(w, f); err != nil {
		return err
	}
	next := v.twin.holding(t, s)
	next.flow = f
	return h.setTwin(w, next)
}

// leaveOther ends the session this browser had at another tenant. No cookie leads there any more; that it could not be
// ended keeps nobody out of the new one.
func (h *Handler) leaveOther(ctx context.Context, t tenant.ID, old session.Hash) {
	if _, err := h.Sessions.Revoke(ctx, t, session.Revocation{Hash: &old, Reason: "replaced", Actor: "gate"}); err != nil {
		h.log().ErrorContext(ctx, "replaced session not ended", "tenant", t, "request_id", RequestID(ctx), "err", err)
	}
}

// end shows why an attempt is over: theirs with its own page and audit row, ours as a 503.
func (h *Handler) end(w http.ResponseWriter, v *visit, b returning, subject string, err error) {
	code := idp.CodeOf(err)
	if code == "" {
		h.failed(w, v, b, fmt.Errorf("complete sign-in over %s: %w", b.Connection, err))
		return
	}
	if counts(code) {
		what := stray
		if b.ID != [16]byte{} {
			what = awaited
		}
		h.failures.add(v.source(), b.connection.ID, what, h.Now())
	}
	h.report(b, string(code))
	h.refused(w, v, b.connection, b.landing(), subject, err)
}

func (h *Handler) failed(w http.ResponseWriter, v *visit, b returning, err error) {
	h.report(b, "error")
	h.fault(w, v.Request, err)
}

func (h *Handler) report(b returning, result string) {
	if h.OnSignIn != nil {
		h.OnSignIn(b.connection.Protocol, b.connection.Provider, result, h.Now().Sub(b.Begun))
	}
}

// agent keeps of a User-Agent what every store takes.
func agent(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return cut(s, 256)
}
