package oidc_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

func begin(t *testing.T, w *world, a idp.Attempt) url.Values {
	t.Helper()
	to, err := w.c.Begin(t.Context(), w.conn, a)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(to.URL, "#") || to.Form != nil {
		t.Errorf("redirect %+v; want an empty fragment at its end", to)
	}
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestRequestCarriesWhatTheAttemptDerives(t *testing.T) {
	w := newWorld(t)
	a := w.attempt()
	q := begin(t, w, a)
	sum := sha256.Sum256([]byte(a.Derive("pkce")))
	for name, want := range map[string]string{
		"response_type": "code", "client_id": "gate", "redirect_uri": callback, "state": "v1.k1.sealed", "nonce": a.Derive("nonce"),
		"code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256", "scope": "openid profile email groups",
		"prompt": "", "max_age": "", "acr_values": "", "login_hint": "",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s = %q; want %q", name, got, want)
		}
	}
}

func TestScopesAreSentOnceAndWithOpenid(t *testing.T) {
	w := newWorld(t)
	w.conn.Settings.Scopes = []string{"profile", "openid", "profile", ""}
	if got := begin(t, w, w.attempt()).Get("scope"); got != "openid profile" {
		t.Errorf("scope %q", got)
	}
}

func TestAskOfTheAttemptWinsOverTheConnection(t *testing.T) {
	w := newWorld(t)
	w.conn.Settings.Prompt = "select_account"
	w.conn.Settings.ACRValues = []string{"pwd"}
	w.conn.Settings.MaxAge = new(8 * time.Hour)
	w.conn.Settings.Extra = map[string]string{"domain_hint": "acme.example"}
	q := begin(t, w, w.attempt())
	if q.Get("prompt") != "select_account" || q.Get("acr_values") != "pwd" || q.Get("max_age") != "28800" || q.Get("domain_hint") != "acme.example" {
		t.Errorf("connection's wishes: %v", q)
	}
	w.ask = idp.Ask{ACR: []string{"mfa", "phr"}, MaxAge: new(time.Duration(0)), Prompt: "login", LoginHint: "alice@acme.example"}
	q = begin(t, w, w.attempt())
	if q.Get("prompt") != "login" || q.Get("acr_values") != "mfa phr" || q.Get("max_age") != "0" || q.Get("login_hint") != "alice@acme.example" {
		t.Errorf("attempt's wishes: %v", q)
	}
}

func TestExtraParametersCannotReplaceTheProtocols(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"redirect_uri", "state", "nonce", "scope", "code_challenge_method", "request", "request_uri", "response_mode", "client_id", "max_age", "Redirect_URI"} {
		w.conn.Settings.Extra = map[string]string{name: "x"}
		_, err := w.c.Begin(t.Context(), w.conn, w.attempt())
		w.refused(idp.CodeClient, idp.Identity{}, err)
	}
}

func TestEndpointsNobodyShouldBeSentToAreRefused(t *testing.T) {
	for _, row := range []struct{ member, value string }{
		{"authorization_endpoint", "javascript:alert(1)"},
		{"authorization_endpoint", "http://idp.example/authorize"},
		{"authorization_endpoint", "https://idp.example/authorize?redirect_uri=https://evil.example"},
		{"authorization_endpoint", "https://idp.example/authorize?client_id=other"},
		{"authorization_endpoint", "https://idp.example/authorize#x"},
		{"authorization_endpoint", "https://gate@idp.example/authorize"},
		{"authorization_endpoint", ""},
		{"token_endpoint", "/token"},
		{"jwks_uri", "file:///etc/passwd"},
		{"end_session_endpoint", "//evil.example"},
	} {
		t.Run(row.member+" "+row.value, func(t *testing.T) {
			w := newWorld(t)
			w.op.SetMetadata(row.member, row.value)
			_, err := w.c.Begin(t.Context(), w.conn, w.attempt())
			w.refused(idp.CodeMetadata, idp.Identity{}, err)
		})
	}
}

func TestMetadataOfAnotherShapeIsRefused(t *testing.T) {
	for name, value := range map[string]any{"token_endpoint": 7, "authorization_response_iss_parameter_supported": "true", "id_token_signing_alg_values_supported": map[string]any{}} {
		w := newWorld(t)
		w.op.SetMetadata(name, value)
		_, err := w.c.Begin(t.Context(), w.conn, w.attempt())
		w.refused(idp.CodeMetadata, idp.Identity{}, err)
	}
}

func TestRequiredPushedRequestIsPushed(t *testing.T) {
	for _, auth := range []idp.ClientAuth{idp.AuthBasic, idp.AuthPost} {
		w := newWorld(t, func(_ *idptest.Options, c *idp.Connection) { c.Settings.ClientAuth = auth })
		w.op.SetMetadata("require_pushed_authorization_requests", true)
		q := begin(t, w, w.attempt())
		if len(q) != 2 || q.Get("client_id") != "gate" || !strings.HasPrefix(q.Get("request_uri"), "urn:") {
			t.Errorf("%s: request shows %v to the browser", auth, q)
		}
		w.mustSignIn()
	}
}

func TestRefusedPushedRequestSaysWhy(t *testing.T) {
	w := newWorld(t, func(o *idptest.Options, _ *idp.Connection) { o.Clients[0].Secret = "another" })
	w.op.SetMetadata("require_pushed_authorization_requests", true)
	_, err := w.c.Begin(t.Context(), w.conn, w.attempt())
	w.refused(idp.CodeClient, idp.Identity{}, err)
	if n := w.op.Count("POST /par"); n != 1 {
		t.Errorf("%d POSTs", n)
	}
}
