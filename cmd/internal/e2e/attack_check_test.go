package e2e

import (
	"strings"
	"testing"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
)

// The two forms in which front ends hand headers to a Check.
var checkModes = []string{"header map", "headers"}

// checkClient asks the gate directly, as a front end without any of our Envoy's settings would.
func checkClient(t *testing.T, s *Stack) authv3.AuthorizationClient {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+s.Check, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return authv3.NewAuthorizationClient(c)
}

// checkRequest is the message as a front end that normalises nothing reports it.
func (m message) checkRequest(mode string) *authv3.CheckRequest {
	lines := [][2]string{{":method", m.method}, {":scheme", "https"}, {":authority", m.host}, {":path", m.target}}
	for _, h := range m.headers {
		if strings.HasPrefix(h[0], ":") { // the row's own pseudo-header takes the place of ours
			for i, l := range lines {
				if l[0] == h[0] {
					lines[i][1] = h[1]
				}
			}
			continue
		}
		lines = append(lines, [2]string{strings.ToLower(h[0]), h[1]})
	}
	r := &authv3.AttributeContext_HttpRequest{
		Id: "1", Method: shown(lines[0][1]), Scheme: "https", Host: shown(lines[2][1]), Path: shown(lines[3][1]), Protocol: "HTTP/1.1", Body: shown(m.body),
	}
	if mode == "headers" {
		r.Headers = map[string]string{}
		for _, l := range lines {
			key, value := shown(l[0]), shown(l[1])
			if before, twice := r.Headers[key]; twice {
				value = before + "," + value
			}
			r.Headers[key] = value
		}
	} else {
		r.HeaderMap = &corev3.HeaderMap{}
		for _, l := range lines {
			r.HeaderMap.Headers = append(r.HeaderMap.Headers, &corev3.HeaderValue{Key: shown(l[0]), RawValue: []byte(l[1])})
		}
	}
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: "203.0.113.9", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 4711}},
		}}},
		Request: &authv3.AttributeContext_Request{Http: r},
	}}
}

// shown is how Envoy puts bytes into a proto string.
func shown(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '!'
		}
		return r
	}, s)
}

// check fires a message at the gate and returns what the dashboard would have received, nil when it was refused.
func check(t *testing.T, client authv3.AuthorizationClient, m message, mode string) *Seen {
	t.Helper()
	out, err := client.Check(t.Context(), m.checkRequest(mode))
	if err != nil {
		t.Fatalf("check (%s): %v", mode, err)
	}
	if out.GetStatus().GetCode() != int32(codes.OK) {
		if out.GetDeniedResponse() == nil && out.GetErrorResponse() == nil {
			t.Errorf("check (%s): refused without an answer", mode)
		}
		return nil
	}
	return forwarded(t, m, out.GetOkResponse())
}

// forwarded applies an OK answer as Envoy does (set, then remove) to the client's own headers.
func forwarded(t *testing.T, m message, ok *authv3.OkHttpResponse) *Seen {
	t.Helper()
	seen := &Seen{Line: m.method + " " + m.target + " HTTP/1.1"}
	lines := m.headers
	drop := func(name string) {
		var rest [][2]string
		for _, h := range lines {
			if !strings.EqualFold(h[0], name) {
				rest = append(rest, h)
			}
		}
		lines = rest
	}
	for _, h := range ok.GetHeaders() {
		kept := h.GetAppend() //nolint:staticcheck // deprecated, and all that Envoy reads but for 1.37
		if kept == nil || kept.GetValue() || h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("header %s would stand beside the client's own", h.GetHeader().GetKey())
		}
		drop(h.GetHeader().GetKey())
		lines = append(lines, [2]string{h.GetHeader().GetKey(), h.GetHeader().GetValue()})
	}
	for _, name := range ok.GetHeadersToRemove() {
		drop(name)
	}
	for _, h := range lines {
		seen.Lines = append(seen.Lines, h[0]+": "+h[1])
	}
	return seen
}
