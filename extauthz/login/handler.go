package login

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// Realms finds tenants. Three of its methods take no tenant, because each exists to find one.
type Realms interface {
	// Realm reads a tenant with its connections. idp.ErrNotFound: there is no such tenant.
	Realm(ctx context.Context, t tenant.ID) (idp.Realm, error)
	// TenantByDomain finds who has verified an e-mail domain.
	TenantByDomain(ctx context.Context, domain string) (tenant.ID, bool, error)
	// TenantByConnection finds whose a connection is.
	TenantByConnection(ctx context.Context, c idp.ConnectionID) (tenant.ID, bool, error)
	// SoleTenant returns the only tenant with a connection, where there is exactly one.
	SoleTenant(ctx context.Context) (tenant.ID, bool, error)
}

// Visitor is whom the session cookie of a request names. The zero value is nobody.
type Visitor struct {
	Opens       bool // the cookie opens: Token is one of ours for this host, which does not make it live
	Token       session.Token
	Live        bool            // the session is valid and its user active; what follows is filled in
	Session     session.Session // also filled in for a session that was found and is no longer valid
	User        directory.User
	Realm       idp.Realm
	Connection  idp.Connection
	Roles       []string
	NoRoles     error // why Roles could not be worked out: a fault for who shows them, and nobody else's affair
	IdleExpires time.Time
	Expires     time.Time
}

// Handler answers everything under /auth. All fields without a zero meaning below are required; it must not be
// copied once used.
type Handler struct {
	PublicURL  *url.URL // scheme and host: where every address of ours begins, whatever a request says
	Insecure   bool     // plain http on loopback: cookies without __Host- and Secure
	Ring       *session.Ring
	Realms     Realms
	Sessions   session.Store
	Once       session.Burner
	Audit      audit.Sink
	Connectors map[idp.Protocol]idp.Connector
	// Visitor says who is there, without sliding the session's idle limit. An error means that it could not find out.
	Visitor func(ctx context.Context, r *http.Request) (Visitor, error)
	// Holder says the same of whoever a session was made for, without its cookie: at another site's POST there is none.
	Holder func(ctx context.Context, t tenant.ID, s session.Hash) (Visitor, error)
	// Foretell says which roles an identity would have; nothing is written. nil: tests of a connection do not say.
	Foretell func(ctx context.Context, who idp.Identity) ([]string, error)
	Tests    Tests          // nil: no connection is tested
	JWKS     func() []byte  // the public keys of x-sso-assertion, as a JWK set
	Limits   session.Limits // the operator's
	Now      func() time.Time
	Log      *slog.Logger

	// OnSignIn, if set, hears of every attempt that came back: result is "ok", an idp.Code or "error"; took is the time
	// since the browser was sent to the provider.
	OnSignIn func(protocol idp.Protocol, provider idp.Provider, result string, took time.Duration)

	// How many requests may wait for identity providers at once, in all and for one connection: a slow provider must
	// not starve the others. Zero: 256 and 32. What is above is refused at once.
	MaxCalls              int
	MaxCallsPerConnection int

	calls    inFlight
	refusals refusals
	failures failures
}

// CookieNames are the names this handler's cookies go by.
func (h *Handler) CookieNames() session.CookieNames { return session.Cookies(h.Insecure) }

// LoginURL is where a program tells its user to sign in.
func (h *Handler) LoginURL() string { return h.absolute(pathLogin) }

type requestKey struct{}

// request is what a context says of the request it belongs to.
type request struct {
	id      string
	faulted atomic.Bool
}

// WithRequestID returns a context that carries the id shown on pages and kept in audit rows.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, &request{id: id})
}

// RequestID returns the id WithRequestID put there, or "".
func RequestID(ctx context.Context) string {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r.id
	}
	return ""
}

// Faulted reports whether the answer this context's request got was a fault of ours. A provider that is down gives a
// 503 too, and is none.
func Faulted(ctx context.Context) bool {
	r, ok := ctx.Value(requestKey{}).(*request)
	return ok && r.faulted.Load()
}

// The paths, all under envoy.PathAuth.
const (
	pathLogin    = "/auth/login"
	pathCallback = "/auth/callback/oidc"
	pathACS      = "/auth/callback/saml"
	pathLogout   = "/auth/logout"
)

// visit is one request on its way through the handler.
type visit struct {
	*http.Request
	target  httpreq.Target
	cookies httpreq.Cookies
	flow    flow
	twin    twin
	byTwin  bool   // the twin stands for cookies that another site's POST left behind
	posted  []byte // the body, once it has been read
	Visitor
}

// get returns a query parameter, "" when it is absent.
func (v *visit) get(name string) string {
	value, _ := v.target.Query.Get(name)
	return value
}

// repeats reports a parameter that was given twice: the next reader might take the other one.
func (v *visit) repeats() bool {
	seen := make(map[string]bool, len(v.target.Query))
	for _, p := range v.target.Query {
		if seen[p.Name] {
			return true
		}
		seen[p.Name] = true
	}
	return false
}

// foreign reports that another site's page sent the browser here. A browser that does not say so is believed to come
// by itself: those that say nothing are programs and browsers of before 2023.
func (v *visit) foreign() bool {
	site := v.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// unseen reports that another site's page loads this one as an image, a frame or a script. Nobody sees it, and the session
// cookie is left behind: an attempt begun so would know nothing of the session in use.
func (v *visit) unseen() bool {
	dest := v.Header.Get("Sec-Fetch-Dest")
	return v.foreign() && dest != "" && dest != "document"
}

// ip is the client's address without a port.
func (v *visit) ip() string {
	if ap, err := netip.ParseAddrPort(v.RemoteAddr); err == nil {
		return ap.Addr().Unmap().String()
	}
	if a, err := netip.ParseAddr(v.RemoteAddr); err == nil {
		return a.Unmap().String()
	}
	return ""
}

// ServeHTTP implements http.Handler. Nothing it answers can be stored by a cache but the key set.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if RequestID(r.Context()) == "" {
		r = r.WithContext(WithRequestID(r.Context(), tenant.RandomName()))
	}
	v, err := h.read(r)
	if refusal, ok := errors.AsType[*httpreq.Refusal](err); ok {
		h.Page(w, Refusal{Status: refusal.Status, Code: invalidRequest, Message: refusal.Message, DecisionID: RequestID(r.Context())})
		return
	}
	if err != nil {
		h.fault(w, r, err)
		return
	}
	h.route(w, v)
}

// route draws the table of doc.go. Segments are compared whole and decoded once.
func (h *Handler) route(w http.ResponseWriter, v *visit) {
	s := v.target.Segments
	switch {
	case len(s) == 2 && v.target.Under("auth", "login"):
		h.only(w, v, h.login, http.MethodGet, http.MethodHead)
	case len(s) == 3 && v.target.Under("auth", "callback", "oidc"):
		h.only(w, v, h.callback, http.MethodGet)
	case len(s) == 4 && v.target.Under("auth", "callback", "oidc"):
		h.only(w, v, h.callback, http.MethodGet)
	case len(s) == 4 && v.target.Under("auth", "callback", "saml"):
		h.only(w, v, h.acs, http.MethodPost)
	case len(s) == 4 && v.target.Under("auth", "saml") && s[3] == "metadata":
		h.only(w, v, h.metadata, http.MethodGet, http.MethodHead)
	case len(s) == 4 && v.target.Under("auth", "saml") && s[3] == "slo":
		h.only(w, v, h.slo, http.MethodGet, http.MethodPost)
	case len(s) == 2 && v.target.Under("auth", "logout"):
		h.only(w, v, h.logout, http.MethodGet, http.MethodPost)
	case len(s) == 2 && v.target.Under("auth", "session"):
		h.only(w, v, h.session, http.MethodGet, http.MethodHead)
	case len(s) == 2 && v.target.Under("auth", "jwks.json"):
		h.only(w, v, h.jwks, http.MethodGet, http.MethodHead)
	default:
		h.nowhere(w, v)
	}
}

func (h *Handler) nowhere(w http.ResponseWriter, v *visit) {
	h.Page(w, Refusal{Status: http.StatusNotFound, Code: invalidRequest, Message: "There is no such page.", DecisionID: RequestID(v.Context())})
}

// only calls serve for the methods it names.
func (h *Handler) only(w http.ResponseWriter, v *visit, serve func(http.ResponseWriter, *visit), methods ...string) {
	if slices.Contains(methods, v.Method) {
		serve(w, v)
		return
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	h.Page(w, Refusal{
		Status: http.StatusMethodNotAllowed, Code: invalidRequest,
		Message: "This address does not take that method.", DecisionID: RequestID(v.Context()),
	})
}

// read parses the request as strictly as the gate reads every other, because this handler also stands on a listener
// of its own, and asks who is there.
func (h *Handler) read(r *http.Request) (*visit, error) {
	v, err := h.parse(r, target(r.URL))
	if err != nil {
		return nil, err
	}
	v.Visitor, err = h.Visitor(r.Context(), r)
	return v, err
}

// target is what the caller made canonical; a query keeps the bytes it was sent in.
func target(u *url.URL) string {
	if u.RawQuery == "" {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + u.RawQuery
}

func (h *Handler) parse(r *http.Request, raw string) (*visit, error) {
	target, err := httpreq.ParseTarget(raw)
	if err != nil {
		return nil, err
	}
	v := &visit{Request: r, target: target}
	if lines := r.Header.Values("Cookie"); len(lines) == 1 { // two lines are ambiguous: none of them counts
		if v.cookies, err = httpreq.ParseCookies(lines[0]); err != nil {
			return nil, err
		}
	}
	v.flow, v.twin = h.openFlow(v.cookies), h.openTwin(v.cookies)
	return v, nil
}

// absolute makes an address of ours. path begins with one slash: what is not ours says httpreq.ReturnPath "/".
func (h *Handler) absolute(path string) string {
	return h.PublicURL.Scheme + "://" + h.PublicURL.Host + path
}

func (h *Handler) log() *slog.Logger {
	if h.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return h.Log
}
