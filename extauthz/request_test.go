package extauthz

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
)

const testHost = "dashboard.tracio.ai"

// line is one header line as a client sent it.
type line struct{ name, value string }

// call is a request before it is put into either form of a check.
type call struct {
	method, path, host, body string
	lines                    []line
	faults                   bool
	sni                      string
	change                   func(*authv3.AttributeContext_HttpRequest)
}

// check builds the CheckRequest Envoy would send: with raw header lines, or with joined ones.
func (c call) check(raw bool) *authv3.CheckRequest {
	h := &authv3.AttributeContext_HttpRequest{Method: c.method, Path: c.path, Host: c.host, Body: c.body, Protocol: "HTTP/1.1", Scheme: "https"}
	if h.Method == "" {
		h.Method = "GET"
	}
	if h.Host == "" {
		h.Host = testHost
	}
	if raw {
		h.HeaderMap = &corev3.HeaderMap{}
		for _, l := range c.lines {
			h.HeaderMap.Headers = append(h.HeaderMap.Headers, &corev3.HeaderValue{Key: l.name, RawValue: []byte(l.value)})
		}
	} else {
		h.Headers = map[string]string{}
		for _, l := range c.lines {
			if old, ok := h.Headers[l.name]; ok {
				h.Headers[l.name] = old + "," + l.value
			} else {
				h.Headers[l.name] = l.value
			}
		}
	}
	if c.change != nil {
		c.change(h)
	}
	a := &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "203.0.113.9", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
		}}},
		Request: &authv3.AttributeContext_Request{Http: h},
	}
	if c.faults {
		a.ContextExtensions = map[string]string{envoy.FaultsKey: envoy.FaultsErrorResponse}
	}
	if c.sni != "" {
		a.TlsSession = &authv3.AttributeContext_TLSSession{Sni: c.sni}
	}
	return &authv3.CheckRequest{Attributes: a}
}

func testHostOf(t testing.TB) httpreq.Host {
	t.Helper()
	h, err := httpreq.HostOf(&url.URL{Scheme: "https", Host: testHost})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAmbiguousRequestIsRefusedInBothHeaderForms(t *testing.T) {
	names := session.Cookies(false)
	many := make([]line, maxLines+1)
	for i := range many {
		many[i] = line{"x-many", "v"}
	}
	for name, tc := range map[string]struct {
		call
		status int
		reason string
	}{
		"dot segment":        {call{path: "/a/../api/v1/billing"}, 400, httpreq.ReasonPathDotSegment},
		"encoded slash":      {call{path: "/a%2fb"}, 400, httpreq.ReasonPathEncodedSlash},
		"semicolon":          {call{path: "/a;x/b"}, 400, httpreq.ReasonPathSemicolon},
		"absolute form":      {call{path: "http://evil.example/"}, 400, httpreq.ReasonPathForm},
		"connect":            {call{path: "/", method: "CONNECT"}, 405, httpreq.ReasonMethod},
		"other host":         {call{path: "/", host: "evil.example"}, 421, httpreq.ReasonHostOther},
		"two hosts":          {call{path: "/", lines: []line{{"host", "evil.example"}}}, 400, httpreq.ReasonHostForm},
		"two authorities":    {call{path: "/", lines: []line{{":authority", "evil.example"}}}, 400, httpreq.ReasonHostForm},
		"other SNI":          {call{path: "/", sni: "evil.example"}, 421, reasonSNI},
		"path line differs":  {call{path: "/!", lines: []line{{":path", "/\xff"}}}, 400, httpreq.ReasonPathForm},
		"encoded own prefix": {call{path: "/%73cim/v2/Users"}, 400, reasonPrefix},
		"encoded auth":       {call{path: "/%61uth/login"}, 400, reasonPrefix},
		"encoded settings":   {call{path: "/settings/%61uthentication"}, 400, reasonPrefix},
		"partial body":       {call{path: "/auth/logout", lines: []line{{"x-envoy-auth-partial-body", "true"}}}, 413, reasonBody},
		"too many lines":     {call{path: "/", lines: []line{{"x-long", strings.Repeat("v", maxHeaderBytes)}}}, 431, reasonTooLarge},
		"query apart":        {call{path: "/", change: func(h *authv3.AttributeContext_HttpRequest) { h.Query = "a=b" }}, 400, reasonForm},
		"two bodies": {call{path: "/auth/logout", body: "a", change: func(h *authv3.AttributeContext_HttpRequest) { h.RawBody = []byte("b") }},
			400, reasonForm},
		"cookie and bearer":  {call{path: "/", lines: []line{{"cookie", "__Host-ssogate=x"}, {"authorization", "Bearer abc"}}}, 400, reasonTwoCreds},
		"odd spelling":       {call{path: "/", lines: []line{{"x.sso.role", "Admin"}}}, 400, reasonHeaders},
		"odd spelling later": {call{path: "/", lines: []line{{"x_sso_role~", "Admin"}}}, 400, reasonHeaders},
		"repeated state":     {call{path: "/auth/callback/oidc?state=a&state=b"}, 400, httpreq.ReasonQueryRepeated},
	} {
		for _, raw := range []bool{true, false} {
			_, err := parseRequest(tc.check(raw), testHostOf(t), names)
			refusal, ok := errors.AsType[*httpreq.Refusal](err)
			if !ok || refusal.Status != tc.status || refusal.Reason != tc.reason {
				t.Errorf("%s (raw %t): got %v, want %d %s", name, raw, err, tc.status, tc.reason)
			}
		}
	}
	if _, err := parseRequest(call{path: "/", lines: many}.check(true), testHostOf(t), names); err == nil {
		t.Error("too many header lines accepted")
	}
}

func TestRepeatedCredentialLinesAreRefused(t *testing.T) {
	for _, name := range []string{"cookie", "authorization"} {
		c := call{path: "/", lines: []line{{name, "Basic YTpi"}, {name, "Basic YTpi"}}}
		if _, err := parseRequest(c.check(true), testHostOf(t), session.Cookies(false)); err == nil {
			t.Errorf("two %s lines accepted", name)
		}
	}
}

func TestBothHeaderFormsAtOnceAreRefused(t *testing.T) {
	c := call{path: "/", lines: []line{{"accept", "text/html"}}, change: func(h *authv3.AttributeContext_HttpRequest) {
		h.Headers = map[string]string{"accept": "text/html"}
	}}
	if _, err := parseRequest(c.check(true), testHostOf(t), session.Cookies(false)); err == nil {
		t.Error("accepted")
	}
}

func TestBothHeaderFormsReadTheSame(t *testing.T) {
	c := call{path: "/a/b/?q=1", lines: []line{
		{":path", "/a/b/?q=1"}, {":method", "GET"}, {"accept", "text/html"}, {"sec-fetch-mode", "navigate"}, {"sec-fetch-dest", "document"},
		{"cookie", "a=b; __Host-ssogate=v1.x.y"}, {"X-SSO-Role", "Admin"}, {"user-agent", "UA"},
	}}
	one, err := parseRequest(c.check(true), testHostOf(t), session.Cookies(false))
	if err != nil {
		t.Fatal(err)
	}
	two, err := parseRequest(c.check(false), testHostOf(t), session.Cookies(false))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Request{one, two} {
		value, n := r.Cookies.Get("__Host-ssogate")
		if !r.Navigates || r.Target.Path != "/a/b/" || r.IP != "203.0.113.9" || value != "v1.x.y" || n != 1 || len(r.spoofed) != 1 || r.UserAgent != "UA" {
			t.Errorf("read %+v", r)
		}
	}
}

func TestBodyIsReadOnBodyPathsAlone(t *testing.T) {
	for path, want := range map[string]string{"/auth/logout": "x=1", "/api/v1/rules": ""} {
		r, err := parseRequest(call{path: path, method: "POST", body: "x=1"}.check(true), testHostOf(t), session.Cookies(false))
		if err != nil || r.Body != want {
			t.Errorf("%s: body %q, err %v", path, r.Body, err)
		}
	}
}

// TestBodyCutShortIsRefusedWhateverTheClientSaysOfIt: the client may send the header as well, in front of Envoy's or behind it.
func TestBodyCutShortIsRefusedWhateverTheClientSaysOfIt(t *testing.T) {
	const name = "x-envoy-auth-partial-body"
	for _, lines := range [][]line{{{name, "true"}}, {{name, "false"}, {name, "true"}}, {{name, "true"}, {name, "false"}}} {
		for _, raw := range []bool{true, false} {
			_, err := parseRequest(call{path: "/auth/logout", method: "POST", body: "x=1", lines: lines}.check(raw), testHostOf(t), session.Cookies(false))
			if refusal, ok := errors.AsType[*httpreq.Refusal](err); !ok || refusal.Status != 413 {
				t.Errorf("%v, raw %t: %v", lines, raw, err)
			}
		}
	}
}

// Whatever bytes Envoy sends, reading them neither panics nor ends in a request whose path Envoy would route elsewhere.
func FuzzCheckRequest(f *testing.F) {
	for _, c := range []call{
		{path: "/api/v1/rules?x=1", lines: []line{{"accept", "text/html"}, {"cookie", "a=b"}}},
		{path: "/auth/callback/oidc?state=a&code=b", faults: true, sni: testHost},
	} {
		for _, raw := range []bool{true, false} {
			b, err := proto.Marshal(c.check(raw))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	host := testHostOf(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var in authv3.CheckRequest
		if proto.Unmarshal(b, &in) != nil {
			return
		}
		r, err := parseRequest(&in, host, session.Cookies(false))
		if err != nil {
			if _, ok := errors.AsType[*httpreq.Refusal](err); !ok {
				t.Fatalf("an error that is no refusal: %v", err)
			}
			return
		}
		if r.Target.String() != strings.TrimSuffix(in.GetAttributes().GetRequest().GetHttp().GetPath(), "?") {
			t.Fatalf("path %q read as %q", in.GetAttributes().GetRequest().GetHttp().GetPath(), r.Target.String())
		}
	})
}
