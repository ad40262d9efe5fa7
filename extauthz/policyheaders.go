package extauthz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/policies"
)

// applyPolicy adds the changes an allowing policy asks for. It returns what is wrong with them: Envoy answers 500 for a
// header outside its list or a query value it would re-encode, so such a decision is a denial of ours, with its reason.
func (u *upstream) applyPolicy(d policies.Decision, allowed []string, anyName bool) (problem string) {
	may := func(name string) bool {
		return !envoy.RefusedPolicyHeader(name) && (anyName || slices.Contains(allowed, strings.ToLower(name)))
	}
	seen := map[string]bool{}
	for _, h := range d.Headers {
		name := strings.ToLower(h.Name)
		switch {
		case !may(name):
			return fmt.Sprintf("policy sets the header %q, which envoy.policy_headers does not list", name)
		case !printable(h.Value):
			return fmt.Sprintf("policy sets the header %q to a value with a control byte", name)
		case seen[name]:
			u.more = append(u.more, header{name, h.Value})
		default:
			u.set = append(u.set, header{name, h.Value})
		}
		seen[name] = true
	}
	for _, name := range d.RemoveHeaders {
		if !may(name) {
			return fmt.Sprintf("policy removes the header %q, which envoy.policy_headers does not list", name)
		}
		u.Remove(strings.ToLower(name))
	}
	for _, h := range d.ResponseHeaders {
		if !printable(h.Value) || strings.HasPrefix(h.Name, ":") {
			return fmt.Sprintf("policy adds the response header %q with a value Envoy does not take", h.Name)
		}
		u.response = append(u.response, header{strings.ToLower(h.Name), h.Value})
	}
	for _, q := range d.SetQuery {
		if !plainQuery(q.Name) || !plainQuery(q.Value) {
			return fmt.Sprintf("policy sets the query parameter %q to a value Envoy does not take (letters, digits and . _ - pass)", q.Name)
		}
		u.setQuery = append(u.setQuery, header{q.Name, q.Value})
	}
	u.cutQuery = d.RemoveQuery
	return ""
}

func plainQuery(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	})
}
