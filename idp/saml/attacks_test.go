package saml_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// cast are who takes part. Their RSA keys are slow to make, and nothing here changes them.
type cast struct {
	provider, other *idptest.SAMLIdP
	own             idp.SAMLSPKey
	attacker        idptest.SAMLKey
}

var players = sync.OnceValues(func() (cast, error) {
	clock := func() time.Time { return noon }
	var c cast
	var errs [4]error
	c.provider, errs[0] = idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.example", Now: clock})
	c.other, errs[1] = idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.evil.example", Now: clock})
	c.attacker, errs[2] = idptest.NewSAMLKey("rsa", "idptest", noon.Add(-time.Hour), noon.AddDate(1, 0, 0))
	pair, err := idptest.NewSAMLKey("rsa", "gate", noon.Add(-time.Hour), noon.AddDate(1, 0, 0))
	if err != nil {
		return c, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair.Signer)
	c.own = idp.SAMLSPKey{Use: idp.UseEncryption, Key: secret.New(string(private)), Certificate: pair.Certificate, Created: noon}
	return c, errors.Join(err, errors.Join(errs[:]...))
})

// arena is one connection that is attacked: its provider, where the attacker has an account, and another that they run.
type arena struct {
	connector *saml.Connector
	conn      idp.Connection
	attempt   idp.Attempt
	forgery   idptest.SAMLForgery
	opinions  map[string]int
	panics    int
}

func newArena(tb testing.TB) *arena {
	tb.Helper()
	play, err := players()
	if err != nil {
		tb.Fatal(err)
	}
	provider, other, own := play.provider, play.other, play.own
	a := &arena{opinions: map[string]int{}}
	a.connector = &saml.Connector{
		PublicURL: &url.URL{Scheme: "https", Host: "dashboard.tracio.example"}, Now: func() time.Time { return noon },
		OnOpinion: func(outcome, _ string) { a.opinions[outcome]++ }, OnPanic: func() { a.panics++ },
	}
	a.conn = idp.Connection{ID: connectionID, Tenant: "acme", Protocol: idp.SAML, Enabled: true, SAML: idp.SAMLSettings{
		SPKeys: []idp.SAMLSPKey{own},
		IdP: idp.SAMLIdP{
			EntityID:  provider.EntityID(),
			Endpoints: idp.SAMLEndpoints{SSOURL: provider.URL("/sso"), SSOBinding: idp.BindingRedirect, SLOURL: provider.URL("/slo"), SLOBinding: idp.BindingRedirect},
			Keys:      []idp.SAMLKey{{Certificate: provider.Key().Certificate, SHA256: provider.Key().SHA256(), State: idp.KeyActive, Source: "upload", FirstSeen: noon}},
		},
		Attributes: idp.SAMLAttributes{Groups: []string{"groups"}},
	}}
	a.attempt = idp.Attempt{ID: [16]byte{7}, Kind: idp.KindSignIn, Tenant: "acme", Connection: connectionID, Begun: noon.Add(-time.Minute)}
	a.forgery = idptest.SAMLForgery{
		IdP: provider, Other: other, Key: &play.attacker,
		SP:           idptest.SAMLSP{EntityID: entityID, ACS: acs, SLO: strings.Replace(entityID, "/metadata", "/slo", 1)},
		Encryption:   own.Certificate,
		Person:       idptest.Person{Sub: "00u2mallory", Email: "mallory@acme.example", Name: "Mallory Mill", Groups: []string{"Everyone"}},
		Victim:       idptest.Person{Sub: "00u1alice", Email: "alice@acme.example", Name: "Alice Archer", Groups: []string{"Security"}},
		InResponseTo: a.attempt.RequestID(), Relay: "0a1b2c3d", Begun: a.attempt.Begun, Now: noon,
	}
	return a
}

// with is the connection after change.
func (a *arena) with(change func(*idp.SAMLSettings)) idp.Connection {
	conn := a.conn
	conn.SAML.IdP.Keys = slices.Clone(conn.SAML.IdP.Keys)
	if change != nil {
		change(&conn.SAML)
	}
	return conn
}

func delivery(form url.Values, spoil func(*http.Request)) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, acs, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if spoil != nil {
		spoil(r)
	}
	return r
}

func (a *arena) strike(x idptest.SAMLAttack) (idp.Identity, error) {
	conn := a.with(x.Settings)
	return a.connector.Complete(context.Background(), conn, a.attempt, delivery(x.Forge(a.forgery), x.Deliver))
}

// TestEveryNamedAttackIsRefusedForItsOwnReason wants the exact rule: an attack that another rule stops proves nothing
// about the one it was made for.
func TestEveryNamedAttackIsRefusedForItsOwnReason(t *testing.T) {
	a := newArena(t)
	seen := map[string]bool{}
	for _, x := range idptest.SAMLAttacks() {
		t.Run(x.Name, func(t *testing.T) {
			if seen[x.Name] || x.Wins == "" {
				t.Errorf("attack is named twice, or does not say what it wins")
			}
			seen[x.Name] = true
			id, err := a.strike(x)
			e, ok := errors.AsType[*idp.Error](err)
			if !ok {
				t.Fatalf("%v (identity %+v): an attack is theirs, not ours", err, id)
			}
			if e.Code != x.Code || e.Detail != x.Detail {
				t.Errorf("refused as %s (%v), want %s/%s", e.Reason(), e, x.Code, x.Detail)
			}
			if id.Subject != "" || id.Tenant != "" || id.Once != nil {
				t.Errorf("a refusal came with an identity: %+v", id)
			}
			for _, word := range []string{"alice", "mallory", "Mallory", "evil.example"} {
				if strings.Contains(e.Error()+e.Hint, word) {
					t.Errorf("the refusal repeats what the message said: %v %s", e, e.Hint)
				}
			}
		})
	}
	if a.panics > 0 || a.opinions["disagree"] > 0 {
		t.Errorf("%d panics, opinions %v", a.panics, a.opinions)
	}
}

func TestBenignTwinsSignIn(t *testing.T) {
	a := newArena(t)
	for _, x := range idptest.BenignTwins() {
		t.Run(x.Name, func(t *testing.T) {
			conn := a.with(x.Settings)
			id, err := a.connector.Complete(t.Context(), conn, a.attempt, delivery(x.Forge(a.forgery), x.Deliver))
			if err != nil {
				t.Fatalf("refused: %v (%s)", err, reason(err))
			}
			if id.NameID.Value != a.forgery.Person.Sub || len(id.Once) == 0 {
				t.Errorf("signed in as %+v", id.NameID)
			}
			if x.Groups >= 0 && (len(id.Groups) != x.Groups || id.GroupState != idp.GroupsListed) {
				t.Errorf("%d groups, want %d", len(id.Groups), x.Groups)
			}
		})
	}
	if a.panics > 0 || a.opinions["disagree"] > 0 || a.opinions["agree"] == 0 {
		t.Errorf("%d panics, opinions %v", a.panics, a.opinions)
	}
}
