package oidc_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/secret"
)

const signedOut = "http://localhost:8080/auth/logout"

func TestSignOutEndsTheProvidersSession(t *testing.T) {
	w := newWorld(t)
	a := w.attempt()
	to, err := w.c.Begin(t.Context(), w.conn, a)
	if err != nil {
		t.Fatal(err)
	}
	b := idptest.NewBrowser("alice", nil)
	b.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.String(), "http://localhost:8080/") }
	p, err := b.Open(t.Context(), to.URL)
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.complete(t.Context(), a, p.Location)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.c.Logout(t.Context(), w.conn, idp.Logout{IDToken: id.IDToken, Relay: "v1.sealed", ReturnTo: signedOut})
	if err != nil {
		t.Fatal(err)
	}
	p, err = b.Open(t.Context(), out.URL)
	if err != nil {
		t.Fatal(err)
	}
	if p.Location == nil || p.Location.String() != signedOut+"?state=v1.sealed" {
		t.Fatalf("came back to %v: %s", p.Location, p.Body)
	}
	w.ask.Prompt = "none"
	to, err = w.c.Begin(t.Context(), w.conn, w.attempt())
	if err != nil {
		t.Fatal(err)
	}
	if p, err = b.Open(t.Context(), to.URL); err != nil || p.Location.Query().Get("error") != "login_required" {
		t.Errorf("the provider still knows the person: %v %v", p.Location, err)
	}
}

func TestLongSignOutBecomesAForm(t *testing.T) {
	w := newWorld(t)
	hint := strings.Repeat("x", 3000)
	out, err := w.c.Logout(t.Context(), w.conn, idp.Logout{IDToken: secret.New(hint), Relay: "r", ReturnTo: signedOut})
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"id_token_hint": {hint}, "client_id": {"gate"}, "post_logout_redirect_uri": {signedOut}, "state": {"r"}}
	if out.URL != w.op.Issuer()+"/logout" || out.Form.Encode() != want.Encode() {
		t.Errorf("redirect to %s with %d fields", out.URL, len(out.Form))
	}
}

func TestProvidersWithoutSignOutSaySo(t *testing.T) {
	w := newWorld(t, flavor(idptest.Google, idp.Google))
	if _, err := w.c.Logout(t.Context(), w.conn, idp.Logout{IDToken: secret.New("x")}); !errors.Is(err, idp.ErrNoLogout) {
		t.Errorf("Google: %v", err)
	}
	w = newWorld(t, flavor(idptest.Okta, idp.Okta))
	if _, err := w.c.Logout(t.Context(), w.conn, idp.Logout{}); !errors.Is(err, idp.ErrNoLogout) {
		t.Errorf("Okta without a hint: %v", err)
	}
	w = newWorld(t)
	w.op.Fault("metadata-down")
	_, err := w.c.Logout(t.Context(), w.conn, idp.Logout{})
	w.refused(idp.CodeUnavailable, idp.Identity{}, err)
}

func TestOlderAuth0TenantsSignOutInTheirOwnWay(t *testing.T) {
	w := newWorld(t, flavor(idptest.Auth0, idp.Auth0))
	w.op.SetMetadata("end_session_endpoint", nil)
	out, err := w.c.Logout(t.Context(), w.conn, idp.Logout{ReturnTo: signedOut})
	if err != nil {
		t.Fatal(err)
	}
	if want := w.op.Issuer() + "/v2/logout?client_id=gate&returnTo=" + url.QueryEscape(signedOut); out.URL != want {
		t.Errorf("redirect to %s; want %s", out.URL, want)
	}
}
