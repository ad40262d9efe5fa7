package idptest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// url returns an endpoint's address.
func (o *OP) url(path string) string { return strings.TrimSuffix(o.opts.Issuer, "/") + path }

// sendsIss tells whether the provider takes part in RFC 9207.
func (o *OP) sendsIss() bool {
	plain := o.opts.Flavor == Plain || o.opts.Flavor == Keycloak
	return plain && !o.faulty("no-iss-support")
}

func (o *OP) serveMetadata(w http.ResponseWriter, r *http.Request) {
	if o.faulty("metadata-down") {
		http.Error(w, "down for maintenance: internal-host-7", http.StatusServiceUnavailable)
		return
	}
	if o.faulty("metadata-slow") {
		stall(r)
		return
	}
	if to, on := o.fault("redirecting-metadata", "http://169.254.169.254/latest/meta-data/"); on {
		http.Redirect(w, r, to, http.StatusFound)
		return
	}
	if o.faulty("endless-body") {
		endless(w, r)
		return
	}
	if o.faulty("broken-metadata") {
		_, _ = io.WriteString(w, "<html>internal-host-7</html>")
		return
	}
	writeJSON(w, http.StatusOK, o.document())
}

func (o *OP) document() map[string]any {
	issuer, _ := o.fault("issuer-mismatch-metadata", "https://other.example")
	if !o.faulty("issuer-mismatch-metadata") {
		issuer = o.opts.Issuer
	}
	algs := []string{"RS256", "ES256"}
	if o.faulty("hs256-oct-jwks") || o.faulty("alg-hs256") || o.faulty("alg-none") || o.opts.Flavor == Auth0 {
		algs = append(algs, "HS256", "none")
	}
	doc := map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                o.url("/authorize"),
		"token_endpoint":                        o.url("/token"),
		"userinfo_endpoint":                     o.url("/userinfo"),
		"jwks_uri":                              o.url("/jwks"),
		"pushed_authorization_request_endpoint": o.url("/par"),
		"end_session_endpoint":                  o.url("/logout"),
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": algs,
		"scopes_supported":                      []string{"openid", "profile", "email", "groups"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":      []string{"S256"},
	}
	if o.sendsIss() {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	if o.opts.Flavor == Google {
		delete(doc, "end_session_endpoint")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, v := range o.metadata {
		if doc[name] = v; v == nil {
			delete(doc, name)
		}
	}
	return doc
}

func (o *OP) serveJWKS(w http.ResponseWriter, r *http.Request) {
	switch {
	case o.faulty("jwks-down"):
		http.Error(w, "down for maintenance: internal-host-7", http.StatusServiceUnavailable)
	case o.faulty("endless-body"):
		endless(w, r)
	case o.faulty("jwks-empty"):
		writeJSON(w, http.StatusOK, map[string]any{"keys": []any{}})
	default:
		writeJSON(w, http.StatusOK, o.jwks())
	}
}

// endless writes until the client hangs up.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	chunk := []byte(strings.Repeat(" ", 64<<10))
	for r.Context().Err() == nil {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// stall keeps a request waiting until its client hangs up.
func stall(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client hung up
}
