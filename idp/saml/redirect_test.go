package saml_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// TestQueryIsTakenAsItWasSigned: whatever two readers of a query could take differently is refused, and what was not
// signed does not count.
func TestQueryIsTakenAsItWasSigned(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	query, err := r.idp.LogoutRedirect(idptest.LogoutOptions{SP: sloSP, Now: noon, NameID: aliceName, Relay: "relay"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := r.idp.LogoutRedirect(idptest.LogoutOptions{SP: sloSP, Now: noon, InResponseTo: "_r"})
	if err != nil {
		t.Fatal(err)
	}
	part := func(q, name string) string {
		for p := range strings.SplitSeq(q, "&") {
			if strings.HasPrefix(p, name+"=") {
				return p
			}
		}
		t.Fatalf("no %s in %s", name, q)
		return ""
	}
	request, relay, alg, value := part(query, "SAMLRequest"), part(query, "RelayState"), part(query, "SigAlg"), part(query, "Signature")
	join := func(parts ...string) string { return strings.Join(parts, "&") }
	for name, c := range map[string]struct{ query, want string }{
		"as sent":                         {query, ""},
		"in another order":                {join(value, alg, relay, request), ""},
		"with a parameter of others":      {join("client-request-id=1", query, "utm=2"), ""},
		"with the encoding named":         {join(query, "SAMLEncoding="+url.QueryEscape("urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE")), ""},
		"another encoding":                {join(query, "SAMLEncoding=plain"), "saml-form/encoding"},
		"RelayState changed":              {strings.Replace(query, "RelayState=relay", "RelayState=other", 1), "saml-key/unknown"},
		"RelayState spelt differently":    {strings.Replace(query, "RelayState=relay", "RelayState=%72elay", 1), "saml-key/unknown"},
		"RelayState taken away":           {join(request, alg, value), "saml-key/unknown"},
		"RelayState emptied":              {join(request, "RelayState=", alg, value), "saml-key/unknown"},
		"RelayState twice":                {join(query, relay), "saml-form/repeated"},
		"request twice":                   {join(query, request), "saml-form/repeated"},
		"signature twice":                 {join(query, value), "saml-form/repeated"},
		"request and answer":              {join(query, part(answer, "SAMLResponse")), "saml-form/two-messages"},
		"request sent as an answer":       {strings.Replace(query, "SAMLRequest", "SAMLResponse", 1), "saml-key/unknown"},
		"a name in escapes":               {join(query, "Relay%53tate=x"), "saml-form/query"},
		"a name in another case":          {join(query, "samlrequest=x"), "saml-form/query"},
		"a semicolon":                     {join(query, "a;b"), "saml-form/query"},
		"a broken escape":                 {strings.Replace(query, "RelayState=relay", "RelayState=%zz", 1), "saml-form/query"},
		"nothing":                         {"", "saml-form/missing"},
		"no signature":                    {join(request, relay, alg), "saml-signature/none"},
		"no algorithm":                    {join(request, relay, value), "saml-signature/none"},
		"empty signature":                 {join(request, relay, alg, "Signature="), "saml-signature/none"},
		"signature that is no base64":     {join(request, relay, alg, "Signature=@@"), "saml-form/signature"},
		"HMAC":                            {join(request, relay, "SigAlg="+url.QueryEscape("http://www.w3.org/2000/09/xmldsig#hmac-sha1"), value), "saml-signature/algorithm"},
		"another algorithm of ours":       {join(request, relay, strings.Replace(alg, "sha256", "sha512", 1), value), "saml-key/unknown"},
		"ECDSA with an RSA key":           {join(request, relay, strings.Replace(alg, "rsa-sha256", "ecdsa-sha256", 1), value), "saml-key/type"},
		"message that is no base64":       {signQuery(t, r, "SAMLRequest=%21"), "saml-form/base64"},
		"message that is not deflated":    {signQuery(t, r, "SAMLRequest="+url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("<a/>")))), "saml-form/deflate"},
		"octets after the message":        {signQuery(t, r, packed(append(deflated(t, []byte("<a/>")), 0))), "saml-form/deflate"},
		"a message cut short":             {signQuery(t, r, packed(deflated(t, []byte("<a/>"))[:3])), "saml-form/deflate"},
		"a bomb":                          {signQuery(t, r, packed(deflated(t, make([]byte, 1<<20)))), "saml-form/too-large"},
		"another message":                 {signQuery(t, r, packed(deflated(t, []byte(`<a xmlns="urn:b"/>`)))), "saml-shape/root"},
		"a document type":                 {signQuery(t, r, packed(deflated(t, []byte(`<!DOCTYPE a><a/>`)))), "saml-xml/doctype"},
		"an endless query":                {join(query, "x="+strings.Repeat("x", 64<<10)), "saml-form/too-large"},
		"a signature inside as well":      {signQuery(t, r, packed(deflated(t, posted(t, r, idptest.LogoutOptions{})))), "saml-form/enveloped"},
		"a signature inside in its place": {packed(deflated(t, posted(t, r, idptest.LogoutOptions{}))), "saml-signature/none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.receive(r.byQuery(c.query))
			if c.want == "" && err != nil || c.want != "" && reason(err) != c.want {
				t.Errorf("%s (%v), want %q", reason(err), err, c.want)
			}
		})
	}
}

func packed(b []byte) string {
	return "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(b))
}

func deflated(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestCompression)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// signQuery signs whatever it is given with the provider's own key: such faults have to be found behind the signature.
func signQuery(tb testing.TB, r *rp, query string) string {
	tb.Helper()
	query += "&SigAlg=" + url.QueryEscape(idptest.AlgRSASHA256)
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signOctets(tb, r.idp.Key().Signer, query)))
}

func FuzzRedirectQuery(f *testing.F) {
	r := newRP(f, idptest.SAMLOptions{Key: "p256"})
	for _, o := range []idptest.LogoutOptions{{NameID: aliceName, Relay: "x y"}, {NameID: aliceName, LowerCase: true}, {InResponseTo: "_r"}, {NameID: aliceName, Unsigned: true}} {
		o.SP, o.Now, o.ID = sloSP, noon, "_fuzz"
		q, err := r.idp.LogoutRedirect(o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(q)
	}
	f.Add("SAMLRequest=%&Signature=;&SigAlg=+")
	f.Fuzz(func(t *testing.T, raw string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, slo, http.NoBody)
		req.URL.RawQuery = raw
		m, err := r.connector.ReceiveLogout(t.Context(), r.conn, req)
		if err != nil {
			if idp.CodeOf(err) == "" || m.ID != "" {
				t.Fatalf("%v, %+v", err, m)
			}
			return
		}
		if m.ID != "_fuzz" || m.Request && m.NameID != aliceName || !m.Request && m.InResponseTo != "_r" {
			t.Fatalf("a message that the provider did not send: %+v", m)
		}
	})
}
