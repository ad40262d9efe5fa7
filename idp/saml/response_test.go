package saml

import (
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

const assertionXML = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a" IssueInstant="2026-05-04T12:00:00Z" Version="2.0"><saml:Issuer>i</saml:Issuer>` +
	`<saml:Subject><saml:NameID Format="f">n</saml:NameID><saml:SubjectConfirmation Method="m"><saml:SubjectConfirmationData NotOnOrAfter="2026-05-04T12:05:00Z" Recipient="r" InResponseTo="q"></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject>` +
	`<saml:Conditions NotBefore="2026-05-04T12:00:00Z" NotOnOrAfter="2026-05-04T12:05:00Z"><saml:AudienceRestriction><saml:Audience>a</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
	`<saml:AuthnStatement AuthnInstant="2026-05-04T12:00:00Z" SessionIndex="s"><saml:AuthnContext><saml:AuthnContextClassRef>c</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion>`

// The decoder does not lean on xmlguard: it refuses what it would have to choose from by itself.
func TestTheDecoderTakesNoFirstAndNoLast(t *testing.T) {
	for _, tc := range []struct{ what, want string }{
		{"<saml:Issuer>i</saml:Issuer>", "saml-shape/repeated"},
		{`<saml:NameID Format="f">n</saml:NameID>`, "saml-shape/repeated"},
		{"<saml:AuthnContextClassRef>c</saml:AuthnContextClassRef>", "saml-shape/repeated"},
	} {
		for name, xml := range map[string]string{
			tc.want:              strings.Replace(assertionXML, tc.what, tc.what+tc.what, 1),
			"saml-shape/missing": strings.Replace(assertionXML, tc.what, "", 1),
		} {
			root, err := parse([]byte(xml))
			if err != nil {
				t.Fatal(err)
			}
			_, err = decodeAssertion(root)
			if strings.Contains(tc.what, "ClassRef") && name == "saml-shape/missing" {
				continue // a declaration may stand in its place
			}
			if e, ok := err.(*idp.Error); !ok || e.Reason() != name { //nolint:errorlint // it is not wrapped here
				t.Errorf("%s: %v, want %s", tc.what, err, name)
			}
		}
	}
}

func TestPrefixedAttributesAreNotSAMLs(t *testing.T) {
	root, err := parse([]byte(strings.Replace(assertionXML, ` ID="_a"`, ` xmlns:x="urn:x" x:ID="_b" ID="_a"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	a, err := decodeAssertion(root)
	if err != nil || a.id != "_a" {
		t.Fatalf("%q, %v", a.id, err)
	}
}

func TestTimesAreUTCOrRefused(t *testing.T) {
	for s, good := range map[string]bool{
		"2026-05-04T12:00:00Z": true, "2026-05-04T12:00:00.123456789Z": true, " 2026-05-04T12:00:00Z\n": true,
		"2026-05-04T12:00:00": false, "2026-05-04T12:00:00+00:00": false, "2026-05-04T12:00:00,5Z": false, "2026-05-04": false,
		"2026-13-04T12:00:00Z": false, "2026-05-04t12:00:00z": false, "0001-01-01T00:00:00Z": false, "": false,
	} {
		at, err := parseInstant(s)
		if (err == nil) != good || good && at.Truncate(time.Second) != time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) {
			t.Errorf("%q: %v, %v", s, at, err)
		}
	}
}

// FuzzResponse decodes whatever the guard lets through: no panic, and nothing accepted without the parts that matter.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(assertionXML))
	f.Add([]byte(strings.Replace(assertionXML, "</saml:Assertion>", `<saml:AttributeStatement><saml:Attribute Name="n"><saml:AttributeValue>v</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := xmlguard.Check(b, xmlguard.Assertion, 0)
		if err != nil {
			return
		}
		root, err := parse(doc.Bytes())
		if err != nil {
			t.Fatalf("the guard accepts what does not parse: %v", err)
		}
		a, err := decodeAssertion(root)
		if err != nil {
			if idp.CodeOf(err) == "" {
				t.Fatalf("an assertion is blamed on us: %v", err)
			}
			return
		}
		if a.id == "" || len(a.confirmations) == 0 {
			t.Fatalf("decoded %+v", a)
		}
		canonical, err := alone(root)
		if err != nil {
			t.Fatal(err)
		}
		if len(canonical) > xmlguard.MaxBytes {
			return
		}
		if _, err := xmlguard.Check(canonical, xmlguard.Assertion, xmlguard.MaxBytes); err != nil {
			t.Fatalf("the guard refuses the canonical form of what it accepts: %v", err)
		}
	})
}

// The guard refuses these before; whoever reads signed bytes must not have to trust that.
func TestSignedInfoIsReadAsStrictlyAsItWasGuarded(t *testing.T) {
	const (
		digest = `<d:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></d:DigestMethod><d:DigestValue>AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=</d:DigestValue>`
		steps  = `<d:Transforms><d:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></d:Transform><d:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></d:Transform></d:Transforms>`
		ref    = `<d:Reference URI="#_a">` + steps + digest + `</d:Reference>`
		good   = `<d:SignedInfo xmlns:d="http://www.w3.org/2000/09/xmldsig#"><d:CanonicalizationMethod></d:CanonicalizationMethod><d:SignatureMethod></d:SignatureMethod>` + ref + `</d:SignedInfo>`
	)
	for xml, want := range map[string]string{
		good: "",
		strings.Replace(good, `"#_a"`, `"#_b"`, 1):                                                "saml-signature/reference",
		strings.Replace(good, `"#_a"`, `""`, 1):                                                   "saml-signature/reference",
		strings.Replace(good, ref, ref+ref, 1):                                                    "saml-signature/reference",
		strings.Replace(good, "enveloped-signature", "base64", 1):                                 "saml-signature/transforms",
		strings.Replace(good, "</d:Transforms>", "<d:Transform></d:Transform></d:Transforms>", 1): "saml-signature/transforms",
		strings.Replace(good, "#sha256", "#md5", 1):                                               "saml-signature/algorithm",
		strings.Replace(good, "AAAA", "", 1):                                                      "saml-signature/digest",
	} {
		root, err := parse([]byte(xml))
		if err != nil {
			t.Fatal(err)
		}
		_, err = readReference(root, "_a")
		if got := reasonOf(err); got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
}

func reasonOf(err error) string {
	if e, ok := err.(*idp.Error); ok { //nolint:errorlint // it is not wrapped here
		return e.Reason()
	}
	return ""
}

func TestEncryptedKeysAreReadAsStrictlyAsTheyWereGuarded(t *testing.T) {
	const (
		key  = `<e:EncryptedKey><e:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"></e:EncryptionMethod><e:CipherData><e:CipherValue>AAAA</e:CipherValue></e:CipherData></e:EncryptedKey>`
		good = `<x xmlns:e="http://www.w3.org/2001/04/xmlenc#" xmlns:d="http://www.w3.org/2000/09/xmldsig#"><e:EncryptedData><e:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes256-gcm"></e:EncryptionMethod>` +
			`<d:KeyInfo>` + key + `</d:KeyInfo><e:CipherData><e:CipherValue>AAAA</e:CipherValue></e:CipherData></e:EncryptedData></x>`
	)
	for xml, want := range map[string]string{
		good:                                   "",
		strings.Replace(good, key, key+key, 1): "saml-decrypt/shape",
		strings.Replace(good, "</x>", key+"</x>", 1):                                      "saml-decrypt/shape",
		strings.Replace(good, key, "", 1):                                                 "saml-decrypt/shape",
		strings.Replace(good, "rsa-oaep-mgf1p", "rsa-1_5", 1):                             "saml-decrypt/algorithm",
		strings.Replace(good, "aes256-gcm", "aes256-ctr", 1):                              "saml-decrypt/algorithm",
		strings.Replace(good, "mgf1p\">", "mgf1p\"><e:OAEPparams>AA==</e:OAEPparams>", 1): "saml-decrypt/algorithm",
	} {
		root, err := parse([]byte(xml))
		if err != nil {
			t.Fatal(err)
		}
		_, err = readEnvelope(root)
		if got := reasonOf(err); got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
}
