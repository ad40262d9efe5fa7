package idptest

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// gate stands in for a service provider: it keeps the forms it is sent.
type gate struct {
	*httptest.Server
	key SAMLKey
	mu  sync.Mutex
	got []url.Values
	raw []string
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.got = append(g.got, maps.Clone(r.Form))
		g.raw = append(g.raw, r.URL.RawQuery)
	}))
	t.Cleanup(g.Close)
	now := time.Now()
	var err error
	if g.key, err = NewSAMLKey("rsa", "gate", now.Add(-time.Hour), now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gate) sp() SAMLSP {
	return SAMLSP{Name: "Dashboard", EntityID: g.URL + "/metadata", ACS: g.URL + "/acs", SLO: g.URL + "/slo", Signing: g.key.Certificate}
}

// take returns the last form and forgets all.
func (g *gate) take(t *testing.T) url.Values {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.got) == 0 {
		t.Fatal("the gate was sent nothing")
	}
	last := g.got[len(g.got)-1]
	g.got, g.raw = nil, nil
	return last
}

func startSAML(t *testing.T, g *gate, profile SAMLProfile) *RunningSAML {
	t.Helper()
	p, err := StartSAML(SAMLOptions{BaseURL: "/saml", Profile: profile, Now: time.Now, WantSign: true, SPs: []SAMLSP{g.sp()},
		People: []Person{{Sub: "00u1", UserName: "alice", Email: "alice@acme.example", Name: "Alice Example", Groups: []string{"security"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (g *gate) authnRequest(p *RunningSAML, more ...attr) *node {
	return el("samlp:AuthnRequest", append([]attr{{"xmlns:samlp", nsProtocol}, {"ID", "_r1"}, {"Version", "2.0"}, {"IssueInstant", instant(time.Now())},
		{"Destination", p.URL("/sso")}, {"AssertionConsumerServiceURL", g.URL + "/acs"}}, more...),
		leaf("saml:Issuer", g.URL+"/metadata", attr{"xmlns:saml", nsAssertion}))
}

// redirect signs a message for the Redirect binding.
func (g *gate) redirect(t *testing.T, name string, root *node, relay string) string {
	t.Helper()
	s := signing{key: g.key}
	q := name + "=" + url.QueryEscape(deflate(root.xml())) + "&RelayState=" + relay + "&SigAlg=" + url.QueryEscape(AlgRSASHA256)
	v, err := s.value([]byte(q))
	if err != nil {
		t.Fatal(err)
	}
	return q + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(v))
}

func response(t *testing.T, form url.Values, name string) *node {
	t.Helper()
	doc, err := base64.StdEncoding.DecodeString(form.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	root, err := parseXML(doc)
	if err != nil {
		t.Fatalf("%v: %v", form, err)
	}
	return root
}

func open(t *testing.T, b *Browser, address string) Page {
	t.Helper()
	page, err := b.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestSAMLSignInOverRedirectThenSilent(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLOkta)
	b := NewBrowser("alice", nil)
	open(t, b, p.URL("/sso")+"?"+g.redirect(t, "SAMLRequest", g.authnRequest(p), "abcd1234"))
	form := g.take(t)
	r := response(t, form, "SAMLResponse")
	if r.get("InResponseTo") != "_r1" || form.Get("RelayState") != "abcd1234" || r.find("NameID").content() != "alice@acme.example" {
		t.Fatalf("unexpected response %s", r.xml())
	}
	if form.Get("SAMLResponse") != p.LastResponse() || p.LastRequestID() != "_r1" {
		t.Error("what is remembered is another")
	}
	index := r.find("AuthnStatement").get("SessionIndex")
	posts := p.Count("POST /sso")
	open(t, b, p.URL("/sso")+"?"+g.redirect(t, "SAMLRequest", g.authnRequest(p), "x"))
	if got := response(t, g.take(t), "SAMLResponse").find("AuthnStatement").get("SessionIndex"); got != index || p.Count("POST /sso") != posts {
		t.Error("the second sign-in was not silent")
	}
	open(t, b, p.URL("/sso")+"?"+g.redirect(t, "SAMLRequest", g.authnRequest(p, attr{"ForceAuthn", "true"}), "x"))
	if got := response(t, g.take(t), "SAMLResponse").find("AuthnStatement").get("SessionIndex"); got == index {
		t.Error("ForceAuthn was silent")
	}
}

func TestSAMLSignInOverPOST(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLKeycloak)
	root := g.authnRequest(p)
	if err := sign(root, root, signing{key: g.key}); err != nil {
		t.Fatal(err)
	}
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.post(w, p.URL("/sso"), []field{{"SAMLRequest", encodeForm(root.xml())}, {"RelayState", "r"}})
	}))
	defer own.Close()
	open(t, NewBrowser("alice", nil), own.URL)
	form := g.take(t)
	if r := response(t, form, "SAMLResponse"); r.get("InResponseTo") != "_r1" || form.Get("RelayState") != "r" {
		t.Fatalf("unexpected response %s", r.xml())
	}
	root.find("Issuer").Attrs = append(root.find("Issuer").Attrs, attr{"Format", "changed"})
	page := open(t, NewBrowser("alice", nil), own.URL)
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "digest") {
		t.Errorf("a request that was changed after signing: %d %s", page.Status, page.Body)
	}
}

func TestSAMLRequestsWithoutAGoodSignatureAreRefused(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLOkta)
	query := g.redirect(t, "SAMLRequest", g.authnRequest(p), "x")
	for name, q := range map[string]string{
		"unsigned":      query[:strings.Index(query, "&SigAlg")],
		"other relay":   strings.Replace(query, "RelayState=x", "RelayState=y", 1),
		"not deflated":  "SAMLRequest=" + url.QueryEscape(encodeForm(g.authnRequest(p).xml())),
		"other ACS":     g.redirect(t, "SAMLRequest", setAttr(g.authnRequest(p), "AssertionConsumerServiceURL", "https://evil.example"), "x"),
		"other gate":    g.redirect(t, "SAMLRequest", el("samlp:AuthnRequest", g.authnRequest(p).Attrs, leaf("Issuer", "who")), "x"),
		"other address": g.redirect(t, "SAMLRequest", setAttr(g.authnRequest(p), "Destination", "https://evil.example"), "x"),
	} {
		if page := open(t, NewBrowser("alice", nil), p.URL("/sso")+"?"+q); page.Status != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, page.Status)
		}
	}
}

func setAttr(n *node, name, value string) *node { n.set(name, value); return n }

func TestSAMLTileStartsAnUnsolicitedResponse(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLOkta)
	b := NewBrowser("alice", nil)
	if page := open(t, b, p.URL("/")); !strings.Contains(page.Body, "Dashboard") {
		t.Errorf("no tile: %s", page.Body)
	}
	open(t, b, p.URL("/start")+"?sp="+url.QueryEscape(g.URL+"/metadata"))
	r := response(t, g.take(t), "SAMLResponse")
	if r.get("InResponseTo") != "" || r.find("SubjectConfirmationData").get("InResponseTo") != "" {
		t.Errorf("a tile answers a request: %s", r.xml())
	}
}

func TestSAMLLogoutInBothDirections(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLADFS)
	b := NewBrowser("alice", nil)
	open(t, b, p.URL("/sso")+"?"+g.redirect(t, "SAMLRequest", g.authnRequest(p), "x"))
	g.take(t)
	request := el("samlp:LogoutRequest", []attr{{"xmlns:samlp", nsProtocol}, {"ID", "_l1"}, {"Version", "2.0"}, {"IssueInstant", instant(time.Now())}, {"Destination", p.URL("/slo")}},
		leaf("saml:Issuer", g.URL+"/metadata", attr{"xmlns:saml", nsAssertion}), leaf("saml:NameID", "alice@acme.example", attr{"xmlns:saml", nsAssertion}))
	open(t, b, p.URL("/slo")+"?"+g.redirect(t, "SAMLRequest", request, "back"))
	g.mu.Lock()
	raw := g.raw[len(g.raw)-1]
	g.mu.Unlock()
	if err := checkQuery(raw, p.Key().Signer.Public()); err != nil || !strings.Contains(raw, "RelayState=back") {
		t.Errorf("answer %s: %v", raw, err)
	}
	g.take(t)
	if page := open(t, b, p.URL("/")); strings.Contains(page.Body, "Signed in as") {
		t.Error("the provider's session outlives the sign-out")
	}

	open(t, b, p.URL("/sso")+"?"+g.redirect(t, "SAMLRequest", g.authnRequest(p), "x"))
	g.take(t)
	open(t, b, p.URL("/slo?start=1"))
	doc, err := inflate(g.take(t).Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	told, err := parseXML(doc)
	if err != nil || told.find("NameID").content() != "alice@acme.example" || told.child("SessionIndex") == nil {
		t.Fatalf("request %s: %v", doc, err)
	}
	answer := el("samlp:LogoutResponse", []attr{{"xmlns:samlp", nsProtocol}, {"ID", "_l2"}, {"Version", "2.0"}, {"IssueInstant", instant(time.Now())}, {"InResponseTo", told.get("ID")}},
		leaf("saml:Issuer", g.URL+"/metadata", attr{"xmlns:saml", nsAssertion}),
		el("samlp:Status", nil, el("samlp:StatusCode", []attr{{"Value", statusPrefix + "Success"}})))
	if page := open(t, b, p.URL("/slo")+"?"+g.redirect(t, "SAMLResponse", answer, "")); !strings.Contains(page.Body, "Signed out") {
		t.Errorf("the answer is refused: %s", page.Body)
	}
	if page := open(t, b, p.URL("/slo")+"?"+g.redirect(t, "SAMLResponse", answer, "")); page.Status != http.StatusBadRequest {
		t.Errorf("an answer is taken twice: %s", page.Body)
	}
}

func TestSAMLLogoutByPOSTIsSigned(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLEntra)
	form, err := p.LogoutPost(LogoutOptions{SP: g.sp(), NameID: idp.NameID{Value: "alice"}, SessionIndexes: []string{"_s"}})
	if err != nil {
		t.Fatal(err)
	}
	root := response(t, form, "SAMLRequest")
	if err := checkEnveloped(root, p.Key().Signer.Public()); err != nil {
		t.Errorf("%v: %s", err, root.xml())
	}
	root.find("NameID").setText("bob")
	if err := checkEnveloped(root, p.Key().Signer.Public()); err == nil {
		t.Error("a changed request verifies")
	}
}

func TestSAMLMetadataFollowsTheKeys(t *testing.T) {
	g := newGate(t)
	p := startSAML(t, g, SAMLOkta)
	old := p.Key()
	if _, err := p.PublishNextKey(); err != nil {
		t.Fatal(err)
	}
	p.SignMetadata(true)
	page := open(t, NewBrowser("", nil), p.URL("/metadata"))
	root, err := parseXML([]byte(page.Body))
	if err != nil {
		t.Fatal(err)
	}
	if err := checkEnveloped(root, old.Signer.Public()); err != nil || strings.Count(page.Body, "KeyDescriptor use") != 2 {
		t.Errorf("%v: %s", err, page.Body)
	}
	p.SignWithNext()
	p.WithdrawOldKeys()
	if p.Key().SHA256() == old.SHA256() || len(p.Keys()) != 1 {
		t.Error("the next key does not sign")
	}
}
