package oidc

import (
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

func TestWhatJoinsIsWhatTheProviderProvisions(t *testing.T) {
	const claims = `{"sub":"00u1","oid":"object","upn":"al@acme.example","preferred_username":"alice","email":"alice@acme.example","employee":"e-7"}`
	for name, tc := range map[string]struct {
		conn   idp.Connection
		claims string
		want   idp.Joins
	}{
		"okta":             {idp.Connection{Provider: idp.Okta}, claims, idp.Joins{ExternalID: "00u1", UserName: "alice"}},
		"entra":            {idp.Connection{Provider: idp.Entra}, claims, idp.Joins{ExternalID: "object", UserName: "al@acme.example"}},
		"entra, no upn":    {idp.Connection{Provider: idp.Entra}, `{"sub":"x","oid":"object","preferred_username":"alice"}`, idp.Joins{ExternalID: "object", UserName: "alice"}},
		"generic":          {idp.Connection{Provider: idp.Generic}, claims, idp.Joins{UserName: "alice"}},
		"claim by name":    {idp.Connection{Provider: idp.Generic, JoinClaim: "employee"}, claims, idp.Joins{ExternalID: "e-7", UserName: "alice"}},
		"claim not a text": {idp.Connection{Provider: idp.Generic, JoinClaim: "n"}, `{"sub":"x","n":7}`, idp.Joins{}},
		"name is the address": {
			idp.Connection{Provider: idp.Okta, Settings: idp.OIDCSettings{Claims: idp.ClaimNames{UserName: "email"}}}, claims,
			idp.Joins{ExternalID: "00u1", UserName: "alice@acme.example", Address: true},
		},
		"address is unproven": {
			idp.Connection{Provider: idp.Okta, Settings: idp.OIDCSettings{Claims: idp.ClaimNames{UserName: "email"}}},
			`{"sub":"00u1","email":"alice@acme.example","email_verified":false}`, idp.Joins{ExternalID: "00u1", Address: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := jwt.StrictClaims([]byte(tc.claims))
			if err != nil {
				t.Fatal(err)
			}
			if got := joins(tc.conn, names(tc.conn.Settings.Claims), held{token: token}); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}
