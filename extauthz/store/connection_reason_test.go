package store

import (
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

func TestAuditSaysWhoseSignaturesCountFromNowOn(t *testing.T) {
	key := func(print string, state idp.SAMLKeyState) idp.SAMLKey {
		return idp.SAMLKey{SHA256: strings.Repeat(print, 64), State: state}
	}
	before := idp.SAMLSettings{IdP: idp.SAMLIdP{Keys: []idp.SAMLKey{key("a", idp.KeyActive), key("b", idp.KeyActive), key("c", idp.KeyPending)}}}
	after := idp.SAMLSettings{
		AllowSHA1: time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC), KeyRollover: idp.RolloverAuto, WantSigned: idp.SignedResponse,
		IdP: idp.SAMLIdP{Keys: []idp.SAMLKey{key("a", idp.KeyActive), key("b", idp.KeyRetired), key("c", idp.KeyActive), key("d", idp.KeyPending)}},
	}
	for _, tc := range []struct {
		what       string
		have, want idp.SAMLSettings
		says       string
	}{
		{"settings changed", before, before, "settings changed"},
		{"settings changed", before, after, "settings changed; SHA-1 allowed until 2027-04-01T00:00:00Z; key rollover auto; wanted signed response; " +
			"certificate active: cccccccccccccccc; certificate no longer active: bbbbbbbbbbbbbbbb"},
		{"settings changed", after, before, "settings changed; SHA-1 no longer allowed; key rollover signed; wanted signed either; " +
			"certificate active: bbbbbbbbbbbbbbbb; certificate no longer active: cccccccccccccccc"},
		{"", idp.SAMLSettings{}, idp.SAMLSettings{}, ""},
		{"", idp.SAMLSettings{}, idp.SAMLSettings{AllowSHA1: after.AllowSHA1}, "SHA-1 allowed until 2027-04-01T00:00:00Z"},
	} {
		if got := because(tc.what, tc.have, tc.want); got != tc.says {
			t.Errorf("got  %q\nwant %q", got, tc.says)
		}
	}
}
