package policies

import (
	"slices"
	"strings"
	"testing"
)

// matrix is the expected answer for each role, written by hand: V Viewer, A Analyst, M Admin, - nobody.
const matrix = `
GET      /                               VAM
HEAD     /                               VAM
POST     /                               -
OPTIONS  /                               -
GET      /assets                         VAM
GET      /assets/app.js                  VAM
HEAD     /assets/fonts/a.woff2           VAM
POST     /assets/app.js                  -
GET      /favicon.ico                    VAM
GET      /favicon.ico/x                  -
GET      /favicon.icon                   -
GET      /events                         VAM
GET      /events/42                      VAM
DELETE   /events/42                      -
GET      /signals                        VAM
GET      /signals/42/graph               VAM
GET      /rules                          VAM
HEAD     /rules/42                       VAM
POST     /rules/42                       -
GET      /ws                             VAM
HEAD     /ws                             -
POST     /ws                             -
GET      /ws/x                           -
GET      /api/v1/events                  VAM
HEAD     /api/v1/events                  VAM
GET      /api/v1/events/42               VAM
POST     /api/v1/events                  AM
PUT      /api/v1/events/42               AM
PATCH    /api/v1/events/42               AM
DELETE   /api/v1/events/42               AM
OPTIONS  /api/v1/events                  -
GET      /api/v1/signals                 VAM
GET      /api/v1/signals/42/notes        VAM
POST     /api/v1/signals                 AM
PUT      /api/v1/signals/42              AM
PATCH    /api/v1/signals/42              AM
DELETE   /api/v1/signals/42              AM
GET      /api/v1/rules                   VAM
HEAD     /api/v1/rules/42                VAM
GET      /api/v1/rules/42                VAM
POST     /api/v1/rules                   AM
PUT      /api/v1/rules/42                AM
PATCH    /api/v1/rules/42                AM
DELETE   /api/v1/rules/42                AM
OPTIONS  /api/v1/rules                   -
CONNECT  /api/v1/rules                   -
TRACE    /api/v1/rules                   -
get      /api/v1/rules                   -
post     /api/v1/rules                   -
PROPFIND /api/v1/rules                   -
GET      /api/v1/api-keys                M
HEAD     /api/v1/api-keys                M
POST     /api/v1/api-keys                M
PUT      /api/v1/api-keys/42             M
PATCH    /api/v1/api-keys/42             M
DELETE   /api/v1/api-keys/42             M
OPTIONS  /api/v1/api-keys                -
GET      /api/v1/billing                 M
POST     /api/v1/billing/invoices        M
PUT      /api/v1/billing/plan            M
DELETE   /api/v1/billing/plan            M
OPTIONS  /api/v1/billing                 -
GET      /api/v1/settings                M
PUT      /api/v1/settings/authentication M
OPTIONS  /api/v1/settings                -
GET      /settings                       M
GET      /settings/authentication        M
POST     /settings/authentication        M
OPTIONS  /settings                       -
GET      /api                            -
GET      /api/v1                         -
GET      /api/v1/                        -
GET      /api/v1/users                   -
GET      /api/v2/rules                   -
GET      /api/rules                      -
GET      /v1/rules                       -
GET      /api/v1/rulesx                  -
GET      /api/v1/rule                    -
GET      /api/v1/events,rules            -
GET      /x/api/v1/rules                 -
POST     /x/api/v1/rules                 -
GET      /api/x/v1/rules                 -
GET      /api/v1/x/rules                 -
GET      //api/v1/rules                  -
GET      /api//v1/rules                  -
GET      /API/v1/rules                   -
GET      /api/V1/rules                   -
GET      /api/v1/Rules                   -
GET      /api/v1/RULES                   -
GET      /Settings                       -
GET      /settingsx                      -
GET      /x/settings                     -
GET      /eventsx                        -
GET      /Assets/app.js                  -
GET      /%61pi/v1/rules                 -
GET      /metrics                        -
GET      /admin                          -
GET      /auth/session                   -
GET      /scim/v2/Users                  -
`

var letters = map[string]string{"V": "Viewer", "A": "Analyst", "M": "Admin"}

func TestEachRoleCanDoExactlyWhatTheTableSays(t *testing.T) {
	e := engine(t, Default(), Options{})
	for line := range strings.Lines(strings.TrimSpace(matrix)) {
		cells := strings.Fields(line)
		if len(cells) != 3 {
			t.Fatalf("row %q", line)
		}
		method, path := cells[0], cells[1]
		for letter, role := range letters {
			d, err := e.Decide(t.Context(), ask(e, method, path, role))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Contains(cells[2], letter); d.Allowed != want || d.Code != "" {
				t.Errorf("%s %s as %s: allowed %v, want %v (%s %s)", method, path, role, d.Allowed, want, d.Reason, d.Detail)
			}
			if d.Allowed && (d.Role != role || d.Permission == "") {
				t.Errorf("%s %s as %s: role %q, permission %q", method, path, role, d.Role, d.Permission)
			}
			if d.Reason == "" {
				t.Errorf("%s %s as %s: no reason", method, path, role)
			}
		}
		for _, roles := range [][]string{nil, {"admin"}, {"Root"}, {""}} {
			d, err := e.Decide(t.Context(), ask(e, method, path, roles...))
			if err != nil || d.Allowed {
				t.Errorf("%s %s as %q: %+v, %v", method, path, roles, d, err)
			}
		}
	}
}

// Whatever the table allows, the same path with another word in one of its fixed places is nobody's.
func TestChangingOneWordOfARouteDeniesIt(t *testing.T) {
	e := engine(t, Default(), Options{})
	for line := range strings.Lines(strings.TrimSpace(matrix)) {
		cells := strings.Fields(line)
		parts := segments(cells[1])
		fixed := 1
		if len(parts) >= 3 && parts[0] == "api" {
			fixed = 3
		}
		if cells[2] == "-" || len(parts) == 0 {
			continue
		}
		for i := range fixed {
			for _, word := range []string{"x", "", strings.ToUpper(parts[i]), parts[i] + "x", parts[i] + " ", "%" + parts[i]} {
				changed := slices.Clone(parts)
				changed[i] = word
				if slices.Equal(changed, parts) {
					continue
				}
				in := ask(e, cells[0], cells[1], "Viewer", "Analyst", "Admin")
				in.Resource.Segments = changed
				if d, err := e.Decide(t.Context(), in); err != nil || d.Allowed {
					t.Errorf("%s %q: %+v, %v", cells[0], changed, d, err)
				}
			}
		}
	}
}

// A path keeps its slash, segments do not: both forms are one route and need one permission.
func TestTrailingSlashNeedsTheSamePermission(t *testing.T) {
	e := engine(t, Default(), Options{})
	for _, path := range []string{"/ws", "/favicon.ico", "/api/v1/rules", "/api/v1/billing", "/settings", "/metrics"} {
		for _, role := range letters {
			bare, err := e.Decide(t.Context(), ask(e, "GET", path, role))
			if err != nil {
				t.Fatal(err)
			}
			slash, err := e.Decide(t.Context(), ask(e, "GET", path+"/", role))
			if err != nil {
				t.Fatal(err)
			}
			if bare.Allowed != slash.Allowed || bare.Permission != slash.Permission {
				t.Errorf("%s as %s: %+v, with a slash %+v", path, role, bare, slash)
			}
		}
	}
}

func TestTheLeastPowerfulRoleThatSufficesIsNamed(t *testing.T) {
	e := engine(t, Default(), Options{})
	for method, want := range map[string]string{"GET": "Viewer", "POST": "Analyst"} {
		d, err := e.Decide(t.Context(), ask(e, method, "/api/v1/rules", "Admin", "Analyst", "Viewer"))
		if err != nil || d.Role != want {
			t.Errorf("%s: role %q, want %q (%v)", method, d.Role, want, err)
		}
	}
}

func TestMappingsGiveRoles(t *testing.T) {
	e := engine(t, Default(), Options{})
	for name, c := range map[string]struct {
		mappings []RoleMapping
		want     []string
	}{
		"none":                  {nil, nil},
		"group":                 {[]RoleMapping{{Kind: "group", Value: "Security", Role: "Analyst"}}, []string{"Analyst"}},
		"group, other case":     {[]RoleMapping{{Kind: "group", Value: "security", Role: "Analyst"}}, nil},
		"claim":                 {[]RoleMapping{{Kind: "claim", Claim: "dept", Value: "soc", Role: "Viewer"}}, []string{"Viewer"}},
		"claim in a list":       {[]RoleMapping{{Kind: "claim", Claim: "teams", Value: "b", Role: "Viewer"}}, []string{"Viewer"}},
		"claim in an object":    {[]RoleMapping{{Kind: "claim", Claim: "profile", Value: "b", Role: "Admin"}}, nil},
		"claim by a path":       {[]RoleMapping{{Kind: "claim", Claim: "profile.team", Value: "b", Role: "Admin"}}, nil},
		"claim that is a group": {[]RoleMapping{{Kind: "claim", Claim: "groups", Value: "Security", Role: "Admin"}}, nil},
		"claim without a name":  {[]RoleMapping{{Kind: "claim", Value: "soc", Role: "Admin"}}, nil},
		"user":                  {[]RoleMapping{{Kind: "user", Value: "u1", Role: "Admin"}}, []string{"Admin"}},
		"another user":          {[]RoleMapping{{Kind: "user", Value: "u11", Role: "Admin"}}, nil},
		"this connection":       {[]RoleMapping{{Kind: "user", Connection: "acme-okta", Value: "u1", Role: "Admin"}}, []string{"Admin"}},
		"another connection":    {[]RoleMapping{{Kind: "user", Connection: "acme-entra", Value: "u1", Role: "Admin"}}, nil},
		"unknown kind":          {[]RoleMapping{{Kind: "", Value: "u1", Role: "Admin"}}, nil},
		"unknown role":          {[]RoleMapping{{Kind: "user", Value: "u1", Role: "Owner"}}, nil},
		"no role":               {[]RoleMapping{{Kind: "user", Value: "u1"}}, nil},
		"several, sorted": {[]RoleMapping{
			{Kind: "user", Value: "u1", Role: "Viewer"}, {Kind: "group", Value: "Security", Role: "Admin"},
			{Kind: "group", Value: "Everyone", Role: "Viewer"},
		}, []string{"Admin", "Viewer"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := ask(e, "GET", "/")
			in.Subject.Groups = []string{"Everyone", "Security"}
			in.Subject.Claims = map[string]any{"dept": "soc", "teams": []any{"a", "b"}, "profile": map[string]any{"team": "b"}, "n": 1.0}
			in.Tenant.RoleMappings = c.mappings
			got, err := e.Roles(t.Context(), in)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestDefaultPolicyHasNothingToReport(t *testing.T) {
	report, err := Check(t.Context(), Default(), Options{})
	if err != nil || !report.OK() {
		t.Fatal(report, err)
	}
	for _, f := range report.Findings {
		t.Error(f) // unformatted files among them
	}
}

func TestDefaultPolicyIsTestedWhole(t *testing.T) {
	report, err := Test(t.Context(), Default(), TestOptions{Threshold: 100})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Tests {
		if r.Outcome != Passed {
			t.Errorf("%s: %s %s", r.Name, r.Outcome, r.Failure)
		}
	}
	if len(report.Tests) < 15 || !report.OK() {
		t.Errorf("%d tests, coverage %+v", len(report.Tests), report.Coverage)
	}
}

func TestRoleNamesComeInTheirOrder(t *testing.T) {
	e := engine(t, Default(), Options{})
	if got := e.RoleNames(); !slices.Equal(got, []string{"Viewer", "Analyst", "Admin"}) {
		t.Errorf("got %q", got)
	}
}
