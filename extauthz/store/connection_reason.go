package store

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// because is the reason of an audit row about a change of settings: it names what an auditor looks for, that is whose
// signatures count and how strong they have to be. Fingerprints and instants alone: none of the provider's words.
func because(what string, have, want idp.SAMLSettings) string {
	if what != "" {
		return strings.Join(append([]string{what}, trusts(have, want)...), "; ")
	}
	return strings.Join(trusts(have, want), "; ")
}

func trusts(have, want idp.SAMLSettings) []string {
	var out []string
	switch {
	case have.AllowSHA1.Equal(want.AllowSHA1):
	case want.AllowSHA1.IsZero():
		out = append(out, "SHA-1 no longer allowed")
	default:
		out = append(out, "SHA-1 allowed until "+want.AllowSHA1.UTC().Format(time.RFC3339))
	}
	if have.KeyRollover != want.KeyRollover {
		out = append(out, "key rollover "+cmp.Or(string(want.KeyRollover), "signed"))
	}
	if have.WantSigned != want.WantSigned {
		out = append(out, "wanted signed "+cmp.Or(string(want.WantSigned), "either"))
	}
	if prints := extra(want.IdP.Keys, have.IdP.Keys); len(prints) > 0 {
		out = append(out, "certificate active: "+strings.Join(prints, " "))
	}
	if prints := extra(have.IdP.Keys, want.IdP.Keys); len(prints) > 0 {
		out = append(out, "certificate no longer active: "+strings.Join(prints, " "))
	}
	return out
}

// extra are the active keys of some that are not active among others, by the beginning of their fingerprints.
func extra(some, others []idp.SAMLKey) []string {
	var out []string
	for _, k := range some {
		there := slices.ContainsFunc(others, func(o idp.SAMLKey) bool { return o.SHA256 == k.SHA256 && o.State == idp.KeyActive })
		if k.State == idp.KeyActive && !there {
			out = append(out, k.SHA256[:min(16, len(k.SHA256))])
		}
	}
	return out
}
