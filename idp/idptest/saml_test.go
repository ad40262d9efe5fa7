package idptest_test

import (
	"cmp"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

var samlSP = idptest.SAMLSP{Name: "Dashboard", EntityID: "https://gate.example/auth/saml/acme/metadata", ACS: "https://gate.example/auth/callback/saml/acme"}

var samlAlice = idptest.Person{Sub: "00u1", UserName: "alice", Email: "alice@acme.example", Name: "Alice Example", Groups: []string{"security", "R&D <x>"}}

func samlNow() time.Time { return time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC) }

// TestResponsesVerifyWithXMLSec1 holds the writer, its canonical form included, against a verifier that is not ours.
func TestResponsesVerifyWithXMLSec1(t *testing.T) {
	tool, err := exec.LookPath(cmp.Or(os.Getenv("XMLSEC"), "xmlsec1"))
	if err != nil {
		if os.Getenv("SSOGATE_REQUIRE_XMLSEC") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, NOT PROVEN: no xmlsec1: %v (`make test` makes this a failure)", err)
	}
	for _, profile := range append(idptest.SAMLProfiles(), idptest.SAMLPlain) {
		for _, kind := range []string{"rsa", "p256"} {
			t.Run(string(profile)+"/"+kind, func(t *testing.T) {
				p, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.example", Profile: profile, Now: samlNow, Key: kind})
				if err != nil {
					t.Fatal(err)
				}
				for _, sign := range []idptest.SAMLSign{idptest.SignAssertion, idptest.SignResponse, idptest.SignBoth} {
					doc, err := p.Respond(idptest.RespondOptions{SP: samlSP, Person: samlAlice, InResponseTo: "_r1", Sign: sign})
					if err != nil {
						t.Fatal(err)
					}
					xml, err := base64.StdEncoding.DecodeString(doc)
					if err != nil {
						t.Fatal(err)
					}
					if sign != idptest.SignResponse {
						xmlsecVerify(t, tool, p, xml, "/*/*[local-name()='Assertion']/*[local-name()='Signature']")
					}
					if sign != idptest.SignAssertion {
						xmlsecVerify(t, tool, p, xml, "/*/*[local-name()='Signature']")
					}
				}
			})
		}
	}
}

func xmlsecVerify(t *testing.T, tool string, p *idptest.SAMLIdP, xml []byte, xpath string) {
	t.Helper()
	dir := t.TempDir()
	doc, cert := filepath.Join(dir, "doc.xml"), filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(doc, xml, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Key().Certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, "--verify", "--enabled-key-data", "x509", "--pubkey-cert-pem", cert, "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
		"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response", "--node-xpath", xpath, doc).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s\n%s", err, out, xml)
	}
}
