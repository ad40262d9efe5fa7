package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// callTime bounds what a request may wait for an identity provider, and callMargin what is kept of the caller's own
// deadline to still show a page.
const (
	callTime   = 12 * time.Second
	callMargin = 100 * time.Millisecond
)

var errAddress = errors.New("connector made a redirect that is not an https address")

// wanted is what an attempt is begun for.
type wanted struct {
	returnTo string
	ask      idp.Ask
	retry    int
	test     *[16]byte // of a connection's test: its id
	by       bool      // the gate begins it by itself, which it may do now and then only
	instead  string    // the handle of the attempt it takes the place of
	over     session.Hash
}

// Start answers a navigation that has to sign in first, or again where ask says how: straight to the identity provider
// when the tenant and its connection are known, else to the sign-in page. r is the dashboard's request; v is who its
// session cookie names.
func (h *Handler) Start(w http.ResponseWriter, r *http.Request, v Visitor, ask idp.Ask) {
	if RequestID(r.Context()) == "" {
		r = r.WithContext(WithRequestID(r.Context(), tenant.RandomName()))
	}
	visit, err := h.parse(r, asked(r))
	if err != nil { // extauthz has parsed the same bytes before
		h.fault(w, r, err)
		return
	}
	visit.Visitor = v
	want := wanted{returnTo: httpreq.ReturnPath(asked(r)), ask: ask}
	c, ok, err := h.known(r.Context(), visit)
	switch {
	case err != nil:
		h.fault(w, r, err)
	case ok:
		h.toProvider(w, visit, c, want)
	default:
		redirect(w, http.StatusFound, h.absolute(h.loginPath("return_to", want.returnTo)))
	}
}

// asked is the target of a request, in the bytes it was sent in where they are known.
func asked(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return target(r.URL)
}

// known says which connection a browser without more to say for itself is sent to: that of the session it has or had,
// that of the only tenant, or that of its last sign-in. Where a tenant has several, only one used before is known.
func (h *Handler) known(ctx context.Context, v *visit) (idp.Connection, bool, error) {
	if v.Live { // a stronger sign-in of the same person: nowhere else
		return v.Connection, v.Connection.ID != "", nil
	}
	t, ok, err := h.Realms.SoleTenant(ctx)
	if err != nil {
		return idp.Connection{}, false, fmt.Errorf("find the only tenant: %w", err)
	}
	if !ok && v.Opens {
		t, ok = v.Token.Tenant, true
	}
	if !ok && v.flow.tenant != "" {
		t, ok = v.flow.tenant, true
	}
	if !ok {
		return idp.Connection{}, false, nil
	}
	realm, ok, err := h.realm(ctx, t)
	if err != nil || !ok {
		return idp.Connection{}, false, err
	}
	enabled := realm.Enabled()
	if len(enabled) == 1 {
		return enabled[0], true, nil
	}
	for _, used := range []idp.ConnectionID{v.Session.Connection, v.flow.connection} {
		if i := slices.IndexFunc(enabled, func(c idp.Connection) bool { return c.ID == used }); i >= 0 {
			return enabled[i], true, nil
		}
	}
	return idp.Connection{}, false, nil
}

// realm reads a tenant; one that is gone is no error.
func (h *Handler) realm(ctx context.Context, t tenant.ID) (idp.Realm, bool, error) {
	realm, err := h.Realms.Realm(ctx, t)
	if errors.Is(err, idp.ErrNotFound) {
		return idp.Realm{}, false, nil
	}
	if err != nil {
		return idp.Realm{}, false, fmt.Errorf("read tenant %s: %w", t, err)
	}
	return realm, realm.Tenant.ID == t, nil
}

// toProvider begins an attempt and sends the browser off. The flow cookie is given here and at the callback only:
// whoever is not on the way to a provider gets none.
func (h *Handler) toProvider(w http.ResponseWriter, v *visit, c idp.Connection, want wanted) {
	connector, ok := h.Connectors[c.Protocol]
	if !ok {
		h.fault(w, v.Request, fmt.Errorf("connection %s: no connector speaks %q", c.ID, c.Protocol))
		return
	}
	f, set, err := h.begin(v.flow)
	if err != nil {
		h.fault(w, v.Request, err)
		return
	}
	if f.choose && want.ask.Prompt == "" {
		want.ask.Prompt = chooseAccount(c.Provider)
	}
	if v.Live {
		want.over = v.Session.Hash // its cookie came along: whoever had to be asked was asked
	}
	made, err := h.newAttempt(f, c, want)
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("make an attempt: %w", err))
		return
	}
	if !h.enter(c.ID) {
		h.busy(w, v, c)
		return
	}
	defer h.leave(c.ID)
	ctx, cancel := callContext(v.Context())
	defer cancel()
	to, err := connector.Begin(ctx, c, made.Attempt)
	if code := idp.CodeOf(err); code != "" { // no audit row: a crawler would fill the table while a provider is down
		h.log().WarnContext(ctx, "sign-in cannot begin", "tenant", c.Tenant, "connection", c.ID, "reason", code, "request_id", RequestID(ctx), "err", err)
		h.explained(w, code, RequestID(ctx), c, want.returnTo)
		return
	}
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("begin sign-in over %s: %w", c.ID, err))
		return
	}
	if err := h.giveCookies(w, v, f, set, made, want); err != nil {
		h.fault(w, v.Request, err)
		return
	}
	h.send(w, v.Request, to)
}

// giveCookies gives the browser what it has to bring back. Over SAML it comes back by another site's POST: the attempt
// travels in a cookie of its own, and the twin of the flow cookie beside it.
func (h *Handler) giveCookies(w http.ResponseWriter, v *visit, f flow, set bool, a attempt, want wanted) error {
	if set {
		if err := h.setFlow(w, f); err != nil {
			return err
		}
	}
	if isState := !isHandle(a.Relay); isState {
		return nil
	}
	t := v.twin
	t.flow = f
	if v.Opens {
		t = t.holding(v.Token.Tenant, v.Token.ID.Hash())
	}
	if want.by {
		t = t.begun(h.Now())
	}
	if err := h.renewTwin(w, v, t, want.retry == 0 && v.foreign()); err != nil {
		return err
	}
	return h.carry(w, v, a, want.instead)
}

func callContext(ctx context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithTimeout(ctx, callTime)
	deadline, ok := ctx.Deadline()
	if !ok {
		return call, cancel
	}
	call, cancelDeadline := context.WithDeadline(call, deadline.Add(-callMargin))
	return call, func() { cancelDeadline(); cancel() }
}

// chooseAccount is the prompt that makes a provider ask who is there instead of using its own session. Okta, Auth0 and
// Keycloak have no account list to show, and refuse or ignore select_account.
func chooseAccount(p idp.Provider) string {
	switch p {
	case idp.Entra, idp.Google:
		return "select_account"
	case idp.Okta, idp.Auth0, idp.Keycloak, idp.ADFS, idp.Generic:
		return "login"
	default:
		return "login"
	}
}

func sortedKeys(values url.Values) []string {
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
