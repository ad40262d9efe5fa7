package idptest

import (
	"fmt"
	"slices"
	"strings"
)

// faults are the names Fault knows, each with what the provider then does. What an attacker would win where a
// relying party misses it stands behind the dash.
var faults = map[string]string{
	// The ID token.
	"wrong-iss":                "iss names another issuer (=value) - a token of any provider opens any account",
	"wrong-aud":                "aud names another client - a token given to a hostile app is replayed here",
	"extra-aud":                "aud lists a second, unknown audience beside the client",
	"missing-aud":              "no aud",
	"wrong-azp":                "azp names another client",
	"wrong-nonce":              "nonce of another sign-in - a stolen token is injected",
	"no-nonce":                 "no nonce",
	"wrong-at-hash":            "at_hash of another access token - userinfo of somebody else is mixed in",
	"no-at-hash":               "no at_hash, as Entra ID does",
	"alg-none":                 "unsigned - anyone mints tokens",
	"alg-hs256":                "signed with the client secret",
	"hs256-oct-jwks":           "signed with an oct key that the published keys contain - anyone who reads them mints tokens",
	"expired":                  "exp an hour ago",
	"future-iat":               "iat an hour ahead",
	"old-iat":                  "iat before the sign-in began - a token of an earlier sign-in is replayed",
	"missing-iat":              "no iat",
	"missing-exp":              "no exp",
	"future-nbf":               "nbf an hour ahead",
	"missing-sub":              "no sub",
	"empty-sub":                "sub is empty - everyone is one person",
	"long-sub":                 "sub of 300 bytes",
	"dup-claim":                "sub twice, the second an administrator's - two parsers read two people",
	"folded-claim":             "sub, and besides SUB (=value sets the name) - a parser that folds case reads the other",
	"dup-nested":               "a duplicate name inside a nested object",
	"deep-claims":              "40 nested arrays",
	"kid-absent":               "no kid in the header",
	"unknown-kid":              "a kid nobody published, new in every token (=kid: always that one) - junk makes the gate send requests",
	"invalid-sig":              "one letter of the signature changed",
	"json-serialised":          "the JSON serialisation instead of the compact one",
	"encrypted":                "five parts, as an encrypted token has",
	"padded-jws":               "white space inside the compact form",
	"logout-token-as-id-token": "a logout token where the ID token belongs (=typ adds its header)",
	"no-id-token":              "no ID token in the answer",
	"thin-id-token":            "profile, email and groups only at userinfo",
	"wrong-acr":                "acr that nobody asked for",
	"no-auth-time":             "no auth_time",
	"stale-auth-time":          "auth_time a day ago",
	"overage":                  "a link instead of the groups, as Entra ID does above 200",
	"overage-hasgroups":        "hasgroups instead of the groups",
	"claim-sources":            "_claim_names that points at another host (=URL) - the gate is made to send requests",
	// Metadata and keys.
	"issuer-mismatch-metadata": "metadata names another issuer (=value)",
	"metadata-slow":            "metadata answers after the request is given up",
	"metadata-down":            "metadata answers 503",
	"redirecting-metadata":     "metadata redirects to another host (=URL)",
	"broken-metadata":          "metadata is not JSON",
	"jwks-down":                "keys answer 503",
	"jwks-empty":               "no keys",
	"endless-body":             "metadata and keys never end",
	// The callback.
	"no-iss-param":    "advertises the iss parameter and leaves it out",
	"wrong-iss-param": "iss parameter of another provider (=value) - mix-up",
	"no-iss-support":  "neither advertises nor sends the iss parameter",
	"error":           "answers with an error (=code)",
	"dup-param":       "sends code twice",
	// Token and userinfo.
	"token-500":          "token endpoint answers 500 with a body that must not be shown",
	"token-slow":         "token endpoint answers after the request is given up",
	"token-error":        "token endpoint answers 400 with an error (=code)",
	"token-redirect":     "token endpoint redirects (=URL)",
	"token-html":         "token endpoint answers a page",
	"userinfo-wrong-sub": "userinfo of somebody else",
	"userinfo-no-sub":    "userinfo without sub",
	"userinfo-signed":    "userinfo as application/jwt (=iss or =aud: of another) - a token made for another client is read as this person's",
	"userinfo-dup":       "userinfo with groups twice",
	"userinfo-403":       "userinfo answers 403",
	"userinfo-500":       "userinfo answers 500",
}

// FaultNames lists every fault, sorted.
func FaultNames() []string {
	names := make([]string, 0, len(faults))
	for n := range faults {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Fault switches faults on, each "name" or "name=value", until Clear. It panics on a name that does not exist: an
// attack with a misspelt name would be a correct sign-in, and a test that expects a refusal elsewhere could pass.
func (o *OP) Fault(specs ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, spec := range specs {
		name, value, _ := strings.Cut(spec, "=")
		if _, ok := faults[name]; !ok {
			panic(fmt.Sprintf("idptest: no fault named %q", name))
		}
		o.faults[name] = value
	}
}

// Clear switches every fault off and forgets what SetMetadata set.
func (o *OP) Clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.faults)
	clear(o.metadata)
}

// faulty reports whether a fault is on.
func (o *OP) faulty(name string) bool {
	_, on := o.fault(name, "")
	return on
}

// fault returns a fault's value, or fallback where it was given none.
func (o *OP) fault(name, fallback string) (string, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	v, on := o.faults[name]
	if v == "" {
		v = fallback
	}
	return v, on
}

// SetMetadata replaces one member of the discovery document; nil removes it.
func (o *OP) SetMetadata(name string, value any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.metadata[name] = value
}
