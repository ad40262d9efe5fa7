package login

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	noticeAddress = "Enter your work e-mail address, such as name@company.example."
	noticeUnknown = "There is no sign-in for that address here. Check its spelling, or ask your administrator."
	noticeLink    = "That sign-in link does not work any more. Enter your work e-mail address instead."
	noticeAgain   = "That sign-in could not be continued. Please begin again."
)

// nobody is a tenant that never exists: looking it up costs what looking up a real one does.
const nobody tenant.ID = "--"

// ask is what /auth/login was asked for.
type ask struct {
	returnTo string
	hint     string
	change   bool   // another account
	again    string // the browser was sent here by the gate, back from a SAML provider: its attempt's handle, or noAttempt
	test     string // the token of a link that tests the connection
}

// login is the sign-in page and every way past it: an e-mail address, a named connection (also from another site: OpenID
// Connect Core §4), another account.
func (h *Handler) login(w http.ResponseWriter, v *visit) {
	if v.repeats() {
		h.twice(w, v)
		return
	}
	if v.unseen() {
		h.Page(w, Refusal{Status: http.StatusBadRequest, Code: invalidRequest, Message: "Sign-in opens in a window of its own, not inside another site's page.", DecisionID: RequestID(v.Context())})
		return
	}
	q := ask{returnTo: httpreq.ReturnPath(v.get("return_to")), hint: hint(v.get("login_hint")), change: v.get("switch") == "1"}
	_, named := v.target.Query.Get("connection")
	q.again, q.test = v.get("again"), v.get("test")
	email, typed := v.target.Query.Get("email")
	switch {
	case named:
		h.byConnection(w, v, q)
	case typed:
		h.byEmail(w, v, q, email)
	case v.Live && !q.change:
		redirect(w, http.StatusSeeOther, h.absolute(q.returnTo))
	default:
		h.bySole(w, v, q)
	}
}

// hint keeps a login_hint that is fit to be sent on.
func hint(s string) string {
	if len(s) > maxHint || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return s
}

// byConnection serves a link that names a connection: ours, or a provider's start page.
func (h *Handler) byConnection(w http.ResponseWriter, v *visit, q ask) {
	if target, ok := v.target.Query.Get("target_link_uri"); ok {
		q.returnTo = h.ownPath(target)
	}
	c, ok, err := h.connection(v.Context(), v.get("connection"))
	if err != nil {
		h.fault(w, v.Request, err)
		return
	}
	// An issuer that is not the connection's means a link made for another provider.
	if iss, given := v.target.Query.Get("iss"); !ok || given && iss != issuer(c) {
		h.signInPage(w, v, http.StatusOK, q, noticeLink, "")
		return
	}
	switch {
	case q.test != "":
		h.test(w, v, c, q.test)
	case q.again != "" && c.Protocol == idp.SAML:
		h.resume(w, v, c, q.again)
	default:
		h.proceed(w, v, c, q)
	}
}

// issuer is what a connection's provider calls itself.
func issuer(c idp.Connection) string {
	if c.Protocol == idp.SAML {
		return c.SAML.IdP.EntityID
	}
	return c.Settings.Issuer
}

// connection finds an enabled connection by an id from outside.
func (h *Handler) connection(ctx context.Context, raw string) (idp.Connection, bool, error) {
	c, ok, err := h.anyConnection(ctx, raw)
	return c, ok && c.Enabled, err
}

// anyConnection finds also one that is disabled.
func (h *Handler) anyConnection(ctx context.Context, raw string) (idp.Connection, bool, error) {
	id, err := tenant.ParseConnectionID(raw)
	if err != nil {
		return idp.Connection{}, false, nil //nolint:nilerr // a name that cannot be one names none
	}
	t, ok, err := h.Realms.TenantByConnection(ctx, id)
	if err != nil {
		return idp.Connection{}, false, fmt.Errorf("find connection %s: %w", id, err)
	}
	if !ok {
		return idp.Connection{}, false, nil
	}
	realm, ok, err := h.realm(ctx, t)
	if err != nil || !ok {
		return idp.Connection{}, false, err
	}
	c, ok := realm.Connection(id)
	return c, ok, nil
}

// ownPath reduces an absolute address to its path on our own host; any other is the start page.
func (h *Handler) ownPath(address string) string {
	rest, ok := strings.CutPrefix(address, h.absolute(""))
	if !ok {
		return "/"
	}
	return httpreq.ReturnPath(rest) // of https://host.evil.example what is left begins with no slash
}

// byEmail finds the company by the verified domain of an address. A domain nobody has and one whose company has no
// connection are answered alike, after the same look-ups.
func (h *Handler) byEmail(w http.ResponseWriter, v *visit, q ask, email string) {
	domain, err := tenant.EmailDomain(email)
	if err != nil {
		h.signInPage(w, v, http.StatusOK, q, noticeAddress, email)
		return
	}
	t, ok, err := h.Realms.TenantByDomain(v.Context(), domain)
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("find tenant by domain: %w", err))
		return
	}
	if !ok {
		t = nobody
	}
	realm, _, err := h.realm(v.Context(), t)
	if err != nil && ok { // what became of looking nobody up does not matter
		h.fault(w, v.Request, err)
		return
	}
	q.hint = hint(strings.TrimSpace(email))
	switch enabled := realm.Enabled(); len(enabled) {
	case 0:
		h.signInPage(w, v, http.StatusOK, q, noticeUnknown, email)
	case 1:
		h.proceed(w, v, enabled[0], q)
	default:
		h.choosePage(w, v, enabled, q)
	}
}

// bySole serves the bare page. Where there is one tenant only, nobody needs to say which.
func (h *Handler) bySole(w http.ResponseWriter, v *visit, q ask) {
	t, ok, err := h.Realms.SoleTenant(v.Context())
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("find the only tenant: %w", err))
		return
	}
	if !ok {
		h.signInPage(w, v, http.StatusOK, q, "", "")
		return
	}
	realm, _, err := h.realm(v.Context(), t)
	if err != nil {
		h.fault(w, v.Request, err)
		return
	}
	switch enabled := realm.Enabled(); len(enabled) {
	case 0:
		h.signInPage(w, v, http.StatusOK, q, "", "")
	case 1:
		h.proceed(w, v, enabled[0], q)
	default:
		h.choosePage(w, v, enabled, q)
	}
}

// proceed goes to the provider, unless that would exchange the account a person is using behind their back.
func (h *Handler) proceed(w http.ResponseWriter, v *visit, c idp.Connection, q ask) {
	if v.Live && v.foreign() {
		same := v.Connection.ID == c.ID && (q.hint == "" || q.hint == v.User.UserName || q.hint == v.User.Email())
		if same && !q.change {
			redirect(w, http.StatusSeeOther, h.absolute(q.returnTo))
			return
		}
		h.confirmSwitch(w, v, c, q)
		return
	}
	want := wanted{returnTo: q.returnTo, ask: idp.Ask{LoginHint: q.hint}}
	if q.change {
		want.ask.Prompt = chooseAccount(c.Provider)
	}
	h.toProvider(w, v, c, want)
}

// signInPage asks for a work e-mail address. Someone who signed in here before is offered the same way again.
func (h *Handler) signInPage(w http.ResponseWriter, v *visit, status int, q ask, notice, email string) {
	p := page{Title: "Sign in", RequestID: RequestID(v.Context()), Form: &form{
		Action: pathLogin, Email: cut(email, 320), Notice: notice, Hidden: hidden(q),
	}}
	if c, ok, err := h.last(v.Context(), v); err == nil && ok {
		p.Links = append(p.Links, link{"Continue with " + c.Name, h.connectionLink(c, q)})
	}
	h.render(w, status, p)
}

// last is the connection this browser used, if it still stands.
func (h *Handler) last(ctx context.Context, v *visit) (idp.Connection, bool, error) {
	if v.flow.connection == "" {
		return idp.Connection{}, false, nil
	}
	realm, ok, err := h.realm(ctx, v.flow.tenant)
	if err != nil || !ok {
		return idp.Connection{}, false, err
	}
	c, ok := realm.Connection(v.flow.connection)
	return c, ok && c.Enabled, nil
}

func hidden(q ask) []field {
	var fields []field
	if q.returnTo != "/" {
		fields = append(fields, field{"return_to", q.returnTo})
	}
	if q.change {
		fields = append(fields, field{"switch", "1"})
	}
	return fields
}

// choosePage lists the connections of a company that has several.
func (h *Handler) choosePage(w http.ResponseWriter, v *visit, enabled []idp.Connection, q ask) {
	p := page{Title: "Sign in", Says: "Choose how you sign in.", Equal: true, RequestID: RequestID(v.Context())}
	enabled = slices.Clone(enabled)
	slices.SortStableFunc(enabled, func(a, b idp.Connection) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range enabled {
		p.Links = append(p.Links, link{"Continue with " + c.Name, h.connectionLink(c, q)})
	}
	h.render(w, http.StatusOK, p)
}

// confirmSwitch asks before another site's link replaces the account in use. The link on it is our own page's, so it is
// not foreign any more.
func (h *Handler) confirmSwitch(w http.ResponseWriter, v *visit, c idp.Connection, q ask) {
	h.render(w, http.StatusOK, page{
		Title: "Sign in with another account?", RequestID: RequestID(v.Context()),
		Says: "You are signed in as " + v.User.UserName + ". Another site asks to sign you in over " + c.Name + ".",
		Links: []link{
			{"Continue with " + c.Name, h.connectionLink(c, q)},
			{"Stay signed in", "/"},
		},
	})
}

func (h *Handler) connectionLink(c idp.Connection, q ask) string {
	change := ""
	if q.change {
		change = "1"
	}
	return h.loginPath("connection", string(c.ID), "login_hint", q.hint, "return_to", q.returnTo, "switch", change)
}
