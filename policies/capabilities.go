package policies

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// withheld are the builtins that reach outside or make a decision unrepeatable.
var withheld = map[string]string{
	"http.send":          "a decision may not wait for the network",
	"net.lookup_ip_addr": "a decision may not wait for the network",
	"opa.runtime":        "it shows the environment",
	"rand.intn":          "a decision must be repeatable",
	"uuid.rfc4122":       "a decision must be repeatable",
	"trace":              "it has no effect here",
}

// capabilities are OPA's own of this version without the withheld builtins that were not asked for.
func capabilities(allow []string) *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool {
		_, out := withheld[b.Name]
		return out && !slices.Contains(allow, b.Name)
	})
	c.AllowNet = []string{} // nil would be every host, for schemas too
	return c
}

// unflagged are builtins whose answer changes although OPA does not say so.
var unflagged = []string{
	"crypto.x509.parse_and_verify_certificates",
	"crypto.x509.parse_and_verify_certificates_with_options",
}

// repeatable says whether the builtin gives the same answer to the same arguments for ever.
func repeatable(b *ast.Builtin) bool {
	return !b.Nondeterministic && !slices.Contains(unflagged, b.Name)
}
