package oidc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/oidc"
	"github.com/tracio-ai/ssogate/idp/secret"
)

const directory = "6b1f2c52-7e1a-4d36-9a0e-2f9b4b0c7a11"

func TestPresetTurnsWhatAdminsKnowIntoAnIssuer(t *testing.T) {
	for _, row := range []struct {
		provider idp.Provider
		known    oidc.Known
		issuer   string
	}{
		{idp.Okta, oidc.Known{Domain: "acme.okta.com"}, "https://acme.okta.com"},
		{idp.Okta, oidc.Known{Domain: " https://Acme.okta.com/ "}, "https://acme.okta.com"},
		{idp.Okta, oidc.Known{Domain: "login.acme.example"}, "https://login.acme.example"},
		{idp.Okta, oidc.Known{Domain: "https://acme.okta.com/oauth2/default"}, "https://acme.okta.com/oauth2/default"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com/oauth2/aus1b2/"}, "https://acme.okta.com/oauth2/aus1b2"},
		{idp.Auth0, oidc.Known{Domain: "acme.eu.auth0.com"}, "https://acme.eu.auth0.com/"},
		{idp.Auth0, oidc.Known{Domain: "https://acme.eu.auth0.com/"}, "https://acme.eu.auth0.com/"},
		{idp.Entra, oidc.Known{TenantID: directory}, "https://login.microsoftonline.com/" + directory + "/v2.0"},
		{idp.Entra, oidc.Known{TenantID: " " + strings.ToUpper(directory)}, "https://login.microsoftonline.com/" + directory + "/v2.0"},
		{idp.Google, oidc.Known{}, "https://accounts.google.com"},
		{idp.Keycloak, oidc.Known{Issuer: "https://sso.acme.example/realms/acme"}, "https://sso.acme.example/realms/acme"},
		{idp.Generic, oidc.Known{Issuer: "https://sso.acme.example/"}, "https://sso.acme.example/"},
		{idp.Generic, oidc.Known{Issuer: "http://127.0.0.1:8081"}, "http://127.0.0.1:8081"},
	} {
		s, err := oidc.Preset(row.provider, row.known)
		if err != nil || s.Issuer != row.issuer {
			t.Errorf("%s %+v: %q, %v; want %q", row.provider, row.known, s.Issuer, err, row.issuer)
			continue
		}
		s.ClientID, s.ClientSecret = "0oa1", secret.New("s")
		if problems := oidc.Validate(s); len(problems) > 0 {
			t.Errorf("%s: the preset's own settings are not valid: %v", row.provider, problems)
		}
	}
}

func TestPresetRefusesAndSaysWhatToType(t *testing.T) {
	for _, row := range []struct {
		provider idp.Provider
		known    oidc.Known
		says     string
	}{
		{idp.Okta, oidc.Known{Domain: "acme-admin.okta.com"}, "try acme.okta.com"},
		{idp.Okta, oidc.Known{Domain: "http://acme.okta.com"}, "try https://acme.okta.com"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com/app/UserHome"}, "no issuer"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com/oauth2/v1"}, "no issuer"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com/oauth2/../x"}, "no issuer"},
		{idp.Okta, oidc.Known{Domain: "acme"}, "want a domain"},
		{idp.Okta, oidc.Known{Domain: ""}, "want a domain"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com@evil.example"}, "want a domain"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com?x"}, "want a domain"},
		{idp.Okta, oidc.Known{Domain: "acme.okta.com:8443"}, "want a domain"},
		{idp.Okta, oidc.Known{Domain: "javascript://acme.okta.com"}, "want a domain"},
		{idp.Auth0, oidc.Known{Domain: "acme.eu.auth0.com/authorize"}, "domain alone"},
		{idp.Entra, oidc.Known{TenantID: "common"}, "other companies"},
		{idp.Entra, oidc.Known{TenantID: "Organizations"}, "other companies"},
		{idp.Entra, oidc.Known{TenantID: "9188040D-6c67-4c5b-b112-36a304b66dad"}, "personal"},
		{idp.Entra, oidc.Known{TenantID: "acme.onmicrosoft.com"}, "Directory (tenant) ID"},
		{idp.Generic, oidc.Known{}, "give the issuer"},
		{idp.Generic, oidc.Known{Issuer: "https://a.example/.well-known/openid-configuration"}, "try https://a.example"},
		{idp.Generic, oidc.Known{Issuer: "http://a.example"}, "not https"},
		{idp.Generic, oidc.Known{Issuer: "https://a.example?x=1"}, "query"},
		{idp.Generic, oidc.Known{Issuer: "https://login.microsoftonline.com/common/v2.0"}, "other companies"},
		{"ping", oidc.Known{}, "try okta"},
	} {
		_, err := oidc.Preset(row.provider, row.known)
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s %+v: %v; want it to say %q", row.provider, row.known, err, row.says)
		}
	}
}

func TestPresetsFitTheirProviders(t *testing.T) {
	google, err := oidc.Preset(idp.Google, oidc.Known{})
	if err != nil || slices.Contains(google.Scopes, "groups") || google.Claims.Groups != "" {
		t.Errorf("Google answers invalid_scope to groups: %+v, %v", google, err)
	}
	auth0, err := oidc.Preset(idp.Auth0, oidc.Known{Domain: "acme.eu.auth0.com"})
	if err != nil || auth0.Claims.Groups != idptest.Auth0Groups {
		t.Errorf("Auth0 drops a claim named groups: %+v, %v", auth0, err)
	}
	okta, err := oidc.Preset(idp.Okta, oidc.Known{Domain: "acme.okta.com"})
	if err != nil || !slices.Contains(okta.Scopes, "groups") {
		t.Errorf("Okta gives groups for scope groups alone: %+v, %v", okta, err)
	}
}

func TestValidateNamesTheField(t *testing.T) {
	good := idp.OIDCSettings{Issuer: "https://a.example", ClientID: "c", ClientSecret: secret.New("s"), ClientAuth: idp.AuthBasic}
	if p := oidc.Validate(good); len(p) > 0 {
		t.Fatalf("good settings: %v", p)
	}
	for field, spoil := range map[string]func(*idp.OIDCSettings){
		"issuer":        func(s *idp.OIDCSettings) { s.Issuer = "a.example" },
		"client_id":     func(s *idp.OIDCSettings) { s.ClientID = "" },
		"client_secret": func(s *idp.OIDCSettings) { s.ClientSecret = secret.Text{} },
		"client_auth":   func(s *idp.OIDCSettings) { s.ClientAuth = "private_key_jwt" },
		"scopes":        func(s *idp.OIDCSettings) { s.Scopes = []string{"a b"} },
		"prompt":        func(s *idp.OIDCSettings) { s.Prompt = "none" },
		"max_age":       func(s *idp.OIDCSettings) { s.MaxAge = new(-time.Second) },
		"acr_values":    func(s *idp.OIDCSettings) { s.ACRValues = []string{""} },
		"audiences":     func(s *idp.OIDCSettings) { s.Audiences = []string{""} },
		"extra":         func(s *idp.OIDCSettings) { s.Extra = map[string]string{"State": "x"} },
	} {
		s := good
		spoil(&s)
		p := oidc.Validate(s)
		if len(p) != 1 || p[0].Field != field || p[0].Hint == "" {
			t.Errorf("%s: %v", field, p)
		}
	}
	good.ClientAuth, good.SharedCallback = idp.AuthNone, true
	if p := oidc.Validate(good); len(p) != 1 || p[0].Field != "client_auth" {
		t.Errorf("public client on the shared callback: %v", p)
	}
}

func TestProbeReportsWhatAConnectionNeeds(t *testing.T) {
	w := newWorld(t)
	r, err := w.c.Probe(t.Context(), w.conn)
	if err != nil {
		t.Fatal(err)
	}
	if r.Keys != 1 || !r.SendsIssuer || !r.Logout || len(r.Warnings) != 0 || r.ClientAuth("") != idp.AuthBasic || r.ClientAuth(idp.AuthPost) != idp.AuthPost {
		t.Errorf("report %+v", r)
	}
	w.op.SetMetadata("token_endpoint_auth_methods_supported", []string{"client_secret_post"})
	w.op.SetMetadata("code_challenge_methods_supported", []string{"plain"})
	w.op.SetMetadata("end_session_endpoint", nil)
	r, err = w.c.Probe(t.Context(), w.conn)
	if err != nil || len(r.Warnings) != 2 || r.ClientAuth(idp.AuthBasic) != idp.AuthPost {
		t.Errorf("report %+v, %v", r, err)
	}
	w.op.SetMetadata("token_endpoint_auth_methods_supported", []string{"private_key_jwt"})
	w.op.SetMetadata("authorization_response_iss_parameter_supported", nil)
	w.conn.Settings.SharedCallback = true
	r, err = w.c.Probe(t.Context(), w.conn)
	if err != nil || len(r.Warnings) != 4 || r.ClientAuth(idp.AuthPost) != idp.AuthPost || r.ClientAuth("") != idp.AuthBasic {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestProbeNeedsMetadataAndKeys(t *testing.T) {
	for fault, code := range map[string]idp.Code{
		"metadata-down": idp.CodeUnavailable, "jwks-down": idp.CodeUnavailable, "jwks-empty": idp.CodeMetadata, "broken-metadata": idp.CodeMetadata,
		"issuer-mismatch-metadata": idp.CodeMetadata, "redirecting-metadata": idp.CodeMetadata,
	} {
		w := newWorld(t)
		w.op.Fault(fault)
		_, err := w.c.Probe(t.Context(), w.conn)
		w.refused(code, idp.Identity{}, err)
	}
}

func TestProbeOfAPrivateAddressIsRefused(t *testing.T) {
	w := newWorld(t)
	client, err := idp.Egress{}.Client()
	if err != nil {
		t.Fatal(err)
	}
	w.c.Client = client
	_, err = w.c.Probe(t.Context(), w.conn)
	w.refused(idp.CodeMetadata, idp.Identity{}, err)
	if !strings.Contains(fmt.Sprint(err), "egress") || len(w.op.Requests()) != 0 {
		t.Errorf("%v; the provider saw %d requests", err, len(w.op.Requests()))
	}
}
