package main

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// thursday is when these tests take place.
var thursday = time.Date(2027, 1, 14, 9, 0, 0, 0, time.UTC)

// fullSAML is every key of a connection over SAML, each with a value that is not its default.
const fullSAML = `protocol: saml, provider: keycloak, name: Acme, metadata_url: "https://sso.acme.example/descriptor", idp_entity_id: "https://sso.acme.example/realms/acme",
  sign_requests: always, want_signed: both, want_encrypted: true, allow_sha1_until: 2027-03-31, cert_expiry: strict, nameid_format: persistent,
  subject_from: employee, attributes: {user_name: uid, email: [mail, "urn:oid:0.9.2342.19200300.100.1.3"], given_name: given, family_name: sn, display_name: cn, groups: [teams]},
  idp_initiated: bounce, force_authn: true, requested_acr: ["urn:oasis:names:tc:SAML:2.0:ac:classes:X509"], key_rollover: auto`

func declaredOne(t *testing.T, keys string) (idp.SAMLSettings, error) {
	t.Helper()
	c, err := parseConfig("ssogate.yaml", t.TempDir(), []byte("public_url: https://d.example\n"+conn(keys)))
	if err != nil {
		return idp.SAMLSettings{}, err
	}
	all, err := c.declared(func(string) string { return "" }, thursday)
	if err != nil {
		return idp.SAMLSettings{}, err
	}
	return all[0].Connections[0].SAML, nil
}

func TestEverySAMLKeyOfTheFileArrives(t *testing.T) {
	got, err := declaredOne(t, fullSAML)
	if err != nil {
		t.Fatal(err)
	}
	want := idp.SAMLSettings{
		MetadataURL: "https://sso.acme.example/descriptor", KeyRollover: idp.RolloverAuto, SignRequests: idp.SignAlways, WantSigned: idp.SignedBoth,
		WantEncrypted: true, AllowSHA1: time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC), CertExpiry: idp.ExpiryStrict, IdPInitiated: idp.InitiatedBounce,
		ForceAuthn: true, RequestedACR: []string{"urn:oasis:names:tc:SAML:2.0:ac:classes:X509"},
		NameIDFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", SubjectFrom: "employee",
		Attributes: idp.SAMLAttributes{
			UserName: []string{"uid"}, Email: []string{"mail", "urn:oid:0.9.2342.19200300.100.1.3"}, GivenName: []string{"given"},
			FamilyName: []string{"sn"}, DisplayName: []string{"cn"}, Groups: []string{"teams"},
		},
		IdP: idp.SAMLIdP{EntityID: "https://sso.acme.example/realms/acme"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatTheFileLeavesOutIsThePresets(t *testing.T) {
	got, err := declaredOne(t, "protocol: saml, provider: entra, metadata_url: 'https://login.microsoftonline.com/x/f.xml', attributes: {groups: mine}")
	if err != nil {
		t.Fatal(err)
	}
	want := saml.Preset(idp.Entra)
	want.Attributes.Groups = []string{"mine"}
	if !reflect.DeepEqual(got.Attributes, want.Attributes) || got.SubjectFrom != want.SubjectFrom {
		t.Errorf("got %+v, subject from %q", got.Attributes, got.SubjectFrom)
	}
}

// Entra's preset names people by an attribute. Who wants the NameID all the same has a word for it.
func TestTheFileCanGoBackToTheNameID(t *testing.T) {
	for word, want := range map[string]string{"": saml.Preset(idp.Entra).SubjectFrom, ", subject_from: nameid": "", ", subject_from: employee": "employee"} {
		got, err := declaredOne(t, "protocol: saml, provider: entra, metadata_url: 'https://login.microsoftonline.com/x/f.xml'"+word)
		if err != nil || got.SubjectFrom != want {
			t.Errorf("%q: subject from %q, %v", word, got.SubjectFrom, err)
		}
	}
	if !strings.HasSuffix(saml.Preset(idp.Entra).SubjectFrom, "/objectidentifier") {
		t.Error("the preset does not name people by their object id")
	}
}

// TestCertificateThatRunsOutIsSaidWhereAConnectionIsMadeAndShown: whoever uploads an old file learns it then.
func TestCertificateThatRunsOutIsSaidWhereAConnectionIsMadeAndShown(t *testing.T) {
	document, _ := metadataOf(t, idptest.SAMLGoogle)
	given, _, err := saml.ParseMetadata(document, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ends, err := x509.ParseCertificate(given.Keys[0].Certificate)
	if err != nil {
		t.Fatal(err)
	}
	for ahead, want := range map[time.Duration]string{
		61 * 24 * time.Hour: "", 59*24*time.Hour + time.Minute: "expires in 59 days", 24*time.Hour + time.Minute: "expires in 1 day:",
		time.Minute: "expires within a day", -time.Minute: "has expired",
	} {
		got := strings.Join(concerns(idp.Google, idp.SAMLSettings{IdP: given}, ends.NotAfter.Add(-ahead)), "")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s ahead: %q, want %q", ahead, got, want)
		}
	}
}

// metadataOf is the metadata of a provider of a profile, with the certificate that signs.
func metadataOf(t *testing.T, profile idptest.SAMLProfile) (document []byte, key idptest.SAMLKey) {
	t.Helper()
	p, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://idp.example/realms/acme", Profile: profile, Now: func() time.Time { return thursday }})
	if err != nil {
		t.Fatal(err)
	}
	document, err = p.Metadata(idptest.MetadataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return document, p.Key()
}

// TestFileReadTwiceIsTheSame: a gate that starts anew takes the same file for no change, or every start would end the
// sign-ins under way.
func TestFileReadTwiceIsTheSame(t *testing.T) {
	document, key := metadataOf(t, idptest.SAMLOkta)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "idp.xml"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig("ssogate.yaml", folder, []byte("public_url: https://d.example\n"+conn("protocol: saml, provider: okta, metadata: {file: idp.xml}")))
	if err != nil {
		t.Fatal(err)
	}
	read := func(at time.Time) idp.SAMLSettings {
		all, err := c.declared(func(string) string { return "" }, at)
		if err != nil {
			t.Fatal(err)
		}
		return all[0].Connections[0].SAML
	}
	today, tomorrow := read(thursday), read(thursday.Add(24*time.Hour))
	if !reflect.DeepEqual(today, tomorrow) {
		t.Errorf("today    %+v\ntomorrow %+v", today.IdP, tomorrow.IdP)
	}
	if len(today.IdP.Keys) != 1 || today.IdP.Keys[0].SHA256 != key.SHA256() || today.IdP.Keys[0].State != idp.KeyActive || today.IdP.Keys[0].Source != "upload" {
		t.Errorf("keys %+v", today.IdP.Keys)
	}
}

// TestOldMetadataFileStopsACheckAndNotAStart: whoever checks the file should hear of it; the other companies should not.
func TestOldMetadataFileStopsACheckAndNotAStart(t *testing.T) {
	document, key := metadataOf(t, idptest.SAMLOkta)
	over := thursday.Add(-48 * time.Hour)
	document = bytes.Replace(document, []byte("<md:EntityDescriptor "), []byte(`<md:EntityDescriptor validUntil="`+over.UTC().Format(time.RFC3339)+`" `), 1)
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "idp.xml"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := parseConfig("ssogate.yaml", folder, []byte("public_url: https://d.example\n"+conn("protocol: saml, provider: okta, metadata: {file: idp.xml}")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.declared(func(string) string { return "" }, thursday); err == nil || !strings.Contains(err.Error(), "validUntil has passed") {
		t.Errorf("a check says %v", err)
	}
	c.outdated = true
	all, err := c.declared(func(string) string { return "" }, thursday)
	if err != nil || all[0].Connections[0].SAML.IdP.Keys[0].SHA256 != key.SHA256() {
		t.Fatalf("a start says %v", err)
	}
	var log bytes.Buffer
	warnOutdated(slog.New(slog.NewTextHandler(&log, nil)), all, thursday)
	if !strings.Contains(log.String(), "not valid any more") {
		t.Errorf("log %q", log.String())
	}
	log.Reset()
	warnOutdated(slog.New(slog.NewTextHandler(&log, nil)), all, over)
	if log.Len() > 0 {
		t.Errorf("warned before its time: %s", log.String())
	}
}

func TestSettingsByHandNeedNoMetadata(t *testing.T) {
	_, key := metadataOf(t, idptest.SAMLOkta)
	file := filepath.Join(t.TempDir(), "idp.cer")
	if err := os.WriteFile(file, key.Certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := declaredOne(t, "protocol: saml, provider: generic, idp_entity_id: 'urn:idp', sso_url: 'https://idp.example/sso', slo_url: 'https://idp.example/slo', certificate: {file: "+file+"}")
	if err != nil {
		t.Fatal(err)
	}
	want := idp.SAMLEndpoints{SSOURL: "https://idp.example/sso", SSOBinding: idp.BindingRedirect, SLOURL: "https://idp.example/slo", SLOBinding: idp.BindingRedirect}
	if got.IdP.Endpoints != want || got.IdP.EntityID != "urn:idp" || len(got.IdP.Keys) != 1 || got.IdP.Keys[0].SHA256 != key.SHA256() {
		t.Errorf("got %+v", got.IdP)
	}
}

func TestDeclaredSAMLIsCheckedBeforeTheGateStarts(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"not.xml": "hello", "empty.pem": ""} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const byURL = "protocol: saml, provider: generic, metadata_url: 'https://idp.example/m', "
	for name, tc := range map[string]struct{ keys, want string }{
		"plain http":       {"protocol: saml, provider: generic, metadata_url: 'http://idp.example/m'", "ssogate.yaml:2: tenants[0].connections[0].metadata_url: is not https"},
		"SHA-1 for a year": {byURL + "allow_sha1_until: 2028-01-14", "connections[0].allow_sha1_until: is more than 180 days ahead"},
		"transient names":  {byURL + "nameid_format: transient", "connections[0].nameid_format: transient names are others at every sign-in"},
		"no file":          {"protocol: saml, provider: okta, metadata: {file: " + folder + "/nowhere.xml}", "ssogate.yaml:2: tenants[0].connections[0].metadata: no file "},
		"not metadata":     {"protocol: saml, provider: okta, metadata: {file: " + folder + "/not.xml}", "ssogate.yaml:2: tenants[0].connections[0].metadata: idp-metadata: "},
		"no certificate":   {"protocol: saml, provider: okta, idp_entity_id: x, sso_url: 'https://a.example/', certificate: {file: " + folder + "/empty.pem}", "certificate: idp-metadata: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := declaredOne(t, tc.keys)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
	if _, err := declaredOne(t, byURL+"allow_sha1_until: 2027-07-13"); err != nil {
		t.Errorf("180 days ahead: %v", err)
	}
	if _, err := declaredOne(t, byURL+"allow_sha1_until: 2026-01-14"); err != nil {
		t.Errorf("a day that is over is no reason not to start: %v", err)
	}
}

func TestProviderIsToldByItsEntityID(t *testing.T) {
	for _, profile := range []struct {
		of   idptest.SAMLProfile
		want idp.Provider
	}{
		{idptest.SAMLOkta, idp.Okta}, {idptest.SAMLAuth0, idp.Auth0}, {idptest.SAMLEntra, idp.Entra}, {idptest.SAMLADFS, idp.ADFS},
		{idptest.SAMLGoogle, idp.Google}, {idptest.SAMLKeycloak, idp.Keycloak},
	} {
		document, _ := metadataOf(t, profile.of)
		given, _, err := saml.ParseMetadata(document, "", thursday)
		if err != nil {
			t.Errorf("%s: %v", profile.of, err)
			continue
		}
		if got := guessProvider(given.EntityID); got != profile.want {
			t.Errorf("%s (%s): %s, want %s", profile.of, given.EntityID, got, profile.want)
		}
	}
	for _, other := range []string{"", "urn:x", "https://okta.com.evil.example/", "https://idp.example"} {
		if got := guessProvider(other); got != idp.Generic {
			t.Errorf("%q: %s", other, got)
		}
	}
}
