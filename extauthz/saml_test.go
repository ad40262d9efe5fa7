package extauthz

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const acs = "/auth/callback/saml/acme-saml"

// samlGate is a gate with a second company, whose provider speaks SAML.
type samlGate struct {
	*gate
	provider *idptest.SAMLIdP
	sp       idptest.SAMLSP
}

func newSAMLGate(t *testing.T) *samlGate {
	t.Helper()
	g := &samlGate{gate: newGate(t)}
	base := "https://" + testHost
	keys, err := saml.NewSPKeys("acme-saml", time.Now())
	check(t, err)
	g.sp = idptest.SAMLSP{
		Name: "gate", EntityID: base + "/auth/saml/acme-saml/metadata", ACS: base + acs, SLO: base + "/auth/saml/acme-saml/slo",
	}
	g.provider, err = idptest.NewSAML(idptest.SAMLOptions{
		BaseURL: "https://idp.example/app", Profile: idptest.SAMLOkta, SPs: []idptest.SAMLSP{g.sp}, Now: g.clock.now,
		People: []idptest.Person{alice},
	})
	check(t, err)
	document, err := g.provider.Metadata(idptest.MetadataOptions{})
	check(t, err)
	settings := saml.Preset(idp.Okta)
	settings.IdP, _, err = saml.ParseMetadata(document, "", g.clock.now())
	check(t, err)
	settings.SPKeys = keys
	check(t, g.store.Declare(t.Context(), []store.Declared{{
		Tenant: tenant.Tenant{ID: "acme", Slug: "acme", GroupKey: tenant.ByDisplayName},
		Connections: []idp.Connection{{
			ID: "acme-saml", Tenant: "acme", Name: "Acme", Protocol: idp.SAML, Provider: idp.Okta, Enabled: true, SAML: settings,
		}},
		Mappings: []idp.RoleMapping{{Tenant: "acme", Kind: idp.MapGroup, Value: "analysts", Role: "Analyst"}},
	}}))
	g.server.Login.Connectors[idp.SAML] = &saml.Connector{PublicURL: g.server.PublicURL, Now: g.clock.now, Log: g.server.Log}
	g.server.Login.Tests = g.store
	return g
}

var alice = idptest.Person{Sub: "00u1alice", UserName: "alice", Email: "alice@acme.example", Name: "Alice Archer", Groups: []string{"analysts"}}

// tab is a browser that leaves SameSite=Lax cookies out of another site's POST.
type tab struct {
	g       *samlGate
	cookies map[string]*http.Cookie
}

func (g *samlGate) tab() *tab { return &tab{g: g, cookies: map[string]*http.Cookie{}} }

func (b *tab) line(foreign bool) line {
	var pairs []string
	for name, c := range b.cookies {
		if !foreign || c.SameSite == http.SameSiteNoneMode {
			pairs = append(pairs, name+"="+c.Value)
		}
	}
	return line{"cookie", strings.Join(pairs, "; ")}
}

func (b *tab) take(out *authv3.CheckResponse) *authv3.CheckResponse {
	h := http.Header{}
	for _, o := range out.GetDeniedResponse().GetHeaders() {
		h.Add(o.GetHeader().GetKey(), o.GetHeader().GetValue())
	}
	for _, c := range (&http.Response{Header: h}).Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	return out
}

func (b *tab) get(path string) *authv3.CheckResponse {
	return b.take(b.g.ask(call{path: path, lines: []line{b.line(false), {"accept", "text/html"}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}}}))
}

func (b *tab) post(form url.Values) *authv3.CheckResponse {
	return b.take(b.g.ask(call{method: "POST", path: acs, body: form.Encode(), lines: []line{
		b.line(true), {"accept", "text/html"}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"}, {"sec-fetch-site", "cross-site"},
		{"content-type", "application/x-www-form-urlencoded"},
	}}))
}

func to(t *testing.T, out *authv3.CheckResponse) *url.URL {
	t.Helper()
	for _, o := range out.GetDeniedResponse().GetHeaders() {
		if o.GetHeader().GetKey() == "location" {
			u, err := url.Parse(o.GetHeader().GetValue())
			check(t, err)
			return u
		}
	}
	t.Fatalf("no location: %d %s", httpStatus(out), out.GetDeniedResponse().GetBody())
	return nil
}

// requestID reads the ID of the message a browser was sent off with (SAML 2.0 Bindings §3.4.4.1).
func requestID(t *testing.T, at *url.URL) string {
	t.Helper()
	deflated, err := base64.StdEncoding.DecodeString(at.Query().Get("SAMLRequest"))
	check(t, err)
	message, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(deflated)), 1<<16))
	check(t, err)
	var root struct {
		ID string `xml:"ID,attr"`
	}
	check(t, xml.Unmarshal(message, &root))
	return root.ID
}

// answer is the provider's to where the browser was sent.
func (g *samlGate) answer(t *testing.T, at *url.URL, o idptest.RespondOptions) url.Values {
	t.Helper()
	o.SP, o.InResponseTo = g.sp, requestID(t, at)
	if o.Person.Sub == "" {
		o.Person = alice
	}
	response, err := g.provider.Respond(o)
	check(t, err)
	return url.Values{"SAMLResponse": {response}, "RelayState": {at.Query().Get("RelayState")}}
}

func (b *tab) signIn(t *testing.T, o idptest.RespondOptions) url.Values {
	t.Helper()
	form := b.g.answer(t, to(t, b.get("/events?q=1")), o)
	out := b.post(form)
	if got := to(t, out); httpStatus(out) != 303 || got.String() != "https://"+testHost+"/events?q=1" {
		t.Fatalf("%d %s", httpStatus(out), got)
	}
	return form
}

func (g *samlGate) reasons() string {
	g.t.Helper()
	events, err := g.store.AuditEvents(g.t.Context(), "acme", 0)
	check(g.t, err)
	var all []string
	for _, e := range events {
		if e.Action == audit.SignInRefused || e.Action == audit.SignOutRefused {
			all = append(all, e.Reason)
		}
	}
	return strings.Join(all, ",")
}

func TestSAMLSignInInsideChecksLandsWithItsRole(t *testing.T) {
	g := newSAMLGate(t)
	b := g.tab()
	b.signIn(t, idptest.RespondOptions{})
	b.get("/auth/login?connection=acme-saml&switch=1") // leaves an attempt's cookie behind
	out := b.get("/events")
	role := ""
	for _, h := range out.GetOkResponse().GetHeaders() {
		if strings.Contains(h.GetHeader().GetValue(), "__Host-ssogate") {
			t.Errorf("upstream sees %s", h.GetHeader())
		}
		if h.GetHeader().GetKey() == "x-sso-role" {
			role = h.GetHeader().GetValue()
		}
	}
	if removed := out.GetOkResponse().GetHeadersToRemove(); !slices.Contains(removed, "cookie") || len(b.cookies) < 4 {
		t.Errorf("of %d cookies all are the gate's; removed %q", len(b.cookies), removed)
	}
	if httpStatus(out) != 200 || role != "Analyst" {
		t.Fatalf("%d, role %q: %s", httpStatus(out), role, out.GetDeniedResponse().GetBody())
	}
	if httpStatus(b.g.ask(call{path: "/events", lines: []line{b.line(true)}})) != 401 {
		t.Error("the cross-site cookies alone are a session")
	}
	for _, log := range []string{g.log.String(), g.lines.String()} {
		for _, secret := range []string{"alice@acme.example", "SAMLResponse=", "v1."} {
			if strings.Contains(log, secret) {
				t.Errorf("a log holds %q", secret)
			}
		}
	}
}

func TestResponseOfTwoThousandGroupsFitsIntoACheck(t *testing.T) {
	g := newSAMLGate(t)
	groups := []string{"analysts"}
	for i := range 1999 {
		groups = append(groups, fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i))
	}
	form := g.tab().signIn(t, idptest.RespondOptions{Groups: groups})
	if n := len(form.Encode()); n < 300<<10 {
		t.Errorf("only %d bytes", n)
	}
}

func TestReplayedResponseIsRefusedByTheStore(t *testing.T) {
	g := newSAMLGate(t)
	b := g.tab()
	form := g.answer(t, to(t, b.get("/events")), idptest.RespondOptions{})
	thief := g.tab()
	maps.Copy(thief.cookies, b.cookies)
	b.post(form)
	out := thief.post(form)
	if httpStatus(out) != 400 || g.reasons() != "saml-replay/signed-in" && g.reasons() != "saml-replay/assertion" || thief.cookies["__Host-ssogate"] != nil {
		t.Errorf("%d %q", httpStatus(out), g.reasons())
	}
}

func TestForgedResponseIsRefusedWithItsExactReason(t *testing.T) {
	g := newSAMLGate(t)
	b := g.tab()
	form := g.answer(t, to(t, b.get("/events")), idptest.RespondOptions{AfterSigning: func(xml string) string { return strings.ReplaceAll(xml, "alice@acme.example", "admin@acme.example") }})
	out := b.post(form)
	if httpStatus(out) != 403 || !strings.HasPrefix(g.reasons(), "saml-signature/") || !strings.Contains(out.GetDeniedResponse().GetBody(), "saml-response") || b.cookies["__Host-ssogate"] != nil {
		t.Errorf("%d %q %s", httpStatus(out), g.reasons(), out.GetDeniedResponse().GetBody())
	}
}

func TestCutBodyIsRefused(t *testing.T) {
	g := newSAMLGate(t)
	out := g.ask(call{method: "POST", path: acs, body: "SAMLResponse=x", lines: []line{{"x-envoy-auth-partial-body", "true"}, {"content-type", "application/x-www-form-urlencoded"}}})
	if httpStatus(out) != 413 {
		t.Errorf("%d", httpStatus(out))
	}
}

func TestProvidersSignOutByRedirectEndsTheSession(t *testing.T) {
	for _, lower := range []bool{false, true} {
		g := newSAMLGate(t)
		b := g.tab()
		b.signIn(t, idptest.RespondOptions{})
		query, err := g.provider.LogoutRedirect(idptest.LogoutOptions{SP: g.sp, NameID: g.nameID(t, b), Relay: "their own, with spaces & more", LowerCase: lower})
		check(t, err)
		stranger := g.tab() // no cookie has to come along
		at := to(t, stranger.get("/auth/saml/acme-saml/slo?"+query))
		if at.Host != "idp.example" || at.Query().Get("SAMLResponse") == "" || at.Query().Get("RelayState") != "their own, with spaces & more" {
			t.Errorf("answered at %s", at)
		}
		if out := b.get("/events"); httpStatus(out) != 302 {
			t.Errorf("lower %t: still in: %d", lower, httpStatus(out))
		}
		if stranger.get("/auth/saml/acme-saml/slo?" + query); !strings.HasPrefix(g.reasons(), "saml-replay") {
			t.Errorf("again: %q", g.reasons())
		}
	}
}

// nameID is what sign-out would send of b's session.
func (g *samlGate) nameID(t *testing.T, b *tab) idp.NameID {
	t.Helper()
	cookies, err := httpreq.ParseCookies(b.line(false).value)
	check(t, err)
	who, err := g.server.whoAsks(t.Context(), cookies)
	check(t, err)
	tokens, err := g.store.Tokens(t.Context(), "acme", who.Session.Hash)
	check(t, err)
	if tokens.NameID.Value == "" {
		t.Fatal("no NameID was kept")
	}
	return tokens.NameID
}

func TestSignOutHereGoesOnToTheProviderAndBack(t *testing.T) {
	g := newSAMLGate(t)
	b := g.tab()
	b.signIn(t, idptest.RespondOptions{})
	at := to(t, b.get("/auth/logout"))
	if at.Host != "idp.example" || at.Query().Get("SAMLRequest") == "" || at.Query().Get("Signature") == "" {
		t.Fatalf("sent to %s", at)
	}
	query, err := g.provider.LogoutRedirect(idptest.LogoutOptions{SP: g.sp, InResponseTo: requestID(t, at), Relay: at.Query().Get("RelayState")})
	check(t, err)
	out := b.get("/auth/saml/acme-saml/slo?" + query)
	if httpStatus(out) != 200 || !strings.Contains(out.GetDeniedResponse().GetBody(), "signed out at your identity provider as well") {
		t.Errorf("%d %s, %q", httpStatus(out), out.GetDeniedResponse().GetBody(), g.reasons())
	}
}

func TestMetadataIsAnsweredInsideACheck(t *testing.T) {
	g := newSAMLGate(t)
	out := g.tab().get("/auth/saml/acme-saml/metadata")
	if body := out.GetDeniedResponse().GetBody(); httpStatus(out) != 200 || !strings.Contains(body, g.sp.EntityID) || !strings.Contains(body, g.sp.ACS) {
		t.Errorf("%d %s", httpStatus(out), body)
	}
}

func TestConnectionTestForetellsTheRoleAndWritesNothing(t *testing.T) {
	g := newSAMLGate(t)
	id := login.TestID("token")
	check(t, g.store.CreateTest(t.Context(), "acme", "acme-saml", id, g.clock.now().Add(10*time.Minute)))
	b := g.tab()
	at := to(t, b.get("/auth/login?connection=acme-saml&test=token"))
	out := b.post(g.answer(t, at, idptest.RespondOptions{}))
	if body := html.UnescapeString(out.GetDeniedResponse().GetBody()); httpStatus(out) != 200 || !regexp.MustCompile(`Roles</dt><dd>Analyst<`).MatchString(body) {
		t.Errorf("%d %s", httpStatus(out), body)
	}
	kept, done, err := g.store.TestResult(t.Context(), "acme", "acme-saml", id)
	check(t, err)
	var r struct {
		OK       bool
		Identity struct{ Subject, Email string }
		Roles    []string
	}
	check(t, json.Unmarshal(kept, &r))
	if !done || !r.OK || len(r.Roles) != 1 || r.Roles[0] != "Analyst" || r.Identity.Email != "alice@acme.example" {
		t.Errorf("%t %s", done, kept)
	}
	if b.cookies["__Host-ssogate"] != nil || httpStatus(b.get("/events")) != 302 {
		t.Error("the test signed someone in")
	}
	sessions, err := g.store.List(t.Context(), "acme", session.Query{})
	check(t, err)
	if len(sessions) != 0 {
		t.Errorf("%d sessions", len(sessions))
	}
}

func TestForetoldRolesAreOfThisIdentityAlone(t *testing.T) {
	g := newSAMLGate(t)
	who := idp.Identity{Tenant: "acme", Connection: "acme-saml", UserName: "x", GroupState: idp.GroupsListed, Groups: []string{"analysts"}}
	for range 2 {
		roles, err := g.server.foretell(t.Context(), who)
		check(t, err)
		other := who
		other.Groups, other.GroupState = nil, idp.GroupsNone
		none, err := g.server.foretell(t.Context(), other)
		check(t, err)
		if len(roles) != 1 || roles[0] != "Analyst" || len(none) != 0 {
			t.Errorf("%v and %v", roles, none)
		}
	}
	who.GroupState = idp.GroupsUnknown
	if _, err := g.server.foretell(t.Context(), who); idp.CodeOf(err) != idp.CodeSAMLOverage {
		t.Errorf("overage: %v", err)
	}
	g.switchSCIM(true)
	if _, err := g.server.foretell(t.Context(), who); !errors.Is(err, login.ErrBySCIM) {
		t.Errorf("with SCIM: %v", err)
	}
}
