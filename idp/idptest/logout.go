package idptest

import (
	"net/http"
	"net/url"
	"slices"
)

// serveLogout is the end-session endpoint (OpenID Connect RP-Initiated Logout 1.0).
func (o *OP) serveLogout(w http.ResponseWriter, r *http.Request) {
	client, hinted := o.logoutClient(r.Form)
	to := r.Form.Get("post_logout_redirect_uri")
	if to != "" && !slices.Contains(client.PostLogoutRedirectURIs, to) {
		o.refuse(w, "This post_logout_redirect_uri is not registered for the client, or the request does not say which client asks.")
		return
	}
	if !hinted && r.Form.Get("confirm") != "yes" {
		o.confirmLogout(w, r.Form)
		return
	}
	o.endSession(w, r)
	if to == "" {
		o.signedOut(w)
		return
	}
	back, err := url.Parse(to)
	if err != nil {
		o.refuse(w, "This post_logout_redirect_uri is not a URL.")
		return
	}
	if r.Form.Has("state") {
		q := back.Query()
		q.Set("state", r.Form.Get("state"))
		back.RawQuery = q.Encode()
	}
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// logoutClient finds who asks: the hint's audience, else client_id. Only a genuine hint lets the provider sign
// people out without asking them.
func (o *OP) logoutClient(form url.Values) (client Client, hinted bool) {
	claims, err := o.check(form.Get("id_token_hint"))
	if err != nil || claims["iss"] != o.opts.Issuer {
		client, _ = o.client(form.Get("client_id"))
		return client, false
	}
	aud, isString := claims["aud"].(string)
	if !isString || form.Has("client_id") && form.Get("client_id") != aud {
		return Client{}, false
	}
	return o.client(aud)
}

func (o *OP) endSession(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		o.mu.Lock()
		delete(o.sso, c.Value)
		o.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Path: o.cookiePath(), MaxAge: -1, HttpOnly: true,
		Secure: o.base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
}
