package idptest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cookieName is the provider's own single sign-on cookie.
const cookieName = "demo-idp"

// login is a browser's session at the provider.
type login struct {
	sub string
	sid string
	at  time.Time
}

// grant is what a code, and later an access token, stands for.
type grant struct {
	client    Client
	redirect  string
	challenge string
	nonce     string
	scope     []string
	acr       string
	org       string
	login     login
	expires   time.Time
}

// serveAuthorize is the authorization endpoint (OpenID Connect Core §3.1.2).
func (o *OP) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	r.Form = o.unpush(r.Form)
	q := r.Form
	client, ok := o.client(q.Get("client_id"))
	if !ok {
		o.refuse(w, "No client is registered under this client_id.")
		return
	}
	if !slices.Contains(client.RedirectURIs, q.Get("redirect_uri")) {
		o.refuse(w, "This redirect_uri is not registered for the client.")
		return
	}
	if code, bad := badRequest(q); bad != "" {
		o.answerError(w, r, code, bad)
		return
	}
	if code, on := o.fault("error", "server_error"); on {
		o.answerError(w, r, code, "internal-host-7 said <b>no</b>")
		return
	}
	if p, chosen := o.person(r.Form.Get("person")); chosen {
		o.answerCode(w, r, client, o.signIn(w, p))
		return
	}
	session, signedIn := o.session(r)
	switch fresh := signedIn && freshEnough(q, session.at, o.opts.Now()); {
	case q.Get("prompt") == "none" && !fresh:
		o.answerError(w, r, "login_required", "")
	case fresh && (q.Get("prompt") == "none" || q.Get("prompt") == ""):
		o.answerCode(w, r, client, session)
	default:
		o.pick(w, q)
	}
}

// badRequest checks what does not depend on the person.
func badRequest(q url.Values) (code, description string) {
	switch {
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "response_type must be code"
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return "invalid_scope", "scope must contain openid"
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		return "invalid_request", "PKCE with S256 is required"
	case q.Has("request") || q.Has("request_uri"):
		return "request_not_supported", "request objects are not supported"
	}
	for name, v := range q {
		if len(v) > 1 {
			return "invalid_request", name + " is given twice"
		}
	}
	return "", ""
}

func freshEnough(q url.Values, at, now time.Time) bool {
	if !q.Has("max_age") {
		return true
	}
	seconds, err := strconv.Atoi(q.Get("max_age"))
	return err == nil && now.Sub(at) < time.Duration(seconds)*time.Second
}

// signIn starts a session of the provider's own and sets its cookie.
func (o *OP) signIn(w http.ResponseWriter, p Person) login {
	id, l := random(24), login{sub: p.Sub, sid: random(12), at: o.opts.Now()}
	o.mu.Lock()
	o.sso[id] = l
	o.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: id, Path: o.cookiePath(), HttpOnly: true,
		Secure: o.base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
	return l
}

func (o *OP) cookiePath() string { return strings.TrimSuffix(o.base.Path, "/") + "/" }

// session reads the provider's own cookie; people who were removed have none.
func (o *OP) session(r *http.Request) (login, bool) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return login{}, false
	}
	o.mu.Lock()
	l, ok := o.sso[c.Value]
	o.mu.Unlock()
	if _, known := o.person(l.sub); !known {
		return login{}, false
	}
	return l, ok
}

func (o *OP) answerCode(w http.ResponseWriter, r *http.Request, client Client, l login) {
	q := r.Form
	g := grant{
		client: client, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), nonce: q.Get("nonce"),
		scope: strings.Fields(q.Get("scope")), org: q.Get("organization"), login: l, expires: o.opts.Now().Add(time.Minute),
	}
	if acr := strings.Fields(q.Get("acr_values")); len(acr) > 0 {
		g.acr = acr[0]
	}
	code := random(24)
	o.mu.Lock()
	o.codes[code] = g
	o.mu.Unlock()
	answer := url.Values{"code": {code}}
	if o.faulty("dup-param") {
		answer.Add("code", random(24))
	}
	if o.opts.Flavor == Keycloak {
		answer.Set("session_state", l.sid)
	}
	o.answer(w, r, answer)
}

func (o *OP) answerError(w http.ResponseWriter, r *http.Request, code, description string) {
	answer := url.Values{"error": {code}}
	if description != "" {
		answer.Set("error_description", description)
	}
	o.answer(w, r, answer)
}

// answer sends the browser back with state and, as RFC 9207 asks, iss.
func (o *OP) answer(w http.ResponseWriter, r *http.Request, answer url.Values) {
	if r.Form.Has("state") {
		answer.Set("state", r.Form.Get("state"))
	}
	if o.sendsIss() && !o.faulty("no-iss-param") {
		answer.Set("iss", o.opts.Issuer)
	}
	if iss, on := o.fault("wrong-iss-param", "https://other.example"); on {
		answer.Set("iss", iss)
	}
	to, err := url.Parse(r.Form.Get("redirect_uri"))
	if err != nil {
		o.refuse(w, "This redirect_uri is not a URL.")
		return
	}
	old := to.Query()
	for name, v := range old {
		if !answer.Has(name) {
			answer[name] = v
		}
	}
	to.RawQuery = answer.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}
