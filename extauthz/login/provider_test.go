package login

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/oidc"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// The tests of this file follow the OpenID Foundation's list for relying parties, one for each module
// oidcc-client-test-… of sign-out and third-party start, against a provider that speaks the real protocol.

// loopback is a world whose gate listens on loopback and whose provider is idptest's.
func loopback(t *testing.T) (*world, *idptest.Running, *httptest.Server) {
	t.Helper()
	w := newWorld(t)
	gate := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/auth/") {
			w.ServeHTTP(rw, r)
			return
		}
		v, err := w.visitor(r.Context(), r)
		switch {
		case err != nil:
			t.Error(err)
		case v.Live:
			_, _ = rw.Write([]byte("dashboard for " + v.Session.Subject + " at " + r.RequestURI))
		default:
			w.Start(rw, r, v, idp.Ask{})
		}
	}))
	t.Cleanup(gate.Close)
	w.PublicURL, _ = url.Parse(gate.URL)
	w.Insecure = true
	op, err := idptest.Start(idptest.Options{
		Clients: []idptest.Client{{
			ID: "gate", Secret: "gate-secret", RedirectURIs: []string{gate.URL + "/auth/callback/oidc/acme-okta"}, PostLogoutRedirectURIs: []string{gate.URL + "/auth/logout"},
		}},
		People: []idptest.Person{{Sub: "sub-alice", UserName: "alice", Email: "alice@acme.example"}, {Sub: "sub-bob", UserName: "bob"}},
		Now:    w.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(op.Close)
	w.change("acme-okta", func(c *idp.Connection) {
		c.Provider = idp.Generic
		c.Settings = idp.OIDCSettings{Issuer: op.Issuer(), ClientID: "gate", ClientSecret: secret.New("gate-secret"), ClientAuth: idp.AuthBasic, Scopes: []string{"profile", "email"}}
	})
	w.Connectors[idp.OIDC] = &oidc.Connector{Client: &http.Client{Timeout: 10 * time.Second}, Now: w.clock}
	return w, op, gate
}

func mustOpen(t *testing.T, b *idptest.Browser, address string) idptest.Page {
	t.Helper()
	p, err := b.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// arrive signs alice in by way of the page she asked for.
func arrive(t *testing.T, gate *httptest.Server) *idptest.Browser {
	t.Helper()
	b := idptest.NewBrowser("alice", nil)
	if p := mustOpen(t, b, gate.URL+"/events?x=1"); p.Body != "dashboard for sub-alice at /events?x=1" {
		t.Fatalf("%d %s: %s", p.Status, p.URL, p.Body)
	}
	return b
}

func TestRP_RpInitLogout(t *testing.T) {
	w, op, gate := loopback(t)
	b := arrive(t, gate)
	p := mustOpen(t, b, gate.URL+"/auth/logout")
	if p.Status != http.StatusOK || !strings.Contains(p.Body, "signed out at your identity provider as well") || w.live() != 0 || op.Count("GET /logout")+op.Count("POST /logout") != 1 {
		t.Errorf("%d %s, %d live: %s", p.Status, p.URL, w.live(), p.Body)
	}
	op.Forget()
	b.Stop = func(u *url.URL) bool { return strings.HasSuffix(u.Path, "/authorize") }
	if p = mustOpen(t, b, gate.URL+"/events"); p.Location == nil {
		t.Errorf("still in: %d %s", p.Status, p.Body)
	}
}

func TestRP_RpInitLogoutOtherState(t *testing.T) {
	w, _, gate := loopback(t)
	b := arrive(t, gate)
	b.Stop = func(u *url.URL) bool { return u.Path == "/auth/logout" && u.Query().Has("state") }
	p := mustOpen(t, b, gate.URL+"/auth/logout")
	if p.Location == nil {
		t.Fatalf("did not come back: %d %s", p.Status, p.Body)
	}
	b.Stop = nil
	q := p.Location.Query()
	q.Set("state", q.Get("state")+"A")
	if p = mustOpen(t, b, gate.URL+"/auth/logout?"+q.Encode()); p.Status != http.StatusOK || !strings.Contains(p.Body, "You are signed out") || strings.Contains(p.Body, "as well") || w.live() != 0 {
		t.Errorf("%d, %d live: %s", p.Status, w.live(), p.Body)
	}
}

func TestRP_RpInitLogoutNoState(t *testing.T) {
	w, _, gate := loopback(t)
	b := arrive(t, gate)
	b.Stop = func(u *url.URL) bool { return u.Path == "/auth/logout" && u.Query().Has("state") }
	mustOpen(t, b, gate.URL+"/auth/logout")
	b.Stop = nil
	if p := mustOpen(t, b, gate.URL+"/auth/logout"); p.Status != http.StatusOK || !strings.Contains(p.Body, "You are signed out") || strings.Contains(p.Body, "as well") || w.live() != 0 {
		t.Errorf("%d, %d live: %s", p.Status, w.live(), p.Body)
	}
}

func TestRP_3rdPartyInitLogin(t *testing.T) {
	w, op, gate := loopback(t)
	w.add("beta", nil, connection("beta", "beta-okta")) // so that the connection named is the one used
	b := idptest.NewBrowser("bob", nil)
	q := url.Values{"connection": {"acme-okta"}, "iss": {op.Issuer()}, "login_hint": {"bob"}, "target_link_uri": {gate.URL + "/reports"}}
	if p := mustOpen(t, b, gate.URL+"/auth/login?"+q.Encode()); p.Body != "dashboard for sub-bob at /reports" {
		t.Errorf("%d %s: %s", p.Status, p.URL, p.Body)
	}
	q.Set("iss", op.Issuer()+"/")
	if p := mustOpen(t, idptest.NewBrowser("bob", nil), gate.URL+"/auth/login?"+q.Encode()); p.Status != http.StatusOK || !strings.Contains(p.Body, "link does not work any more") {
		t.Errorf("another issuer: %d %s", p.Status, p.Body)
	}
	q.Set("iss", op.Issuer())
	q.Set("target_link_uri", "https://evil.example/")
	if p := mustOpen(t, idptest.NewBrowser("bob", nil), gate.URL+"/auth/login?"+q.Encode()); p.Body != "dashboard for sub-bob at /" {
		t.Errorf("a target elsewhere: %d %s", p.Status, p.URL)
	}
}

func TestHostileAnswersAreRefusedWithTheirReason(t *testing.T) {
	for _, c := range []struct {
		fault string
		want  idp.Code
	}{
		{"wrong-nonce", idp.CodeNonce}, {"alg-none", idp.CodeAlgorithm}, {"wrong-aud", idp.CodeAudience}, {"folded-claim", idp.CodeClaims}, {"missing-sub", idp.CodeSubject},
	} {
		w, op, gate := loopback(t)
		op.Fault(c.fault)
		p := mustOpen(t, idptest.NewBrowser("alice", nil), gate.URL+"/events")
		if p.Status != explain(c.want).status || !strings.Contains(p.Body, string(c.want)) || w.reasons() != string(c.want) || len(w.sessions) != 0 {
			t.Errorf("%s: %d, %q: %s", c.fault, p.Status, w.reasons(), p.Body)
		}
	}
}
