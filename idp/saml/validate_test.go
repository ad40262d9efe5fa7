package saml_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
	"github.com/tracio-ai/ssogate/idp/secret"
)

func goodSettings(t *testing.T) idp.SAMLSettings {
	t.Helper()
	k, _, err := saml.ParseCertificate(samlKey(t, "p256", noon.AddDate(1, 0, 0)).Certificate, noon)
	if err != nil {
		t.Fatal(err)
	}
	s := saml.Preset(idp.Okta)
	s.SPKeys = ourKeys()
	s.IdP = idp.SAMLIdP{
		EntityID: provider, Keys: []idp.SAMLKey{k},
		Endpoints: idp.SAMLEndpoints{SSOURL: "https://idp.example/sso", SSOBinding: idp.BindingRedirect, SLOURL: "https://idp.example/slo", SLOBinding: idp.BindingPOST},
	}
	return s
}

func TestPresetsOnlyLackTheProvider(t *testing.T) {
	for _, p := range []idp.Provider{idp.Okta, idp.Auth0, idp.Entra, idp.Google, idp.Keycloak, idp.ADFS, idp.Generic} {
		s := saml.Preset(p)
		if got := fields(saml.Validate(s, false)); !slices.Equal(got, []string{"entity_id", "sso_url", "certificates"}) {
			t.Errorf("%s: %v", p, got)
		}
		s.MetadataURL = "https://idp.example/metadata"
		if got := saml.Validate(s, false); got != nil {
			t.Errorf("%s, to be fetched: %v", p, got)
		}
	}
}

func fields(list []saml.Problem) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Field)
	}
	return out
}

func TestEverySettingThatCannotBeUsedIsNamed(t *testing.T) {
	if got := saml.Validate(goodSettings(t), false); got != nil {
		t.Fatalf("good settings: %v", got)
	}
	long := strings.Repeat("x", 257)
	for name, c := range map[string]struct {
		edit func(*idp.SAMLSettings)
		want string
	}{
		"no entity id":            {func(s *idp.SAMLSettings) { s.IdP.EntityID = "" }, "entity_id"},
		"long entity id":          {func(s *idp.SAMLSettings) { s.IdP.EntityID = strings.Repeat("x", 1025) }, "entity_id"},
		"entity id in two lines":  {func(s *idp.SAMLSettings) { s.IdP.EntityID = "a\nb" }, "entity_id"},
		"entity id with space":    {func(s *idp.SAMLSettings) { s.IdP.EntityID = "urn:a " }, "entity_id"},
		"entity id not text":      {func(s *idp.SAMLSettings) { s.IdP.EntityID = "a\xff" }, "entity_id"},
		"metadata over http":      {func(s *idp.SAMLSettings) { s.MetadataURL = "http://idp.example/m" }, "metadata_url"},
		"metadata from a file":    {func(s *idp.SAMLSettings) { s.MetadataURL = "file:///m" }, "metadata_url"},
		"no sign-on":              {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL = "" }, "sso_url"},
		"sign-on over http":       {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL = "http://idp.example/sso" }, "sso_url"},
		"sign-on on itself, http": {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL = "http://localhost/sso" }, "sso_url"},
		"sign-on with fragment":   {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL += "#x" }, "sso_url"},
		"sign-on without host":    {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL = "https:///sso" }, "sso_url"},
		"sign-on with quote":      {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL += `"x` }, "sso_url"},
		"sign-on with RelayState": {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL += "?relaystate=x" }, "sso_url"},
		"long sign-on":            {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOURL += strings.Repeat("x", 2048) }, "sso_url"},
		"no sign-on binding":      {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SSOBinding = "" }, "sso_binding"},
		"sign-out over http":      {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SLOURL = "http://idp.example/slo" }, "slo_url"},
		"unknown sign-out":        {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SLOBinding = "soap" }, "slo_binding"},
		"answers over http":       {func(s *idp.SAMLSettings) { s.IdP.Endpoints.SLOResponseURL = "http://idp.example/slo" }, "slo_response_url"},
		"answers alone": {func(s *idp.SAMLSettings) {
			s.IdP.Endpoints.SLOURL, s.IdP.Endpoints.SLOResponseURL = "", "https://idp.example/slo"
		}, "slo_response_url"},
		"what waits, over http": {func(s *idp.SAMLSettings) {
			s.IdP.Pending = idp.SAMLEndpoints{SSOURL: "http://evil.example", SSOBinding: idp.BindingPOST}
		}, "pending sso_url"},
		"no key":             {func(s *idp.SAMLSettings) { s.IdP.Keys = nil }, "certificates"},
		"no active key":      {func(s *idp.SAMLSettings) { s.IdP.Keys[0].State = idp.KeyPending }, "certificates"},
		"another print":      {func(s *idp.SAMLSettings) { s.IdP.Keys[0].SHA256 = strings.Repeat("0", 64) }, "certificates"},
		"transient":          {func(s *idp.SAMLSettings) { s.NameIDFormat = idp.NameIDTransient }, "nameid_format"},
		"long name format":   {func(s *idp.SAMLSettings) { s.NameIDFormat = long }, "nameid_format"},
		"long subject":       {func(s *idp.SAMLSettings) { s.SubjectFrom = long }, "subject_from"},
		"empty class":        {func(s *idp.SAMLSettings) { s.RequestedACR = []string{""} }, "requested_acr"},
		"too many classes":   {func(s *idp.SAMLSettings) { s.RequestedACR = slices.Repeat([]string{"a"}, 17) }, "requested_acr"},
		"empty e-mail":       {func(s *idp.SAMLSettings) { s.Attributes.Email = []string{""} }, "attributes.email"},
		"too many groups":    {func(s *idp.SAMLSettings) { s.Attributes.Groups = slices.Repeat([]string{"a"}, 17) }, "attributes.groups"},
		"spaced name":        {func(s *idp.SAMLSettings) { s.Attributes.DisplayName = []string{"name "} }, "attributes.display_name"},
		"unknown rollover":   {func(s *idp.SAMLSettings) { s.KeyRollover = "yes" }, "key_rollover"},
		"unknown signing":    {func(s *idp.SAMLSettings) { s.SignRequests = "yes" }, "sign_requests"},
		"unknown wish":       {func(s *idp.SAMLSettings) { s.WantSigned = "none" }, "want_signed"},
		"unknown expiry":     {func(s *idp.SAMLSettings) { s.CertExpiry = "no" }, "cert_expiry"},
		"accepted unasked":   {func(s *idp.SAMLSettings) { s.IdPInitiated = "accept" }, "idp_initiated"},
		"broken key of ours": {func(s *idp.SAMLSettings) { s.SPKeys = []idp.SAMLSPKey{{Use: idp.UseSigning, Key: secret.New("x")}} }, "sp_keys"},
		"too many of ours":   {func(s *idp.SAMLSettings) { s.SPKeys = slices.Repeat(ourKeys(), 4) }, "sp_keys"},
	} {
		t.Run(name, func(t *testing.T) {
			s := goodSettings(t)
			c.edit(&s)
			got := saml.Validate(s, false)
			if !slices.Equal(fields(got), []string{c.want}) || got[0].Text == "" || got[0].Hint == "" {
				t.Errorf("%q, want %s", got, c.want)
			}
		})
	}
	broken := goodSettings(t)
	broken.IdP.Keys[0].Certificate = []byte("x")
	broken.IdP.Keys[0].State = "yes"
	if got := fields(saml.Validate(broken, false)); !slices.Equal(got, []string{"certificates", "certificates", "certificates"}) {
		t.Errorf("broken certificate in no state: %v", got)
	}
}

func TestInsecureReachesThisMachineAlone(t *testing.T) {
	for address, want := range map[string]bool{
		"http://localhost:1/sso": true, "http://127.0.0.1:1/sso": true, "http://[::1]/sso": true,
		"http://localhost.evil.example/sso": false, "http://127.0.0.1.evil.example/sso": false, "http://10.0.0.1/sso": false, "http://idp.example/sso": false,
	} {
		s := goodSettings(t)
		s.IdP.Endpoints.SSOURL = address
		if got := saml.Validate(s, true); (got == nil) != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestSHA1IsAllowedForHalfAYearAtMost(t *testing.T) {
	for days, want := range map[int]bool{0: true, 180: true, 181: false} {
		if got := saml.ValidateSHA1(noon.Add(time.Duration(days)*24*time.Hour), noon); (got == nil) != want {
			t.Errorf("%d days: %v", days, got)
		}
	}
	if got := saml.ValidateSHA1(time.Time{}, noon); got != nil {
		t.Errorf("never: %v", got)
	}
}
