package xmlguard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

// bombs are documents of about 600 KB that make some reader or canonicaliser work for more than their size.
func bombs(t testing.TB) map[string][]byte {
	okta := string(shapes(t)["response-okta"])
	const size = 600 << 10
	within := func(inner string) []byte {
		return []byte(strings.Replace(okta, "</saml2:AttributeValue>", inner+"</saml2:AttributeValue>", 1))
	}
	fill := func(format string) []byte {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return within(b.String())
	}
	attributes := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	nest := func(open, end string) []byte {
		n := size / (len(open) + len(end))
		return within(strings.Repeat(open, n) + strings.Repeat(end, n))
	}
	// Each fits the limits on elements, so that the guard has to read it to its end.
	wide := func(element string) []byte { return within(strings.Repeat(element, min(4900, size/len(element)))) }
	return map[string][]byte{
		"elements":            within(strings.Repeat("<x/>", size/4)),
		"elements-in-limits":  wide("<x>" + strings.Repeat("y", 115) + "</x>"),
		"nesting":             nest("<x>", "</x>"),
		"nested-namespaces":   nest(`<x xmlns="urn:x">`, "</x>"),
		"xmlns-on-root":       []byte(strings.Replace(okta, ` xmlns:xs=`, attributes(` xmlns:a%d="urn:x"`, 30_000)+` xmlns:xs=`, 1)),
		"xmlns-everywhere":    wide("<x" + attributes(` xmlns:a%d="u:x"`, 7) + "/>"),
		"attributes":          within("<x" + attributes(` a%d=""`, 60_000) + "/>"),
		"attributes-in-limit": wide("<x" + attributes(` a%02d=""`, 16) + "/>"),
		"attributes-alike":    wide("<x" + attributes(` aaaaaaaa%02d=""`, 7) + "/>"),
		"attributes-32":       wide("<x" + attributes(` a%02d=""`, 32) + "/>"),
		"namespaces":          fill(`<x xmlns="urn:%d"/>`),
		"ids":                 wide(`<x/>`),
		"unique-ids":          fill(`<xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx Id="_%d"/>`),
		"references":          within(strings.Repeat("&amp;", size/5)),
		"greater-than":        within(strings.Repeat(">", size)),
		"brackets":            within(strings.Repeat("]", size)),
		"one-value":           within(`<x y="` + strings.Repeat("z", size) + `"/>`),
		"one-name":            within(`<` + strings.Repeat("z", size) + `/>`),
		"spaces-in-tag":       within(`<x` + strings.Repeat(" ", size) + `/>`),
		"base64":              []byte(strings.Replace(okta, "<ds:SignatureValue>", "<ds:SignatureValue>"+strings.Repeat("AAAA", size/4), 1)),
		"prefix-list":         []byte(strings.Replace(okta, `PrefixList="xs"`, `PrefixList="`+strings.Repeat("xs ", size/3)+`"`, 1)),
		"entities":            []byte(strings.Replace(okta, "<saml2p:Response", `<!DOCTYPE x [`+strings.Repeat(`<!ENTITY a "b">`, size/15)+`]><saml2p:Response`, 1)),
		"comments":            within(strings.Repeat("<!---->", size/7)),
		"open-tags":           within(strings.Repeat("<", size)),
		"growing-namespace": []byte(strings.Replace(strings.Replace(okta, `xmlns:xs=`, `xmlns:q="urn:`+strings.Repeat("x", 990)+`" xmlns:xs=`, 1),
			`</saml2:AttributeValue>`, strings.Repeat(`<q:x>`+strings.Repeat("y", 110)+`</q:x>`, 4900)+`</saml2:AttributeValue>`, 1)),
	}
}

// BenchmarkGuard compares what a byte of a bomb costs with what one of a good document of that size costs.
func BenchmarkGuard(b *testing.B) {
	documents := bombs(b)
	documents["good-okta"] = manyGroups(b, "okta", 3000)
	documents["good-keycloak"] = manyGroups(b, "keycloak", 1980)
	documents["good-small"] = shapes(b)["response-okta"]
	for name, document := range documents {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(document)))
			for b.Loop() {
				_, err := xmlguard.Check(document, xmlguard.Response, xmlguard.MaxBytes)
				if err != nil && strings.HasPrefix(name, "good") {
					b.Fatal(err)
				}
			}
		})
	}
}
