package oidc_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
)

func asError(err error) (*idp.Error, bool) { return errors.AsType[*idp.Error](err) }

func TestPersonIsWhoTheProviderSays(t *testing.T) {
	w := newWorld(t)
	id := w.mustSignIn()
	if id.Subject != "00u1" || id.UserName != "alice" || id.Email != "alice@acme.example" || !id.EmailVerified || id.DisplayName != "Alice Weaver" {
		t.Errorf("identity %+v", id)
	}
	if id.Tenant != "acme" || id.Connection != "acme" || id.Issuer != w.op.Issuer() || id.SID == "" || id.AuthTime.IsZero() || id.IDToken.Empty() {
		t.Errorf("identity %+v", id)
	}
	if id.GroupState != idp.GroupsListed || !slices.Equal(id.Groups, []string{"Everyone", "Security"}) {
		t.Errorf("groups %v %v", id.GroupState, id.Groups)
	}
	for _, name := range []string{"iss", "aud", "exp", "iat", "nonce", "at_hash", "sid"} {
		if _, kept := id.Claims[name]; kept {
			t.Errorf("protocol claim %s is kept", name)
		}
	}
	if id.Claims["preferred_username"] != "alice" {
		t.Errorf("claims %v", id.Claims)
	}
}
