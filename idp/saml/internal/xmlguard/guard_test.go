package xmlguard_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

// rule is what Check says of a document: the rule it breaks, or "".
func rule(t testing.TB, b []byte, k xmlguard.Kind) string {
	t.Helper()
	d, err := xmlguard.Check(b, k, 0)
	if err == nil {
		if d.Kind() != k || string(d.Bytes()) != string(b) || d.Elements() == 0 {
			t.Errorf("the accepted document is not the one that was given")
		}
		return ""
	}
	bad, ok := errors.AsType[*xmlguard.Error](err)
	if !ok {
		t.Fatalf("the error is a %T", err)
	}
	if d.Bytes() != nil || d.Kind() != 0 {
		t.Errorf("a refused document is handed out")
	}
	if bad.Offset < 0 || bad.Offset > len(b) {
		t.Errorf("offset %d lies outside the document", bad.Offset)
	}
	return bad.Rule
}

// shapes are the documents in testdata, by name. Their kinds are the first part of the name.
func shapes(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in testdata: %v", err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(f), ".xml")] = b
	}
	return all
}

func kindOf(t testing.TB, name string) xmlguard.Kind {
	t.Helper()
	first, _, _ := strings.Cut(name, "-")
	switch first {
	case "response":
		return xmlguard.Response
	case "assertion":
		return xmlguard.Assertion
	case "logoutrequest":
		return xmlguard.LogoutRequest
	case "logoutresponse":
		return xmlguard.LogoutResponse
	case "metadata":
		return xmlguard.Metadata
	case "signedmetadata":
		return xmlguard.SignedMetadata
	}
	t.Fatalf("%s is of no kind", name)
	return 0
}

func TestEveryRuleIsInThePackageComment(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for word := range strings.FieldsSeq(string(doc)) {
		documented[word] = true
	}
	files, err := filepath.Glob("[a-z]*.go")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?:xml|shape)\("([a-z0-9-]+)"\)|Rule: "([a-z0-9-]+)"|"((?:no|two|too)-[a-z0-9-]+)"|return(?: 0,)? "([a-z0-9-]+)"|(?:broken|rule) = "([a-z0-9-]+)"`)
	found := 0
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		source, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range said.FindAllStringSubmatch(string(source), -1) {
			found++
			if rule := strings.Join(m[1:], ""); !documented[rule] {
				t.Errorf("%s: rule %s is not in the package comment", f, rule)
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d rules found in the source", found)
	}
}

func TestProvidersDocumentsAreAccepted(t *testing.T) {
	for name, b := range shapes(t) {
		if got := rule(t, b, kindOf(t, name)); got != "" {
			_, err := xmlguard.Check(b, kindOf(t, name), 0)
			t.Errorf("%s is refused: %v", name, err)
		}
	}
}
