package idptest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// serveToken is the token endpoint (RFC 6749 §3.2).
func (o *OP) serveToken(w http.ResponseWriter, r *http.Request) {
	if o.tokenFault(w, r) {
		return
	}
	client, ok := o.authenticate(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", "Basic")
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "unsupported_grant_type"})
		return
	}
	g, ok := o.redeem(client, r.PostForm)
	if !ok {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant", "error_description": "internal-host-7"})
		return
	}
	o.answerTokens(w, g)
}

// tokenFault acts out the faults of the whole endpoint.
func (o *OP) tokenFault(w http.ResponseWriter, r *http.Request) bool {
	if o.faulty("token-500") {
		http.Error(w, "stack trace of internal-host-7", http.StatusInternalServerError)
		return true
	}
	if o.faulty("token-slow") {
		stall(r)
		return true
	}
	if code, on := o.fault("token-error", "invalid_grant"); on {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": "internal-host-7"})
		return true
	}
	if to, on := o.fault("token-redirect", o.url("/token")); on {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return true
	}
	if o.faulty("token-html") {
		_, _ = io.WriteString(w, "<html>internal-host-7</html>")
		return true
	}
	return false
}

// authenticate checks the client's secret as RFC 6749 §2.3.1 has it sent, in one place and no other.
func (o *OP) authenticate(r *http.Request) (Client, bool) {
	id, secret, basic := r.BasicAuth()
	method := "client_secret_basic"
	if basic {
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err1 != nil || err2 != nil || r.PostForm.Has("client_secret") {
			return Client{}, false
		}
	} else {
		id, secret, method = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), "client_secret_post"
	}
	client, ok := o.client(id)
	if !ok {
		return Client{}, false
	}
	if client.Public {
		return client, !basic && secret == ""
	}
	if client.AuthMethod != "" && client.AuthMethod != method {
		return Client{}, false
	}
	return client, client.Secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(client.Secret)) == 1
}

// redeem takes a code out of circulation, whether or not the rest of the request fits.
func (o *OP) redeem(client Client, form url.Values) (grant, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	code := form.Get("code")
	g, ok := o.codes[code]
	delete(o.codes, code)
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	fits := ok && g.client.ID == client.ID && g.redirect == form.Get("redirect_uri") &&
		g.challenge == b64(sum[:]) && o.opts.Now().Before(g.expires)
	return g, fits
}

func (o *OP) answerTokens(w http.ResponseWriter, g grant) {
	access := random(24)
	g.expires = o.opts.Now().Add(time.Hour)
	o.mu.Lock()
	o.access[access] = g
	o.mu.Unlock()
	answer := map[string]any{
		"access_token": access, "token_type": "Bearer", "expires_in": 3600, "scope": strings.Join(g.scope, " "),
	}
	if !o.faulty("no-id-token") {
		token, err := o.idToken(g, access)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer["id_token"] = token
	}
	writeJSON(w, http.StatusOK, answer)
}

// serveUserInfo is the userinfo endpoint (OpenID Connect Core §5.3); the token comes in the header alone.
func (o *OP) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	if o.faulty("userinfo-403") {
		http.Error(w, "internal-host-7", http.StatusForbidden)
		return
	}
	if o.faulty("userinfo-500") {
		http.Error(w, "stack trace of internal-host-7", http.StatusInternalServerError)
		return
	}
	access, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	o.mu.Lock()
	g, known := o.access[access]
	o.mu.Unlock()
	if !ok || !known || o.opts.Now().After(g.expires) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "invalid token", http.StatusUnauthorized)
		return
	}
	claims := o.personClaims(g, g.scope)
	claims["sub"] = g.login.sub
	if o.faulty("userinfo-wrong-sub") {
		claims["sub"] = "somebody-else"
	}
	if o.faulty("userinfo-no-sub") {
		delete(claims, "sub")
	}
	o.answerUserInfo(w, g, claims)
}

func (o *OP) answerUserInfo(w http.ResponseWriter, g grant, claims map[string]any) {
	if spoilt, on := o.fault("userinfo-signed", ""); on {
		claims["iss"], claims["aud"] = o.opts.Issuer, g.client.ID
		if spoilt != "" {
			claims[spoilt] = "https://other.example"
		}
		token, err := o.Mint(claims, o.opts.Alg)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = io.WriteString(w, token)
		return
	}
	if o.faulty("userinfo-dup") {
		body, err := json.Marshal(claims)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append([]byte(`{"groups":["Administrators"],`), body[1:]...))
		return
	}
	writeJSON(w, http.StatusOK, claims)
}
