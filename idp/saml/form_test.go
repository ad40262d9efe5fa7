package saml_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

func TestFormsThatAreNotABrowsersAreRefused(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	good := r.respond(nil)
	field := "SAMLResponse=" + url.QueryEscape(good)
	for _, tc := range []struct {
		name, want, method, kind, query, body string
	}{
		{name: "get", want: "method", method: http.MethodGet},
		{name: "no type", want: "content-type", kind: "none"},
		{name: "multipart", want: "content-type", kind: "multipart/form-data; boundary=x"},
		{name: "charset", want: "content-type", kind: "application/x-www-form-urlencoded; charset=utf-16"},
		{name: "parameter", want: "content-type", kind: "application/x-www-form-urlencoded; x=y"},
		{name: "in the query", want: "query", query: "SAMLResponse=x"},
		{name: "in the query, escaped", want: "query", query: "SAML%52esponse=x"},
		{name: "relay in the query", want: "query", query: "RelayState=x"},
		{name: "other case in the query", want: "query", query: "samlresponse=x"},
		{name: "broken query", want: "query", query: "a=%zz"},
		{name: "twice", want: "repeated", body: field + "&" + field},
		{name: "twice, escaped", want: "repeated", body: field + "&SAML%52esponse=x"},
		{name: "two relays", want: "repeated", body: field + "&RelayState=a&RelayState=b"},
		{name: "request beside", want: "two-messages", body: field + "&SAMLRequest=x"},
		{name: "only a request", want: "missing", body: "SAMLRequest=" + url.QueryEscape(good)},
		{name: "nothing", want: "missing", body: "RelayState=a"},
		{name: "empty", want: "missing", body: "SAMLResponse="},
		{name: "long relay", want: "relay-state", body: field + "&RelayState=" + strings.Repeat("a", 81)},
		{name: "redirect's parameters", want: "fields", body: field + "&SigAlg=x"},
		{name: "many fields", want: "fields", body: field + strings.Repeat("&a=b", 8)},
		{name: "broken escape", want: "encoding", body: field + "%z"},
		{name: "semicolon", want: "encoding", body: field + ";x=y"},
		{name: "base64 of URLs", want: "base64", body: "SAMLResponse=" + strings.Repeat("-_", 4)},
		{name: "plus unescaped", want: "base64", body: "SAMLResponse=aa+a"},
		{name: "blank", want: "base64", body: "SAMLResponse=" + url.QueryEscape(good[:8]+" "+good[8:])},
		{name: "no padding", want: "base64", body: "SAMLResponse=YWI"},
		{name: "trailing bits", want: "base64", body: "SAMLResponse=YWJ%3D"},
		{name: "large body", want: "too-large", body: "SAMLResponse=" + strings.Repeat("A", 960<<10)},
		{name: "large message", want: "too-large", body: "SAMLResponse=" + strings.Repeat("A", 900<<10)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.body == "" {
				tc.body = field
			}
			if tc.kind == "" {
				tc.kind = "application/x-www-form-urlencoded"
			}
			if tc.method == "" {
				tc.method = http.MethodPost
			}
			req := httptest.NewRequestWithContext(context.Background(), tc.method, acs+"?"+tc.query, strings.NewReader(tc.body))
			if tc.kind != "none" {
				req.Header.Set("Content-Type", tc.kind)
			}
			id, err := r.connector.Complete(context.Background(), r.conn, r.attempt, req)
			wantReason(t, "saml-form/"+tc.want, id, err)
		})
	}
}

func TestLineBreaksInBase64AreAProvidersManner(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	good := r.respond(nil)
	var wrapped strings.Builder
	for len(good) > 76 {
		wrapped.WriteString(good[:76] + "\r\n")
		good = good[76:]
	}
	if _, err := r.complete(wrapped.String() + good); err != nil {
		t.Fatal(err)
	}
	if r.opinions[0] != "agree" {
		t.Errorf("opinions %q", r.opinions)
	}
}

func TestACompressedMessageIsNotInflated(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	id, err := r.complete("q1YqSS0uUbJSAgA=")
	wantReason(t, "saml-xml/"+strings.TrimPrefix(reason(err), "saml-xml/"), id, err)
}

func TestPickReadsTheRequestAndLeavesTheForm(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	req := post(url.Values{"SAMLResponse": {r.respond(nil)}})
	got, err := r.connector.Pick(context.Background(), r.conn, req)
	if err != nil || got != r.attempt.RequestID() {
		t.Fatalf("picked %q, %v", got, err)
	}
	if _, err := r.connector.Complete(context.Background(), r.conn, r.attempt, req); err != nil {
		t.Fatalf("complete after pick: %v", err)
	}
	got, err = r.connector.Pick(context.Background(), r.conn, post(url.Values{"SAMLResponse": {r.respond(func(o *idptest.RespondOptions) { o.InResponseTo = "" })}}))
	if err != nil || got != "" {
		t.Fatalf("of an unsolicited response picked %q, %v", got, err)
	}
	_, err = r.connector.Pick(context.Background(), r.conn, post(url.Values{"SAMLResponse": {"PGEvPg=="}}))
	if idp.CodeOf(err) != idp.CodeSAMLShape {
		t.Fatalf("no response: %v", err)
	}
}

func TestABodyThatBreaksOffIsNotTheirFault(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	req := post(url.Values{"SAMLResponse": {"x"}})
	req.Body = io.NopCloser(io.MultiReader(strings.NewReader("SAML"), failing{}))
	if _, err := r.connector.Complete(context.Background(), r.conn, r.attempt, req); err == nil || idp.CodeOf(err) != "" {
		t.Fatalf("%v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
