package idptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

const back = "http://localhost:9/callback"

var people = []idptest.Person{
	{Sub: "1", UserName: "ada", Email: "ada@acme.example", Name: "Ada Admin", Groups: []string{"Admins"}},
	{Sub: "2", UserName: "vi", Email: "vi@acme.example", Name: "Vi <b>Viewer</b>"},
}

type rig struct {
	t    *testing.T
	op   *idptest.Running
	b    *idptest.Browser
	conf oauth2.Config
}

func newRig(t *testing.T, o idptest.Options) *rig {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Alg, o.People = "ES256", people
	o.Clients = []idptest.Client{{ID: "app", Secret: "s", RedirectURIs: []string{back}, PostLogoutRedirectURIs: []string{"http://localhost:9/out"}}}
	op, err := idptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(op.Close)
	r := &rig{t: t, op: op, b: idptest.NewBrowser("ada", nil)}
	r.b.Stop = func(u *url.URL) bool { return u.Host == "localhost:9" }
	r.conf = oauth2.Config{ClientID: "app", ClientSecret: "s", RedirectURL: back, Scopes: []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: op.Issuer() + "/authorize", TokenURL: op.Issuer() + "/token", AuthStyle: oauth2.AuthStyleInHeader}}
	return r
}

const verifier = "0123456789012345678901234567890123456789abc"

// visit sends the browser through and returns the parameters it comes back with.
func (r *rig) visit(opts ...oauth2.AuthCodeOption) url.Values {
	r.t.Helper()
	to := r.conf.AuthCodeURL("st", append(opts, oauth2.S256ChallengeOption(verifier), gooidc.Nonce("n"))...)
	p, err := r.b.Open(r.t.Context(), to)
	if err != nil {
		r.t.Fatal(err)
	}
	if p.Location == nil {
		r.t.Fatalf("status %d: %s", p.Status, p.Body)
	}
	return p.Location.Query()
}

func TestAnotherRelyingPartySignsIn(t *testing.T) {
	r := newRig(t, idptest.Options{Issuer: "/realms/acme"})
	provider, err := gooidc.NewProvider(t.Context(), r.op.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	r.conf.Endpoint = provider.Endpoint()
	q := r.visit()
	if q.Get("state") != "st" || q.Get("iss") != r.op.Issuer() {
		t.Errorf("answer %v", q)
	}
	tok, err := r.conf.Exchange(t.Context(), q.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tok.Extra("id_token").(string)
	id, err := provider.Verifier(&gooidc.Config{ClientID: "app"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != "1" || id.Nonce != "n" || id.VerifyAccessToken(tok.AccessToken) != nil {
		t.Errorf("token %+v", id)
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(tok))
	if err != nil || info.Subject != "1" || info.Email != "ada@acme.example" {
		t.Errorf("userinfo %+v, %v", info, err)
	}
}

func TestCodeIsBound(t *testing.T) {
	for name, spoil := range map[string]func(c *oauth2.Config, verifier *string){
		"to the verifier":     func(_ *oauth2.Config, v *string) { *v += "x" },
		"to the redirect URI": func(c *oauth2.Config, _ *string) { c.RedirectURL += "/x" },
		"to the secret":       func(c *oauth2.Config, _ *string) { c.ClientSecret = "x" },
		"to a secret at all": func(c *oauth2.Config, _ *string) {
			c.ClientSecret = ""
			c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
		},
	} {
		r := newRig(t, idptest.Options{})
		code, conf, v := r.visit().Get("code"), r.conf, verifier
		spoil(&conf, &v)
		if _, err := conf.Exchange(t.Context(), code, oauth2.VerifierOption(v)); err == nil {
			t.Errorf("a code is not bound %s", name)
		}
	}
	r := newRig(t, idptest.Options{})
	code := r.visit().Get("code")
	if _, err := r.conf.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.conf.Exchange(t.Context(), code, oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code was accepted twice")
	}
}

func TestPromptAndMaxAge(t *testing.T) {
	now := time.Now()
	r := newRig(t, idptest.Options{Now: func() time.Time { return now }})
	none := oauth2.SetAuthURLParam("prompt", "none")
	if q := r.visit(none); q.Get("error") != "login_required" || q.Get("iss") == "" {
		t.Errorf("prompt=none without a session: %v", q)
	}
	r.visit()
	if q := r.visit(none); !q.Has("code") {
		t.Errorf("prompt=none with a session: %v", q)
	}
	r.b.Person = "nobody"
	if q := r.visit(); !q.Has("code") {
		t.Errorf("single sign-on asked again: %v", q)
	}
	now = now.Add(time.Hour)
	if q := r.visit(none, oauth2.SetAuthURLParam("max_age", "60")); q.Get("error") != "login_required" {
		t.Errorf("prompt=none with an old session: %v", q)
	}
	for _, opt := range []oauth2.AuthCodeOption{oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("prompt", "select_account"), oauth2.SetAuthURLParam("max_age", "60")} {
		if _, err := r.b.Open(t.Context(), r.conf.AuthCodeURL("st", opt, oauth2.S256ChallengeOption(verifier))); err == nil {
			t.Errorf("%v did not show the page", opt)
		}
	}
	r.op.SetPeople(people[1:])
	if q := r.visit(none); q.Get("error") != "login_required" {
		t.Errorf("a removed person is still signed in: %v", q)
	}
}

func TestStrangersGetAPageAndNoRedirect(t *testing.T) {
	r := newRig(t, idptest.Options{})
	for _, q := range []string{
		"client_id=app&redirect_uri=http://localhost:9/callback/evil",
		"client_id=app&redirect_uri=" + back + "%3Fx=1",
		"client_id=other&redirect_uri=" + back,
		"client_id=app",
	} {
		p, err := r.b.Open(t.Context(), r.op.Issuer()+"/authorize?response_type=code&scope=openid&"+q)
		if err != nil || p.Status != http.StatusBadRequest || p.Location != nil {
			t.Errorf("%s: %d %v %v", q, p.Status, p.Location, err)
		}
	}
	p, err := r.b.Open(t.Context(), r.op.Issuer()+"/authorize?response_type=code&scope=openid&client_id=app&redirect_uri="+back)
	if err != nil || p.Location == nil || p.Location.Query().Get("error") != "invalid_request" {
		t.Errorf("PKCE is not required: %v %v", p.Location, err)
	}
}

func TestPageListsPeopleAndEscapesThem(t *testing.T) {
	r := newRig(t, idptest.Options{Note: "Ada is Admin."})
	r.b.Person = "nobody"
	p, err := r.b.Open(t.Context(), r.conf.AuthCodeURL("st", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", "VI@acme.example")))
	if err == nil {
		t.Fatal("picked somebody who does not exist")
	}
	for _, want := range []string{"Demo IdP", "Pretend identity provider, loopback only", "Ada Admin", "Vi &lt;b&gt;Viewer&lt;/b&gt;", "Ada is Admin."} {
		if !strings.Contains(p.Body, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	if strings.Index(p.Body, "vi@acme.example") > strings.Index(p.Body, "ada@acme.example") {
		t.Error("login_hint does not put its person first")
	}
}

func TestSignOutWantsAnExactAddressAndAGenuineHint(t *testing.T) {
	r := newRig(t, idptest.Options{})
	tok, err := r.conf.Exchange(t.Context(), r.visit().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	hint, _ := tok.Extra("id_token").(string)
	forged, err := r.op.Mint(map[string]any{"iss": "https://other.example", "aud": "app"}, "ES256")
	if err != nil {
		t.Fatal(err)
	}
	open := func(q url.Values) idptest.Page {
		p, err := r.b.Open(t.Context(), r.op.Issuer()+"/logout?"+q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const out = "http://localhost:9/out"
	if p := open(url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {out + "?x"}}); p.Status != http.StatusBadRequest {
		t.Errorf("another address: %d", p.Status)
	}
	if p := open(url.Values{"id_token_hint": {hint}, "client_id": {"other"}, "post_logout_redirect_uri": {out}}); p.Status != http.StatusBadRequest {
		t.Errorf("another client: %d", p.Status)
	}
	for _, q := range []url.Values{{}, {"client_id": {"app"}, "post_logout_redirect_uri": {out}}, {"client_id": {"app"}, "id_token_hint": {forged}}, {"client_id": {"app"}, "id_token_hint": {hint + "x"}}} {
		if p := open(q); p.Location != nil || !strings.Contains(p.Body, "Sign out?") {
			t.Errorf("%v signs out without asking", q)
		}
	}
	if p := open(url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {out}, "state": {"x y"}}); p.Location == nil || p.Location.Query().Get("state") != "x y" {
		t.Errorf("came back to %v", p.Location)
	}
	if q := r.visit(oauth2.SetAuthURLParam("prompt", "none")); q.Get("error") != "login_required" {
		t.Errorf("still signed in: %v", q)
	}
}

func TestRotatedKeysStayPublished(t *testing.T) {
	r := newRig(t, idptest.Options{})
	old, err := r.op.Mint(map[string]any{"iss": r.op.Issuer(), "aud": "app", "sub": "1", "exp": time.Now().Add(time.Hour).Unix()}, "ES256")
	if err != nil {
		t.Fatal(err)
	}
	verify := func() error {
		keys := gooidc.NewRemoteKeySet(t.Context(), r.op.Issuer()+"/jwks")
		_, err := keys.VerifySignature(t.Context(), old)
		return err
	}
	if err := r.op.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	if err := verify(); err != nil {
		t.Errorf("after rotation: %v", err)
	}
	r.op.WithdrawOldKeys()
	if verify() == nil {
		t.Error("a withdrawn key still verifies")
	}
}

func TestMisspeltFaultPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a fault that does not exist was switched on")
		}
	}()
	newRig(t, idptest.Options{}).op.Fault("worng-iss")
}
