package idptest

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// formAttacks spoil what stands around a response that is good.
func formAttacks() []SAMLAttack {
	formed := func(name, detail, wins string, change func(f SAMLForgery, form url.Values)) SAMLAttack {
		return refused(name, idp.CodeSAMLForm, detail, wins, func(f SAMLForgery) url.Values {
			form := f.form(f.base())
			change(f, form)
			return form
		})
	}
	encoded := func(name, detail, wins string, change func(good string) string) SAMLAttack {
		return formed(name, detail, wins, func(_ SAMLForgery, form url.Values) { form.Set("SAMLResponse", change(form.Get("SAMLResponse"))) })
	}
	delivered := func(name, detail, wins string, deliver func(*http.Request)) SAMLAttack {
		a := formed(name, detail, wins, func(SAMLForgery, url.Values) {})
		a.Deliver = deliver
		return a
	}
	const twice = "a proxy checks the first and the gate reads the last"
	const url64 = "two decoders read two documents"
	return []SAMLAttack{
		formed("two-responses", "repeated", twice, func(f SAMLForgery, form url.Values) { form.Add("SAMLResponse", f.unsignedForm().Get("SAMLResponse")) }),
		formed("two-relay-states", "repeated", twice, func(_ SAMLForgery, form url.Values) { form["RelayState"] = []string{"a", "b"} }),
		formed("no-response", "missing", "nothing is taken for a response", func(_ SAMLForgery, form url.Values) { form.Del("SAMLResponse") }),
		formed("empty-response", "missing", "nothing is taken for a response", func(_ SAMLForgery, form url.Values) { form.Set("SAMLResponse", "") }),
		formed("response-and-request", "two-messages", twice, func(_ SAMLForgery, form url.Values) { form.Set("SAMLRequest", form.Get("SAMLResponse")) }),
		formed("request-in-place-of-response", "missing", "a message of another kind", func(_ SAMLForgery, form url.Values) {
			form.Set("SAMLRequest", form.Get("SAMLResponse"))
			form.Del("SAMLResponse")
		}),
		formed("long-relay-state", "relay-state", "a value that other software copies (SAML 2.0 Bindings §3.5.3)", func(_ SAMLForgery, form url.Values) { form.Set("RelayState", strings.Repeat("x", 81)) }),
		formed("signature-of-another-binding", "fields", "a signature nobody verifies", func(_ SAMLForgery, form url.Values) { form.Set("Signature", "AAAA") }),
		formed("artifact", "fields", "the gate fetches a message from the sender's address", func(_ SAMLForgery, form url.Values) { form.Set("SAMLart", "AAAA") }),
		formed("many-fields", "fields", "a flood of fields costs more to sort than to send", func(_ SAMLForgery, form url.Values) {
			for i := range 50 {
				form.Set("f"+strings.Repeat("x", i), "1")
			}
		}),
		encoded("base64-unpadded", "base64", url64, func(s string) string { return strings.TrimRight(repad(s), "=") }),
		encoded("base64-url-safe", "base64", url64, func(s string) string { return strings.Replace(s, s[:1], "-", 1) }),
		encoded("base64-with-space", "base64", url64, func(s string) string { return s[:8] + " " + s[8:] }),
		encoded("base64-with-tab", "base64", url64, func(s string) string { return s[:8] + "\t" + s[8:] }),
		encoded("base64-trailing-garbage", "base64", url64, func(s string) string { return s + "!" }),
		encoded("base64-data-after-padding", "base64", url64, func(s string) string { return base64.StdEncoding.EncodeToString([]byte("<a></a>x"))[:12] + s }),
		encoded("base64-trailing-bits", "base64", "one response has several spellings, so one that is burnt comes again", func(s string) string { return trailingBits(repad(s)) }),
		encoded("base64-with-nul", "base64", url64, func(s string) string { return s[:8] + "\x00" + s[8:] }),
		encoded("base64-twice", "", url64, func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }).xml("text-outside-root"),
		encoded("response-deflated", "", "a bomb of a few bytes; and one document has two spellings", func(s string) string {
			doc, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				panic(err)
			}
			return deflate(string(doc))
		}).xml("utf8"),
		encoded("response-too-large", "too-large", "memory", func(string) string { return strings.Repeat("A", 900<<10) }),
		encoded("body-too-large", "too-large", "memory", func(string) string { return strings.Repeat("A", 1100<<10) }),
		delivered("response-in-the-query", "query", "a link signs somebody in, and a log keeps the response", func(r *http.Request) { r.URL.RawQuery = "SAMLResponse=AAAA" }),
		delivered("relay-state-in-the-query", "query", twice, func(r *http.Request) { r.URL.RawQuery = "RelayState=x" }),
		delivered("response-in-the-query-by-case", "query", twice, func(r *http.Request) { r.URL.RawQuery = "samlresponse=AAAA" }),
		delivered("response-by-get", "method", "a link signs somebody in", func(r *http.Request) { r.Method = http.MethodGet }),
		delivered("response-by-put", "method", "a request that no form sends", func(r *http.Request) { r.Method = http.MethodPut }),
		delivered("response-as-json", "content-type", "another parser", func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }),
		delivered("response-as-multipart", "content-type", "another parser", func(r *http.Request) { r.Header.Set("Content-Type", "multipart/form-data; boundary=x") }),
		delivered("response-without-type", "content-type", "another parser", func(r *http.Request) { r.Header.Del("Content-Type") }),
		delivered("response-of-two-types", "content-type", "two readers take two parsers", func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }),
		delivered("response-of-utf-16-form", "content-type", "a form in another encoding", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-16")
		}),
		delivered("form-with-broken-escape", "encoding", url64, func(r *http.Request) { appendBody(r, "&x=%zz") }),
		delivered("form-with-semicolon", "encoding", "a ; separates fields for one reader alone", func(r *http.Request) { appendBody(r, ";x=1") }),
	}
}

func (a SAMLAttack) xml(detail string) SAMLAttack {
	a.Code, a.Detail = idp.CodeSAMLXML, detail
	return a
}

// repad makes the same document one byte or two longer, by line ends behind the root, until its base64 needs padding.
func repad(s string) string {
	doc, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	for len(doc)%3 == 0 {
		doc = append(doc, '\n')
	}
	return base64.StdEncoding.EncodeToString(doc)
}

// trailingBits sets bits that decode to nothing.
func trailingBits(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	data := strings.TrimRight(s, "=")
	last := strings.IndexByte(alphabet, data[len(data)-1])
	return data[:len(data)-1] + string(alphabet[last|1]) + s[len(data):]
}

func appendBody(r *http.Request, s string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body) + s))
	r.ContentLength = int64(len(body) + len(s))
}
