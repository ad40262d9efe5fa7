package saml_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
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
	"github.com/tracio-ai/ssogate/idp/tenant"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const (
	connectionID = idp.ConnectionID("acme-saml")
	acs          = "https://dashboard.tracio.example/auth/callback/saml/acme-saml"
	entityID     = "https://dashboard.tracio.example/auth/saml/acme-saml/metadata"
)

// newSPKey makes a pair of ours for decryption.
func newSPKey(tb testing.TB) idp.SAMLSPKey {
	tb.Helper()
	k, err := idptest.NewSAMLKey("rsa", "gate", noon.Add(-time.Hour), noon.AddDate(1, 0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	private, ok := k.Signer.(*rsa.PrivateKey)
	if !ok {
		tb.Fatal("not an RSA key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	return idp.SAMLSPKey{Use: idp.UseEncryption, Key: secret.New(string(der)), Certificate: k.Certificate, Created: noon}
}

// rp is a service provider, one connection, its provider, and the attempt that is under way.
type rp struct {
	tb        testing.TB
	idp       *idptest.SAMLIdP
	connector *saml.Connector
	conn      idp.Connection
	attempt   idp.Attempt
	now       time.Time
	opinions  []string
	unknown   int
	sha1      int
}

var alice = idptest.Person{Sub: "00u1alice", Email: "alice@acme.example", Name: "Alice Archer", Groups: []string{"Security", "Everyone"}}

func newRP(tb testing.TB, o idptest.SAMLOptions) *rp {
	tb.Helper()
	provider := providerOf(tb, o)
	r := &rp{tb: tb, idp: provider, now: noon}
	r.connector = &saml.Connector{
		PublicURL:    &url.URL{Scheme: "https", Host: "dashboard.tracio.example"},
		Now:          func() time.Time { return r.now },
		OnOpinion:    func(outcome, why string) { r.opinions = append(r.opinions, strings.Trim(outcome+" "+why, " ")) },
		OnUnknownKey: func(_ tenant.ID, _ idp.ConnectionID) { r.unknown++ },
		OnSHA1:       func() { r.sha1++ },
	}
	settings := saml.Preset(map[idptest.SAMLProfile]idp.Provider{
		idptest.SAMLPlain: idp.Okta, idptest.SAMLOkta: idp.Okta, idptest.SAMLAuth0: idp.Auth0, idptest.SAMLEntra: idp.Entra,
		idptest.SAMLADFS: idp.ADFS, idptest.SAMLGoogle: idp.Google, idptest.SAMLKeycloak: idp.Keycloak,
	}[o.Profile])
	settings.IdP = idp.SAMLIdP{EntityID: provider.EntityID(), Endpoints: idp.SAMLEndpoints{SSOURL: "https://idp.example/saml/sso", SSOBinding: idp.BindingRedirect}}
	r.conn = idp.Connection{ID: connectionID, Tenant: "acme", Protocol: idp.SAML, Enabled: true, SAML: settings}
	r.trust(provider.Key(), idp.KeyActive)
	r.attempt = idp.Attempt{ID: [16]byte{1, 2, 3}, Kind: idp.KindSignIn, Tenant: "acme", Connection: connectionID, Begun: noon.Add(-time.Minute)}
	return r
}

// providers are kept over tests, which only ask them to respond: RSA keys are slow to make.
var providers sync.Map

func providerOf(tb testing.TB, o idptest.SAMLOptions) *idptest.SAMLIdP {
	tb.Helper()
	name := fmt.Sprint(o.Profile, o.SHA1, o.Key)
	if p, ok := providers.Load(name); ok {
		return p.(*idptest.SAMLIdP) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	o.BaseURL = "https://idp.example/saml"
	o.Now = func() time.Time { return noon }
	p, err := idptest.NewSAML(o)
	if err != nil {
		tb.Fatal(err)
	}
	providers.Store(name, p)
	return p
}

func (r *rp) trust(k idptest.SAMLKey, state idp.SAMLKeyState) {
	r.conn.SAML.IdP.Keys = append(slices.Clone(r.conn.SAML.IdP.Keys), idp.SAMLKey{Certificate: k.Certificate, SHA256: k.SHA256(), State: state})
}

// encrypt gives the connection a key, for which the provider encrypts.
func (r *rp) encrypt(k idp.SAMLSPKey) { r.conn.SAML.SPKeys = []idp.SAMLSPKey{k} }

func (r *rp) sp() idptest.SAMLSP {
	sp := idptest.SAMLSP{EntityID: entityID, ACS: acs}
	if len(r.conn.SAML.SPKeys) > 0 {
		sp.Encryption = r.conn.SAML.SPKeys[0].Certificate
	}
	return sp
}

// respond has the provider answer the attempt.
func (r *rp) respond(edit func(*idptest.RespondOptions)) string {
	r.tb.Helper()
	o := idptest.RespondOptions{SP: r.sp(), Person: alice, InResponseTo: r.attempt.RequestID(), Now: noon}
	if edit != nil {
		edit(&o)
	}
	s, err := r.idp.Respond(o)
	if err != nil {
		r.tb.Fatal(err)
	}
	return s
}

func post(form url.Values) *http.Request {
	req := httptest.NewRequestWithContext(context.Background(), http.MethodPost, acs, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func (r *rp) complete(response string) (idp.Identity, error) {
	return r.connector.Complete(context.Background(), r.conn, r.attempt, post(url.Values{"SAMLResponse": {response}, "RelayState": {"0a1b2c3d"}}))
}

// admit wants the answer to be accepted.
func (r *rp) admit(edit func(*idptest.RespondOptions)) idp.Identity {
	r.tb.Helper()
	id, err := r.complete(r.respond(edit))
	if err != nil {
		r.tb.Fatalf("refused: %v (%s)", err, reason(err))
	}
	return id
}

// refuse wants the answer refused for this reason.
func (r *rp) refuse(want string, edit func(*idptest.RespondOptions)) {
	r.tb.Helper()
	id, err := r.complete(r.respond(edit))
	wantReason(r.tb, want, id, err)
}

func wantReason(tb testing.TB, want string, id idp.Identity, err error) {
	tb.Helper()
	if got := reason(err); got != want {
		tb.Fatalf("reason %q (%v), want %q", got, err, want)
	}
	if id.Subject != "" || id.Once != nil || id.Tenant != "" {
		tb.Fatalf("a refusal came with an identity: %+v", id)
	}
}

func reason(err error) string {
	if e, ok := errors.AsType[*idp.Error](err); ok {
		return e.Reason()
	}
	return fmt.Sprint(err)
}

func hint(err error) string {
	if e, ok := errors.AsType[*idp.Error](err); ok {
		return e.Hint
	}
	return ""
}
