package oidc_test

import (
	"fmt"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/oidc"
)

// An admin pastes what stands in the address bar; the preset makes an issuer of it or says what is wrong.
func ExamplePreset() {
	s, err := oidc.Preset(idp.Okta, oidc.Known{Domain: "https://acme.okta.com/"})
	fmt.Println(s.Issuer, s.Scopes, err)
	_, err = oidc.Preset(idp.Okta, oidc.Known{Domain: "https://acme-admin.okta.com/"})
	fmt.Println(err)
	// Output:
	// https://acme.okta.com [openid profile email groups] <nil>
	// acme-admin.okta.com is the address of the admin console: try acme.okta.com
}

// What is missing is named as the configuration file spells it.
func ExampleValidate() {
	s, err := oidc.Preset(idp.Google, oidc.Known{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s.ClientID = "gate"
	s.Extra = map[string]string{"redirect_uri": "https://elsewhere.example"}
	for _, p := range oidc.Validate(s) {
		fmt.Printf("%v (%s)\n", p, p.Hint)
	}
	// Output:
	// client_secret: missing (set it, or choose client authentication none for a public client)
	// extra: "redirect_uri" is set by the gate (remove it; prompt, max_age and acr_values have fields of their own)
}
