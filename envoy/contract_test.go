package envoy

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestBodiesTravelOnlyWhereTheGateReadsThem(t *testing.T) {
	for path, want := range map[string]bool{
		"/auth/callback/saml":                true,
		"/auth/callback/saml/acme":           true,
		"/auth/saml/acme/slo":                true,
		"/auth/oidc/acme/backchannel-logout": true,
		"/auth/logout":                       true,
		"/auth/logout/":                      false, // Envoy's exact match does not see it either
		"/auth/logout/x":                     false,
		"/auth/samlx":                        false,
		"/auth/callback/oidc/acme":           false,
		"/auth/login":                        false,
		"/AUTH/SAML":                         false,
		"/api/v1/upload":                     false,
		"/":                                  false,
		"":                                   false,
	} {
		if got := TakesBody(path); got != want {
			t.Errorf("TakesBody(%q) = %v", path, got)
		}
	}
}

func TestEveryBodyPathIsTheGatesOwn(t *testing.T) {
	for _, p := range append(BodyPrefixes(), BodyPaths()...) {
		if !Under(p, PathAuth) {
			t.Errorf("%s is outside %s: an upload to the dashboard would be buffered", p, PathAuth)
		}
	}
}

func TestPolicyNeverSetsWhatDecidesOrFrames(t *testing.T) {
	for _, name := range []string{
		"x-sso-role", "X-SSO-ROLE", "x_sso_role", "x-sso_role", "x-envoy-internal", "x_envoy_internal", ":path", ":authority", "", "Host",
		"Cookie", "content-length", "Content_Length", "Transfer-Encoding", "connection", "Upgrade", "TE",
	} {
		if !RefusedPolicyHeader(name) {
			t.Errorf("policy may set %q", name)
		}
	}
	for _, name := range []string{"x-team", "authorization", "x-ssogate", "x-forwarded-proto"} {
		if RefusedPolicyHeader(name) {
			t.Errorf("policy may not set %q", name)
		}
	}
}

func TestIdentityHeadersCarryThePrefixEnvoyStrips(t *testing.T) {
	for _, name := range append(IdentityHeaders(), HeaderDecisionID) {
		if !strings.HasPrefix(name, HeaderPrefix) {
			t.Errorf("%s would reach the dashboard as the client sent it", name)
		}
	}
}

// The mutation rules are the proxy's own lock. They must let the gate's headers through, or every allowed request
// ends in a 500, and nothing that RefusedPolicyHeader names beside them.
func TestMutationRulesAgreeWithTheGate(t *testing.T) {
	listed := regexp.MustCompile((&builder{Config: Config{PolicyHeaders: []string{"x-team"}}}).mutationRules().GetAllowExpression().GetRegex())
	any := regexp.MustCompile((&builder{Config: Config{AnyPolicyHeader: true}}).mutationRules().GetDisallowExpression().GetRegex())
	for _, name := range append(IdentityHeaders(), "cookie", "authorization", "x_sso_role", "x-team") {
		if !listed.MatchString(name) {
			t.Errorf("the list refuses %s", name)
		}
		if any.MatchString(name) {
			t.Errorf("the open rule refuses %s", name)
		}
	}
	for _, name := range append(framingHeaders(), "x-envoy-internal", "content_length") {
		if listed.MatchString(name) {
			t.Errorf("the list lets %s through", name)
		}
		if !any.MatchString(name) {
			t.Errorf("the open rule lets %s through", name)
		}
	}
	for _, name := range []string{"x-teams", "ax-team", "x-other"} {
		if listed.MatchString(name) {
			t.Errorf("the list lets %s through", name)
		}
	}
}

func TestOutcomesAreDistinctWords(t *testing.T) {
	all := Outcomes()
	if len(all) != 9 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 9 || slices.Contains(all, "") {
		t.Errorf("outcomes %q", all)
	}
}
