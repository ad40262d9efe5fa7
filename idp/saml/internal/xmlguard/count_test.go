package xmlguard_test

import (
	"testing"

	"github.com/beevik/etree"

	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

// counts are the rules that an element breaks which stands twice in its parent, or not at all ("" where it may be missing).
var counts = map[string]struct{ twice, missing string }{
	"Response/Issuer":             {"two-issuers", ""},
	"Response/Signature":          {"two-signatures", ""},
	"Response/Extensions":         {"two-extensions", ""},
	"Response/Status":             {"two-statuses", "no-status"},
	"Response/Assertion":          {"two-assertions", "no-assertion"},
	"Response/EncryptedAssertion": {"two-assertions", "no-assertion"},
	"LogoutResponse/Issuer":       {"two-issuers", "no-issuer"},
	"LogoutResponse/Signature":    {"two-signatures", ""},
	"LogoutResponse/Extensions":   {"two-extensions", ""},
	"LogoutResponse/Status":       {"two-statuses", "no-status"},
	"LogoutRequest/Issuer":        {"two-issuers", "no-issuer"},
	"LogoutRequest/Signature":     {"two-signatures", ""},
	"LogoutRequest/Extensions":    {"two-extensions", ""},
	"LogoutRequest/NameID":        {"two-name-ids", "no-name-id"},

	"Status/StatusCode":     {"two-status-codes", "no-status-code"},
	"StatusCode/StatusCode": {"two-status-codes", ""},
	"Status/StatusMessage":  {"two-status-messages", ""},
	"Status/StatusDetail":   {"two-status-details", ""},

	"Assertion/Issuer":         {"two-issuers", "no-issuer"},
	"Assertion/Signature":      {"two-signatures", ""},
	"Assertion/Subject":        {"two-subjects", "no-subject"},
	"Assertion/Conditions":     {"two-conditions", "no-conditions"},
	"Assertion/AuthnStatement": {"two-authn-statements", "no-authn-statement"},
	"Subject/NameID":           {"two-name-ids", "no-name-id"},

	"SubjectConfirmation/NameID":                  {"two-name-ids", ""},
	"SubjectConfirmation/SubjectConfirmationData": {"two-confirmation-data", ""},
	"AuthnStatement/SubjectLocality":              {"two-subject-localities", ""},
	"AuthnStatement/AuthnContext":                 {"two-authn-contexts", "no-authn-context"},
	"AuthnContext/AuthnContextClassRef":           {"two-authn-context-classes", ""},
	"AuthnContext/AuthnContextDecl":               {"two-authn-context-declarations", ""},
	"AuthnContext/AuthnContextDeclRef":            {"two-authn-context-declarations", ""},

	"Signature/SignedInfo":              {"two-signed-infos", "no-signed-info"},
	"Signature/SignatureValue":          {"two-signature-values", "no-signature-value"},
	"Signature/KeyInfo":                 {"two-key-infos", ""},
	"SignedInfo/CanonicalizationMethod": {"c14n-algorithm", "c14n-algorithm"},
	"SignedInfo/SignatureMethod":        {"two-signature-methods", "no-signature-method"},
	"SignedInfo/Reference":              {"two-references", "no-reference"},
	"Reference/Transforms":              {"transforms", "transforms"},
	"Reference/DigestMethod":            {"two-digest-methods", "no-digest-method"},
	"Reference/DigestValue":             {"two-digest-values", "no-digest-value"},
	"Transform/InclusiveNamespaces":     {"prefix-list", ""},

	"EncryptedAssertion/EncryptedData": {"two-encrypted-data", "no-encrypted-data"},
	"EncryptedAssertion/EncryptedKey":  {"two-encrypted-keys", "no-encrypted-key"},
	"EncryptedData/EncryptionMethod":   {"encryption-algorithm", "encryption-algorithm"},
	"EncryptedData/KeyInfo":            {"two-key-infos", "*"}, // the key may be in it
	"EncryptedData/CipherData":         {"two-cipher-data", "no-cipher-data"},
	"EncryptedKey/EncryptionMethod":    {"encryption-algorithm", "encryption-algorithm"},
	"EncryptedKey/KeyInfo":             {"two-key-infos", ""},
	"EncryptedKey/CipherData":          {"two-cipher-data", "no-cipher-data"},
	"EncryptedKey/ReferenceList":       {"two-reference-lists", ""},
	"EncryptedKey/CarriedKeyName":      {"two-carried-key-names", ""},
	"EncryptionMethod/DigestMethod":    {"encryption-algorithm", ""},
	"CipherData/CipherValue":           {"two-cipher-values", "no-cipher-value"},
}

func TestEachElementStandsAsOftenAsItMay(t *testing.T) {
	met := map[string]bool{}
	for name, b := range shapes(t) {
		kind := kindOf(t, name)
		if kind == xmlguard.Metadata || kind == xmlguard.SignedMetadata {
			continue
		}
		for i, path := range paths(t, b) {
			rules, listed := counts[path]
			if !listed {
				continue
			}
			met[path] = true
			if got := rule(t, edited(t, b, i, true), kind); got != rules.twice {
				t.Errorf("%s: two %s: got %q, want %s", name, path, got, rules.twice)
			}
			if got := rule(t, edited(t, b, i, false), kind); got != rules.missing && rules.missing != "*" {
				t.Errorf("%s: no %s: got %q, want %q", name, path, got, rules.missing)
			}
		}
	}
	for path := range counts {
		if !met[path] {
			t.Errorf("no document has %s", path)
		}
	}
}

func tree(t *testing.T, b []byte) (*etree.Document, []*etree.Element) {
	t.Helper()
	d := etree.NewDocument()
	if err := d.ReadFromBytes(b); err != nil {
		t.Fatal(err)
	}
	return d, d.Root().FindElements(".//*")
}

// paths are the names of the elements below the root, each behind its parent's.
func paths(t *testing.T, b []byte) []string {
	t.Helper()
	var all []string
	_, elements := tree(t, b)
	for _, e := range elements {
		all = append(all, e.Parent().Tag+"/"+e.Tag)
	}
	return all
}

// edited is the document with its i-th element twice, without IDs on the second, or without it.
func edited(t *testing.T, b []byte, i int, twice bool) []byte {
	t.Helper()
	d, elements := tree(t, b)
	e := elements[i]
	if twice {
		second := e.Copy()
		for _, below := range append(second.FindElements(".//*"), second) {
			for _, id := range []string{"ID", "Id"} {
				below.RemoveAttr(id)
			}
		}
		e.Parent().InsertChildAt(e.Index()+1, second)
	} else {
		e.Parent().RemoveChild(e)
	}
	out, err := d.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}
