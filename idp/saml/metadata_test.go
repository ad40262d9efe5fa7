package saml_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

const provider = "https://idp.example/saml"

func samlKey(tb testing.TB, kind string, ends time.Time) idptest.SAMLKey {
	tb.Helper()
	k, err := idptest.NewSAMLKey(kind, "idp", noon.AddDate(-1, 0, 0), ends)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// sheet is a metadata document in the making. Its zero value, with a key, is a good one.
type sheet struct {
	id       string
	entity   string // more attributes of EntityDescriptor
	role     string // of IDPSSODescriptor, in place of the protocol
	keys     string
	services string
	before   string // elements before the role
	after    string // and behind it
}

func (s sheet) String() string {
	if s.id == "" {
		s.id = provider
	}
	if s.role == "" {
		s.role = `protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"`
	}
	if s.services == "" {
		s.services = service("SingleSignOnService", "Redirect", "https://idp.example/sso")
	}
	return fmt.Sprintf(`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="%s" %s>%s<md:IDPSSODescriptor %s>%s%s</md:IDPSSODescriptor>%s</md:EntityDescriptor>`,
		s.id, s.entity, s.before, s.role, s.keys, s.services, s.after)
}

func service(name, binding, location string, more ...string) string {
	return fmt.Sprintf(`<md:%s Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-%s" Location="%s" %s/>`, name, binding, location, strings.Join(more, " "))
}

// descriptor is a KeyDescriptor with certificates.
func descriptor(use string, certs ...[]byte) string {
	var b strings.Builder
	b.WriteString("<md:KeyDescriptor" + use + "><ds:KeyInfo><ds:X509Data>")
	for _, c := range certs {
		b.WriteString("<ds:X509Certificate>\n" + base64.StdEncoding.EncodeToString(c) + "\n</ds:X509Certificate>")
	}
	b.WriteString("</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>")
	return b.String()
}

const forSigning = ` use="signing"`

func TestMetadataOfEveryProfileIsRead(t *testing.T) {
	for _, profile := range []idptest.SAMLProfile{idptest.SAMLPlain, idptest.SAMLOkta, idptest.SAMLAuth0, idptest.SAMLEntra, idptest.SAMLADFS, idptest.SAMLGoogle, idptest.SAMLKeycloak} {
		p, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: provider, Profile: profile, WantSign: true, Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		doc, err := p.Metadata(idptest.MetadataOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, warnings, err := saml.ParseMetadata(doc, "", noon)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("%v: %v, warnings %q", profile, reason(err), warnings)
		}
		if got.EntityID != p.EntityID() || got.Endpoints.SSOURL != p.URL("/sso") || got.Endpoints.SSOBinding != idp.BindingRedirect || !got.WantsSigned {
			t.Errorf("%v: %+v", profile, got)
		}
		if slo := got.Endpoints.SLOURL; (slo == "") != (profile == idptest.SAMLGoogle) {
			t.Errorf("%v: single logout at %q", profile, slo)
		}
		if len(got.Keys) != 1 || got.Keys[0].SHA256 != p.Key().SHA256() || got.Keys[0].State != idp.KeyActive || got.Keys[0].Source != "metadata" || !got.Keys[0].FirstSeen.Equal(noon) {
			t.Errorf("%v: keys %+v", profile, got.Keys)
		}
	}
}

func TestOnlySigningKeysOfTheProviderCount(t *testing.T) {
	signing, both, encryption, issuer, ec := samlKey(t, "rsa", noon.AddDate(3, 0, 0)), samlKey(t, "rsa", noon.AddDate(2, 0, 0)), samlKey(t, "rsa", noon.AddDate(3, 0, 0)), samlKey(t, "rsa", noon.AddDate(9, 0, 0)), samlKey(t, "p256", noon.AddDate(3, 0, 0))
	doc := sheet{keys: descriptor(forSigning, signing.Certificate, issuer.Certificate) + descriptor(` use="encryption"`, encryption.Certificate) +
		descriptor("", both.Certificate) + descriptor(forSigning, signing.Certificate) + descriptor(forSigning, ec.Certificate) + descriptor(` use="other"`, issuer.Certificate)}.String()
	got, warnings, err := saml.ParseMetadata([]byte(doc), provider, noon)
	if err != nil {
		t.Fatal(reason(err))
	}
	var sums []string
	for _, k := range got.Keys {
		sums = append(sums, k.SHA256)
	}
	if want := []string{signing.SHA256(), both.SHA256(), ec.SHA256()}; !slices.Equal(sums, want) {
		t.Errorf("keys %v, want %v", sums, want)
	}
	if len(warnings) != 2 {
		t.Errorf("warnings %q", warnings)
	}
}

func TestEndpointsPreferRedirectAndNeverLoseHTTPS(t *testing.T) {
	key := descriptor(forSigning, samlKey(t, "rsa", noon.AddDate(3, 0, 0)).Certificate)
	soap := `<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.example/soap"/>`
	for name, c := range map[string]struct {
		services string
		want     idp.SAMLEndpoints
	}{
		"redirect before post": {
			service("SingleSignOnService", "POST", "https://idp.example/post") + soap + service("SingleSignOnService", "Redirect", "https://idp.example/sso?t=1&amp;u=2"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/sso?t=1&u=2", SSOBinding: idp.BindingRedirect},
		},
		"post alone": {
			service("SingleSignOnService", "POST", "https://idp.example/post"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/post", SSOBinding: idp.BindingPOST},
		},
		"the first of one kind": {
			service("SingleSignOnService", "Redirect", "https://idp.example/1") + service("SingleSignOnService", "Redirect", "https://idp.example/2"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/1", SSOBinding: idp.BindingRedirect},
		},
		"https before redirect": {
			service("SingleSignOnService", "Redirect", "http://localhost/sso") + service("SingleSignOnService", "POST", "https://idp.example/post"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/post", SSOBinding: idp.BindingPOST},
		},
		"plain http passed over": {
			service("SingleSignOnService", "Redirect", "http://idp.example/sso") + service("SingleSignOnService", "POST", "https://idp.example/post"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/post", SSOBinding: idp.BindingPOST},
		},
		"logout with an address for answers": {
			service("SingleLogoutService", "Redirect", "https://idp.example/slo", `ResponseLocation="https://idp.example/slo/done"`) + service("SingleSignOnService", "Redirect", "https://idp.example/sso"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/sso", SSOBinding: idp.BindingRedirect, SLOURL: "https://idp.example/slo", SLOResponseURL: "https://idp.example/slo/done", SLOBinding: idp.BindingRedirect},
		},
		"unusable logout": {
			service("SingleLogoutService", "Redirect", "http://idp.example/slo") + service("SingleSignOnService", "Redirect", "https://idp.example/sso"),
			idp.SAMLEndpoints{SSOURL: "https://idp.example/sso", SSOBinding: idp.BindingRedirect},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := saml.ParseMetadata([]byte(sheet{keys: key, services: c.services}.String()), "", noon)
			if err != nil || got.Endpoints != c.want {
				t.Errorf("%v, %+v", reason(err), got.Endpoints)
			}
		})
	}
}

func TestUnusableMetadataSaysWhatItIs(t *testing.T) {
	cert := samlKey(t, "rsa", noon.AddDate(3, 0, 0)).Certificate
	weak, err := idptest.NewSAMLKey("rsa1024", "idp", noon, noon.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	key := descriptor(forSigning, cert)
	good := sheet{keys: key}.String()
	list := func(inner string) string {
		return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + inner + `</md:EntitiesDescriptor>`
	}
	for name, c := range map[string]struct{ doc, entity, want string }{
		"nothing":                 {"", "", "empty"},
		"spaces":                  {" \n\t ", "", "empty"},
		"web page":                {"\n<!DOCTYPE html><html><body>Sign in</body></html>", "", "html"},
		"older web page":          {"<HTML><head/></HTML>", "", "html"},
		"discovery document":      {`{"issuer":"https://idp.example"}`, "", "json"},
		"PEM":                     {string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})), "", "certificate"},
		"base64":                  {base64.StdEncoding.EncodeToString(cert), "", "certificate"},
		"DER":                     {string(cert), "", "certificate"},
		"UTF-16":                  {"\xff\xfe<\x00m\x00", "", "encoding"},
		"document type":           {"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>" + good, "", "doctype"},
		"too large":               {good + strings.Repeat(" ", 1<<20), "", "too-large"},
		"not closed":              {strings.TrimSuffix(good, "</md:EntityDescriptor>"), "", "end-tag"},
		"another root":            {`<a xmlns="urn:b"/>`, "", "root"},
		"another entity":          {good, "https://other.example", "entity-id"},
		"no entity id":            {strings.Replace(good, `entityID="https://idp.example/saml"`, "", 1), "", "entity-id"},
		"foreign entity id":       {strings.Replace(good, `entityID=`, `xmlns:x="urn:x" x:entityID=`, 1), "", "entity-id"},
		"entity id with space":    {sheet{id: " https://idp.example", keys: key}.String(), "", "entity-id"},
		"a list, nobody named":    {list(good + sheet{id: "https://other.example", keys: key}.String()), "", "entities"},
		"the same entity twice":   {list(good + good), provider, "entity-twice"},
		"an empty list":           {list(""), "", "no-entity"},
		"service provider":        {`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://sp.example"><md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></md:EntityDescriptor>`, "", "sp-metadata"},
		"no role":                 {`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://sp.example"/>`, "", "no-idp"},
		"SAML 1.1":                {sheet{keys: key, role: `protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"`}.String(), "", "no-idp"},
		"two roles":               {sheet{keys: key, after: `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/>`}.String(), "", "idp-twice"},
		"no sign-on":              {sheet{keys: key, services: service("SingleLogoutService", "Redirect", "https://idp.example/slo")}.String(), "", "no-sso"},
		"script for sign-on":      {sheet{keys: key, services: service("SingleSignOnService", "Redirect", "javascript:alert(1)//x")}.String(), "", "no-sso"},
		"http for sign-on":        {sheet{keys: key, services: service("SingleSignOnService", "Redirect", "http://idp.example/sso")}.String(), "", "no-sso"},
		"SAMLRequest in sign-on":  {sheet{keys: key, services: service("SingleSignOnService", "Redirect", "https://idp.example/sso?samlrequest=x")}.String(), "", "no-sso"},
		"user in sign-on":         {sheet{keys: key, services: service("SingleSignOnService", "Redirect", "https://dashboard.tracio.example@evil.example/sso")}.String(), "", "no-sso"},
		"no key":                  {sheet{}.String(), "", "no-key"},
		"encryption key alone":    {sheet{keys: descriptor(` use="encryption"`, cert)}.String(), "", "no-key"},
		"weak key alone":          {sheet{keys: descriptor(forSigning, weak.Certificate)}.String(), "", "no-key"},
		"broken certificate":      {sheet{keys: descriptor(forSigning, cert[:100])}.String(), "", "no-key"},
		"key without certificate": {sheet{keys: descriptor(forSigning)}.String(), "", "no-key"},
		"no longer valid":         {sheet{keys: key, entity: `validUntil="2026-05-04T11:58:00Z"`}.String(), "", "expired"},
		"role no longer valid":    {sheet{keys: key, role: `protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" validUntil="2025-01-01T00:00:00Z"`}.String(), "", "expired"},
		"list no longer valid":    {strings.Replace(list(good), ">", ` validUntil="2025-01-01T00:00:00Z">`, 1), provider, "expired"},
		"time that is none":       {sheet{keys: key, entity: `validUntil="tomorrow"`}.String(), "", "valid-until"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := saml.ParseMetadata([]byte(c.doc), c.entity, noon)
			if r := reason(err); r != "idp-metadata/"+c.want {
				t.Errorf("reason %s, want %s", r, c.want)
			}
			if hint(err) == "" {
				t.Error("no hint")
			}
			if got.EntityID != "" || got.Keys != nil {
				t.Errorf("a refusal came with %+v", got)
			}
		})
	}
}

func TestMetadataAsProvidersWriteItIsRead(t *testing.T) {
	key := descriptor(forSigning, samlKey(t, "rsa", noon.AddDate(3, 0, 0)).Certificate)
	good := sheet{keys: key}.String()
	list := func(inner string) string {
		return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-06-01T00:00:00Z">` + inner + `</md:EntitiesDescriptor>`
	}
	for name, doc := range map[string]string{
		"byte order mark":        "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>" + good,
		"comments":               "<!-- made by hand -->" + strings.Replace(good, "<md:KeyDescriptor", "<!-- the key --><md:KeyDescriptor", 1),
		"other roles":            sheet{keys: key, before: `<md:RoleDescriptor protocolSupportEnumeration="urn:x"/>`, after: `<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/>`}.String(),
		"a list of lists":        list(sheet{id: "https://other.example", keys: key}.String() + list(good)),
		"an SAML 1.1 role first": sheet{keys: key, before: `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"/>`}.String(),
		"validity ahead":         sheet{keys: key, entity: `validUntil="2026-06-01T00:00:00.000Z" cacheDuration="PT1H"`}.String(),
	} {
		got, _, err := saml.ParseMetadata([]byte(doc), provider, noon)
		if err != nil || got.EntityID != provider || len(got.Keys) != 1 {
			t.Errorf("%s: %s, %+v", name, reason(err), got)
			continue
		}
		if bounded := strings.Contains(doc, "validUntil"); bounded != got.ValidUntil.Equal(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: valid until %v", name, got.ValidUntil)
		}
	}
}

func TestCertificatesAreReadHoweverTheyArePasted(t *testing.T) {
	k := samlKey(t, "rsa", noon.AddDate(0, 0, -1))
	armoured := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate})
	text := base64.StdEncoding.EncodeToString(k.Certificate)
	for name, b := range map[string][]byte{
		"PEM": armoured, "base64": []byte(text), "broken lines": []byte(" " + text[:64] + "\r\n" + text[64:] + "\n"), "DER": k.Certificate,
		"PEM with text before": append([]byte("subject: idp\n"), armoured...),
	} {
		got, warnings, err := saml.ParseCertificate(b, noon)
		if err != nil || got.SHA256 != k.SHA256() || got.State != idp.KeyActive || got.Source != "upload" {
			t.Errorf("%s: %v, %+v", name, reason(err), got)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0], "expired on 2026-05-03") {
			t.Errorf("%s: warnings %q", name, warnings)
		}
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"nothing":     {nil, "certificate"},
		"two":         {slices.Concat(armoured, armoured), "certificate"},
		"another PEM": {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}), "certificate"},
		"private key": {pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte{1}}), "private-key"},
		"metadata":    {[]byte(sheet{}.String()), "certificate"},
		"cut off":     {k.Certificate[:200], "certificate"},
		"too large":   {make([]byte, 70<<10), "too-large"},
	} {
		if _, _, err := saml.ParseCertificate(c.b, noon); reason(err) != "idp-metadata/"+c.want {
			t.Errorf("%s: %s", name, reason(err))
		}
	}
}

// Certificates are parsed with every request and answer. A provider that lists one with thousands of names in it must
// not make the gate's other tenants wait.
func TestACertificateThatTakesLongToParseIsNoKey(t *testing.T) {
	k := samlKey(t, "p256", noon.AddDate(3, 0, 0))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: noon, NotAfter: noon.AddDate(3, 0, 0)}
	for i := range 2000 {
		template.DNSNames = append(template.DNSNames, fmt.Sprintf("host-%d.example", i))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Signer.Public(), k.Signer)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = saml.ParseMetadata([]byte(sheet{keys: descriptor(forSigning, der)}.String()), "", noon)
	if reason(err) != "idp-metadata/no-key" || !strings.Contains(hint(err), "longer than 16 KiB") {
		t.Errorf("%s, hint %q", reason(err), hint(err))
	}
	if _, _, err := saml.ParseCertificate(der, noon); reason(err) != "idp-metadata/certificate" {
		t.Errorf("uploaded: %s", reason(err))
	}
}

func FuzzMetadata(f *testing.F) {
	key := descriptor(forSigning, samlKey(f, "p256", noon.AddDate(3, 0, 0)).Certificate)
	f.Add([]byte(sheet{keys: key}.String()))
	f.Add([]byte(sheet{keys: key, entity: `validUntil="2026-06-01T00:00:00Z"`, services: service("SingleLogoutService", "POST", "https://idp.example/slo") + service("SingleSignOnService", "POST", "https://idp.example/sso")}.String()))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + sheet{keys: key}.String() + `</md:EntitiesDescriptor>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _, err := saml.ParseMetadata(b, "", noon)
		if err != nil {
			if idp.CodeOf(err) != idp.CodeMetadata {
				t.Fatalf("error is not the document's: %v", err)
			}
			return
		}
		if problems := saml.Validate(idp.SAMLSettings{IdP: got}, true); len(problems) > 0 {
			t.Fatalf("what was read cannot be used: %v", problems)
		}
	})
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
