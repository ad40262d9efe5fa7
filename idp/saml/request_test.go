package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// newBegin is an rp with keys to sign with, registered at a provider of its own.
func newBegin(t *testing.T, o idptest.SAMLOptions) *rp {
	t.Helper()
	r := newRP(t, idptest.SAMLOptions{Key: "p256"})
	o.Key, o.BaseURL, o.Now = "p256", provider, func() time.Time { return noon }
	o.SPs = []idptest.SAMLSP{{EntityID: entityID, ACS: acs, SLO: slo, Signing: ourKeys()[0].Certificate}}
	p, err := idptest.NewSAML(o)
	if err != nil {
		t.Fatal(err)
	}
	r.idp = p
	r.conn.SAML.IdP.Keys = nil
	r.trust(p.Key(), idp.KeyActive)
	r.conn.SAML.SPKeys = ourKeys()
	r.conn.SAML.IdP.Endpoints = idp.SAMLEndpoints{SSOURL: provider + "/sso", SSOBinding: idp.BindingRedirect, SLOURL: provider + "/slo", SLOBinding: idp.BindingRedirect}
	r.attempt.Relay = "0a1b2c3d"
	return r
}

func (r *rp) begin() idp.Redirect {
	r.tb.Helper()
	out, err := r.connector.Begin(r.tb.Context(), r.conn, r.attempt)
	if err != nil {
		r.tb.Fatalf("refused: %v (%s)", err, reason(err))
	}
	return out
}

// deliver brings a message to the provider and returns what it answers.
func (r *rp) deliver(out idp.Redirect) *httptest.ResponseRecorder {
	r.tb.Helper()
	req := httptest.NewRequestWithContext(r.tb.Context(), http.MethodGet, out.URL, http.NoBody)
	if out.Form != nil {
		req = httptest.NewRequestWithContext(r.tb.Context(), http.MethodPost, out.URL, strings.NewReader(out.Form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	r.idp.ServeHTTP(w, req)
	return w
}

// message decodes what is in a URL or form.
func carriedBy(tb testing.TB, out idp.Redirect, field string) *etree.Element {
	tb.Helper()
	encoded := out.Form.Get(field)
	u, err := url.Parse(out.URL)
	if err != nil {
		tb.Fatal(err)
	}
	if out.Form == nil {
		encoded = u.Query().Get(field)
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		tb.Fatal(err)
	}
	if out.Form == nil {
		if b, err = io.ReadAll(flate.NewReader(bytes.NewReader(b))); err != nil {
			tb.Fatal(err)
		}
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(b); err != nil {
		tb.Fatal(err)
	}
	return doc.Root()
}

func names(el *etree.Element) []string {
	var out []string
	for _, c := range el.ChildElements() {
		out = append(out, c.Tag)
	}
	return out
}

func TestRequestSaysWhatIsAskedAndNoMore(t *testing.T) {
	r := newBegin(t, idptest.SAMLOptions{})
	root := carriedBy(t, r.begin(), "SAMLRequest")
	got := map[string]string{}
	for _, a := range root.Attr {
		got[a.FullKey()] = a.Value
	}
	want := map[string]string{
		"xmlns:samlp": "urn:oasis:names:tc:SAML:2.0:protocol", "xmlns:saml": "urn:oasis:names:tc:SAML:2.0:assertion",
		"ID": r.attempt.RequestID(), "Version": "2.0", "IssueInstant": "2026-05-04T12:00:00Z", "Destination": provider + "/sso",
		"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "AssertionConsumerServiceURL": acs,
	}
	if !maps.Equal(got, want) {
		t.Errorf("attributes %v", got)
	}
	if !slices.Equal(names(root), []string{"Issuer", "NameIDPolicy"}) || root.FindElement("./Issuer").Text() != entityID {
		t.Errorf("children %v", names(root))
	}
	if policy := root.FindElement("./NameIDPolicy"); len(policy.Attr) != 1 || policy.SelectAttrValue("AllowCreate", "") != "true" {
		t.Errorf("NameIDPolicy %v", policy.Attr)
	}
}

func TestRequestFollowsSettingsAndAttempt(t *testing.T) {
	hour := time.Hour
	for name, c := range map[string]struct {
		edit           func(*rp)
		force, passive string
		format         string
		classes        []string
	}{
		"forced by settings":  {edit: func(r *rp) { r.conn.SAML.ForceAuthn = true }, force: "true"},
		"forced by attempt":   {edit: func(r *rp) { r.attempt.Ask.Prompt = "login" }, force: "true"},
		"fresh sign-in":       {edit: func(r *rp) { r.attempt.Ask.MaxAge = &hour }, force: "true"},
		"another account":     {edit: func(r *rp) { r.attempt.Ask.Prompt = "select_account" }, force: "true"},
		"silent":              {edit: func(r *rp) { r.attempt.Ask.Prompt = "none" }, passive: "true"},
		"name format":         {edit: func(r *rp) { r.conn.SAML.NameIDFormat = "urn:f" }, format: "urn:f"},
		"classes of settings": {edit: func(r *rp) { r.conn.SAML.RequestedACR = []string{"urn:a", "urn:b"} }, classes: []string{"urn:a", "urn:b"}},
		"classes of attempt": {
			edit:    func(r *rp) { r.conn.SAML.RequestedACR = []string{"urn:a"}; r.attempt.Ask.ACR = []string{"urn:mfa"} },
			classes: []string{"urn:mfa"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBegin(t, idptest.SAMLOptions{})
			c.edit(r)
			root := carriedBy(t, r.begin(), "SAMLRequest")
			var classes []string
			for _, el := range root.FindElements("./RequestedAuthnContext[@Comparison='exact']/AuthnContextClassRef") {
				classes = append(classes, el.Text())
			}
			if root.SelectAttrValue("ForceAuthn", "") != c.force || root.SelectAttrValue("IsPassive", "") != c.passive ||
				root.FindElement("./NameIDPolicy").SelectAttrValue("Format", "") != c.format || !slices.Equal(classes, c.classes) {
				s, _ := etree.NewDocumentWithRoot(root).WriteToString()
				t.Error(s)
			}
		})
	}
}

func TestRequestIsSignedWhenTheProviderOrAnAdminWantsIt(t *testing.T) {
	for name, c := range map[string]struct {
		wants bool
		sign  idp.SAMLSignRequests
		want  bool
	}{
		"nobody": {false, idp.SignAuto, false}, "the provider": {true, idp.SignAuto, true}, "the admin": {false, idp.SignAlways, true},
		"the provider, the admin not": {true, idp.SignNever, false},
	} {
		for _, binding := range []idp.SAMLBinding{idp.BindingRedirect, idp.BindingPOST} {
			r := newBegin(t, idptest.SAMLOptions{WantSign: true})
			r.conn.SAML.SignRequests, r.conn.SAML.IdP.WantsSigned, r.conn.SAML.IdP.Endpoints.SSOBinding = c.sign, c.wants, binding
			out := r.begin()
			if accepted := r.deliver(out).Code == http.StatusOK; accepted != c.want {
				t.Errorf("%s, %s: the provider, which wants a signature, accepts: %v", name, binding, accepted)
			}
			want := []string{"Issuer", "NameIDPolicy"}
			if c.want && binding == idp.BindingPOST {
				want = []string{"Issuer", "Signature", "NameIDPolicy"} // the schema's order
			}
			if got := names(carriedBy(t, out, "SAMLRequest")); !slices.Equal(got, want) {
				t.Errorf("%s, %s: children %v", name, binding, got)
			}
		}
	}
}

// TestRedirectSignatureIsOverTheQueryInItsOrder does by hand what a provider does (SAML 2.0 Bindings §3.4.4.1).
func TestRedirectSignatureIsOverTheQueryInItsOrder(t *testing.T) {
	r := newBegin(t, idptest.SAMLOptions{})
	r.conn.SAML.SignRequests = idp.SignAlways
	_, query, _ := strings.Cut(r.begin().URL, "?")
	signed, value, ok := strings.Cut(query, "&Signature=")
	var order []string
	for part := range strings.SplitSeq(signed, "&") {
		name, _, _ := strings.Cut(part, "=")
		order = append(order, name)
	}
	if !ok || !slices.Equal(order, []string{"SAMLRequest", "RelayState", "SigAlg"}) || !strings.HasSuffix(signed, "&RelayState=0a1b2c3d&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256") {
		t.Fatalf("query %s", signed)
	}
	plain, err := url.QueryUnescape(value)
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.StdEncoding.DecodeString(plain)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(ourKeys()[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	sum := sha256.Sum256([]byte(signed))
	if !ok || rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], b) != nil {
		t.Error("signature is false")
	}
}

func TestQueryOfTheProvidersAddressIsKept(t *testing.T) {
	for address, begin := range map[string]string{
		"https://idp.example/sso":           "https://idp.example/sso?SAMLRequest=",
		"https://idp.example/sso?":          "https://idp.example/sso?SAMLRequest=",
		"https://idp.example/sso?idp=a%2fb": "https://idp.example/sso?idp=a%2fb&SAMLRequest=",
		"https://idp.example/sso?a=1&b&":    "https://idp.example/sso?a=1&b&SAMLRequest=",
	} {
		r := newBegin(t, idptest.SAMLOptions{})
		r.conn.SAML.IdP.Endpoints.SSOURL = address
		if out := r.begin(); !strings.HasPrefix(out.URL, begin) {
			t.Errorf("%s leads to %s", address, out.URL)
		}
	}
}

func TestLongRequestGoesByPOST(t *testing.T) {
	r := newBegin(t, idptest.SAMLOptions{WantSign: true})
	r.conn.SAML.SignRequests = idp.SignAlways
	random := make([]byte, 8<<10) // what does not deflate
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	r.conn.SAML.RequestedACR = []string{base64.RawURLEncoding.EncodeToString(random[6<<10:])}
	if short := r.begin(); short.Form != nil {
		t.Errorf("a form for what fits into a URL")
	}
	for r.begin().Form == nil {
		if n := len(r.begin().URL); n > 8<<10 {
			t.Fatalf("a URL of %d bytes", n)
		}
		r.conn.SAML.RequestedACR[0] += base64.RawURLEncoding.EncodeToString(random[:99])
		random = random[99:]
	}
	out := r.begin()
	if out.URL != provider+"/sso" || out.Form.Get("RelayState") != "0a1b2c3d" || r.deliver(out).Code != http.StatusOK {
		t.Errorf("%d bytes of form to %s", len(out.Form.Encode()), out.URL)
	}
}

func TestSettingsAreHeldAgainstTheRulesWhenTheyAreUsed(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*rp)
		want string
	}{
		"no entity id":    {func(r *rp) { r.conn.SAML.IdP.EntityID = "" }, "saml-config/entity-id"},
		"no key":          {func(r *rp) { r.conn.SAML.IdP.Keys = nil }, "saml-config/no-key"},
		"a pending key":   {func(r *rp) { r.conn.SAML.IdP.Keys[0].State = idp.KeyPending }, "saml-config/no-key"},
		"a broken key":    {func(r *rp) { r.conn.SAML.IdP.Keys[0].Certificate = []byte("x") }, "saml-config/certificate"},
		"no address":      {func(r *rp) { r.conn.SAML.IdP.Endpoints.SSOURL = "" }, "saml-config/sso-url"},
		"http":            {func(r *rp) { r.conn.SAML.IdP.Endpoints.SSOURL = "http://idp.example/sso" }, "saml-config/sso-url"},
		"http to oneself": {func(r *rp) { r.conn.SAML.IdP.Endpoints.SSOURL = "http://127.0.0.1/sso" }, "saml-config/sso-url"},
		"http elsewhere under insecure": {func(r *rp) {
			r.connector.Insecure = true
			r.conn.SAML.IdP.Endpoints.SSOURL = "http://idp.example/sso"
		}, "saml-config/sso-url"},
		"javascript": {func(r *rp) { r.conn.SAML.IdP.Endpoints.SSOURL = "javascript:alert(1)" }, "saml-config/sso-url"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newBegin(t, idptest.SAMLOptions{})
			c.edit(r)
			if out, err := r.connector.Begin(t.Context(), r.conn, r.attempt); reason(err) != c.want || out.URL != "" {
				t.Errorf("%s, %q", reason(err), out.URL)
			}
		})
	}
	r := newBegin(t, idptest.SAMLOptions{})
	r.connector.Insecure = true
	r.conn.SAML.IdP.Endpoints.SSOURL = "http://127.0.0.1:8080/sso"
	r.begin()
}

func TestOwnKeyThatIsMissingOrBrokenIsOurFault(t *testing.T) {
	for _, keys := range [][]idp.SAMLSPKey{nil, {{Use: idp.UseSigning, Key: secret.New("x"), Certificate: []byte("x")}}, {{Use: idp.UseSigning, Next: true, Key: ourKeys()[0].Key}}, ourKeys()[1:]} {
		r := newBegin(t, idptest.SAMLOptions{})
		r.conn.SAML.SignRequests, r.conn.SAML.SPKeys = idp.SignAlways, keys
		if _, err := r.connector.Begin(t.Context(), r.conn, r.attempt); err == nil || idp.CodeOf(err) != "" {
			t.Errorf("%v", err)
		}
	}
}

func signOctets(tb testing.TB, signer crypto.Signer, octets string) []byte {
	tb.Helper()
	sum := sha256.Sum256([]byte(octets))
	value, err := signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		tb.Fatal(err)
	}
	return value
}
