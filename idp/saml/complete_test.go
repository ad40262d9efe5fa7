package saml_test

import (
	"testing"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// Every profile's small response is one that both verifiers read, or the rule that keeps gosaml2 out is named here.
func TestSixProfilesSignInAndBothVerifiersAgree(t *testing.T) {
	for _, p := range append(idptest.SAMLProfiles(), idptest.SAMLPlain) {
		t.Run("profile-"+string(p), func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{Profile: p})
			id := r.admit(nil)
			if id.Email != alice.Email || len(id.Groups) != 2 || id.Subject == "" {
				t.Errorf("identity %+v", id)
			}
			if len(r.opinions) != 1 || r.opinions[0] != "agree" {
				t.Errorf("opinions %q", r.opinions)
			}
		})
	}
}
