package oidc

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// Problem is one thing wrong with settings: the field as the configuration file spells it, and what to do.
type Problem struct {
	Field string
	Text  string
	Hint  string
}

// Error implements error.
func (p Problem) Error() string { return p.Field + ": " + p.Text }

// Validate looks at settings without asking the provider. No problem means that Begin can work with them.
func Validate(s idp.OIDCSettings) []Problem {
	var out []Problem
	add := func(field, text, hint string) { out = append(out, Problem{field, text, hint}) }
	if err := checkIssuer(s.Issuer); err != nil {
		add("issuer", err.Error(), "copy the issuer from the provider's discovery document")
	}
	if s.ClientID == "" || len(s.ClientID) > 255 || control(s.ClientID) {
		add("client_id", "missing, too long or with control characters", "copy it from the provider's application page")
	}
	out = append(out, validateAuth(s)...)
	for _, scope := range s.Scopes {
		if !scopeToken(scope) {
			add("scopes", fmt.Sprintf("%.40q is not a scope", scope), "list scopes one by one, without spaces")
		}
	}
	if !slices.Contains([]string{"", "login", "consent", "select_account", "select_account consent", "login consent"}, s.Prompt) {
		add("prompt", fmt.Sprintf("%.40q cannot be asked of everyone", s.Prompt), "try login, consent or select_account")
	}
	if s.MaxAge != nil && *s.MaxAge < 0 {
		add("max_age", "is negative", "give a duration such as 8h, or leave it out")
	}
	for _, acr := range s.ACRValues {
		if !scopeToken(acr) {
			add("acr_values", fmt.Sprintf("%.40q is not an acr value", acr), "list values one by one, without spaces")
		}
	}
	if slices.Contains(s.Audiences, "") {
		add("audiences", "contains an empty value", "remove it")
	}
	return append(out, validateExtra(s.Extra)...)
}

func validateAuth(s idp.OIDCSettings) []Problem {
	switch s.ClientAuth {
	case idp.AuthBasic, idp.AuthPost, "":
		if s.ClientSecret.Empty() {
			return []Problem{{"client_secret", "missing", "set it, or choose client authentication none for a public client"}}
		}
	case idp.AuthNone:
		if s.SharedCallback {
			return []Problem{{"client_auth", "none cannot be used with the shared callback", "register the connection's own callback address"}}
		}
	default:
		return []Problem{{"client_auth", fmt.Sprintf("%.40q is not supported", s.ClientAuth), "try client_secret_basic or client_secret_post"}}
	}
	return nil
}

func validateExtra(extra map[string]string) []Problem {
	var out []Problem
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if isProtocolParam(name) {
			out = append(out, Problem{"extra", fmt.Sprintf("%.40q is set by the gate", name), "remove it; prompt, max_age and acr_values have fields of their own"})
		}
		if !scopeToken(name) || len(extra[name]) > 1024 || control(extra[name]) {
			out = append(out, Problem{"extra", fmt.Sprintf("%.40q is not a parameter", name), "give name and value as text"})
		}
	}
	return out
}

// checkIssuer wants what Discovery §3 calls an issuer: an https URL without query and fragment.
func checkIssuer(issuer string) error {
	if err := checkURL(issuer); err != nil {
		return err
	}
	u, err := url.Parse(issuer)
	if err != nil || u.RawQuery != "" || u.ForceQuery {
		return errors.New("contains a query")
	}
	if strings.HasSuffix(u.Path, "/.well-known/openid-configuration") {
		return fmt.Errorf("is the address of the discovery document: try %s", strings.TrimSuffix(issuer, "/.well-known/openid-configuration"))
	}
	if strings.EqualFold(u.Host, "login.microsoftonline.com") {
		return checkEntraPath(u.Path)
	}
	return nil
}

// checkEntraPath keeps the multi-tenant addresses out when they are typed as a generic issuer, too.
func checkEntraPath(path string) error {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	_, err := entraIssuer(first)
	return err
}

// scopeToken is the alphabet of RFC 6749 §3.3: printable ASCII without space, quote and backslash.
func scopeToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

func control(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
