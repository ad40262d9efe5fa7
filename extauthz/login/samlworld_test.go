package login

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// samlConnector is a SAML provider without XML: a SAMLResponse reads "request|subject|assertion", or is the name of a
// refusal behind "!".
type samlConnector struct{ w *world }

func (f samlConnector) Begin(_ context.Context, c idp.Connection, a idp.Attempt) (idp.Redirect, error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.w.begun = append(f.w.begun, a)
	q := url.Values{"SAMLRequest": {a.RequestID()}, "RelayState": {a.Relay}}
	return idp.Redirect{URL: c.SAML.IdP.Endpoints.SSOURL + "?" + q.Encode()}, f.w.beginErr
}

func (f samlConnector) parts(r *http.Request) ([]string, error) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(b))
	if err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(form["SAMLResponse"]) != 1 {
		return nil, &idp.Error{Code: idp.CodeSAMLForm, Detail: "fields", Err: errors.New("no response")}
	}
	if code, refused := strings.CutPrefix(form.Get("SAMLResponse"), "!"); refused {
		return nil, &idp.Error{Code: idp.Code(code), Detail: "planted", Err: errors.New("planted"), Hint: "Mend it."}
	}
	return strings.Split(form.Get("SAMLResponse"), "|"), nil
}

func (f samlConnector) Pick(_ context.Context, _ idp.Connection, r *http.Request) (string, error) {
	p, err := f.parts(r)
	if err != nil {
		return "", err
	}
	return p[0], nil
}

func (f samlConnector) Complete(_ context.Context, c idp.Connection, a idp.Attempt, r *http.Request) (idp.Identity, error) {
	f.w.mu.Lock()
	f.w.done = append(f.w.done, a)
	f.w.mu.Unlock()
	p, err := f.parts(r)
	if err != nil {
		return idp.Identity{}, err
	}
	if p[0] != a.RequestID() {
		return idp.Identity{}, &idp.Error{Code: idp.CodeSAMLInResponseTo, Detail: "confirmation", Err: errors.New("other request")}
	}
	return idp.Identity{
		Tenant: c.Tenant, Connection: c.ID, Issuer: c.SAML.IdP.EntityID, Subject: p[1], UserName: p[1], SID: "index-1", NameID: idp.NameID{Value: p[1]},
		GroupState: idp.GroupsListed, Groups: []string{"analysts"}, Claims: map[string]any{"dept": []string{"x", "y"}},
		Once: []idp.Once{{Kind: "assertion", Value: p[2], Expires: f.w.clock().Add(time.Hour)}},
	}, nil
}

func (f samlConnector) Metadata(_ context.Context, c idp.Connection) ([]byte, error) {
	return []byte(`<md:EntityDescriptor entityID="` + origin + `/auth/saml/` + string(c.ID) + `/metadata"/>`), f.w.fault
}

func (f samlConnector) Logout(_ context.Context, c idp.Connection, l idp.Logout) (idp.Redirect, error) {
	f.w.logouts = append(f.w.logouts, l)
	return idp.Redirect{URL: c.SAML.IdP.Endpoints.SLOURL + "?" + url.Values{"SAMLRequest": {l.RequestID}, "RelayState": {l.Relay}}.Encode()}, nil
}

func (f samlConnector) ReceiveLogout(_ context.Context, _ idp.Connection, r *http.Request) (idp.LogoutMessage, error) {
	text := r.URL.RawQuery
	if r.Method == http.MethodPost {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return idp.LogoutMessage{}, err
		}
		text = string(b)
	}
	form, _ := url.ParseQuery(text)
	if code, refused := strings.CutPrefix(form.Get("SAMLRequest")+form.Get("SAMLResponse"), "!"); refused {
		return idp.LogoutMessage{}, &idp.Error{Code: idp.Code(code), Detail: "planted", Err: errors.New("planted")}
	}
	return f.w.received, nil
}

func (f samlConnector) AnswerLogout(_ context.Context, c idp.Connection, m idp.LogoutMessage, partial bool) (idp.Redirect, error) {
	status := "Success"
	if partial {
		status = "PartialLogout"
	}
	return idp.Redirect{URL: c.SAML.IdP.Endpoints.SLOURL + "?" + url.Values{"SAMLResponse": {status}, "RelayState": {m.Relay}}.Encode()}, nil
}

func samlConnection(t tenant.ID, id idp.ConnectionID) idp.Connection {
	c := connection(t, id)
	c.Protocol, c.Name = idp.SAML, "SAML "+string(id)
	base := "https://" + string(id) + ".idp.example"
	c.SAML.IdP = idp.SAMLIdP{EntityID: base, Endpoints: idp.SAMLEndpoints{SSOURL: base + "/sso", SLOURL: base + "/slo"}}
	c.Settings = idp.OIDCSettings{}
	return c
}

// newSAMLWorld has one company, over SAML, and another whose connection is beta-saml.
func newSAMLWorld(t *testing.T) *world {
	w := newWorld(t)
	w.Connectors[idp.SAML] = samlConnector{w}
	w.Tests = w
	w.add("acme", []string{"acme.example"}, samlConnection("acme", "acme-saml"), connection("acme", "acme-okta"))
	w.add("beta", nil, samlConnection("beta", "beta-saml"))
	return w
}

// crossSite are the cookies that a POST from another site carries.
func (b *browser) crossSite() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := maps.Clone(b.cookies)
	maps.DeleteFunc(sent, func(name, _ string) bool { return !strings.HasPrefix(name, "__Host-ssogate-saml") })
	return sent
}

// requested is the provider's side: the request it was sent, and what came with it.
func requested(t *testing.T, resp *http.Response) (request, relay string) {
	t.Helper()
	q := location(t, resp).Query()
	if q.Get("SAMLRequest") == "" {
		t.Fatalf("not sent to a provider: %d %s", resp.StatusCode, resp.Header.Get("Location"))
	}
	return q.Get("SAMLRequest"), q.Get("RelayState")
}

// answer is the provider's response to what start asked for.
func samlAnswer(t *testing.T, start *http.Response, subject string) url.Values {
	t.Helper()
	request, relay := requested(t, start)
	return url.Values{"SAMLResponse": {request + "|" + subject + "|assertion-of-" + request}, "RelayState": {relay}}
}

// post comes from the provider's site, with the cookies that browsers let go along.
func (b *browser) post(target string, form url.Values) *http.Response {
	return b.postBody(target, form.Encode())
}

func (b *browser) postBody(target, form string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form))
	r.RemoteAddr = "203.0.113.7"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	var pairs []string
	for n, v := range b.crossSite() {
		pairs = append(pairs, n+"="+v)
	}
	r.Header.Set("Cookie", strings.Join(pairs, "; "))
	rec := httptest.NewRecorder()
	b.w.ServeHTTP(rec, r.WithContext(WithRequestID(r.Context(), "req-1")))
	return b.take(rec)
}

func (b *browser) samlIn(subject string) {
	b.w.t.Helper()
	start := b.open("/auth/login?connection=acme-saml&return_to=/events")
	resp := b.post("/auth/callback/saml/acme-saml", samlAnswer(b.w.t, start, subject))
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != origin+"/events" {
		b.w.t.Fatalf("sign-in landed at %d %s: %s", resp.StatusCode, resp.Header.Get("Location"), body(resp))
	}
	b.w.pass(time.Millisecond)
}
