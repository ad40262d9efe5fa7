package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// Who may do what on the dashboard, written by hand: A Admin, N Analyst, V Viewer. Whoever is not named is refused.
const matrix = `
GET    /                          A N V
HEAD   /                          A N V
POST   /                          -
GET    /assets/app.js             A N V
GET    /favicon.ico               A N V
GET    /events                    A N V
GET    /events/7                  A N V
GET    /signals                   A N V
GET    /rules/42/history          A N V
POST   /rules                     -
GET    /api/v1/events             A N V
HEAD   /api/v1/events             A N V
GET    /api/v1/events/7           A N V
POST   /api/v1/events             A N
PUT    /api/v1/events/7           A N
PATCH  /api/v1/events/7           A N
DELETE /api/v1/events/7           A N
GET    /api/v1/signals            A N V
POST   /api/v1/signals            A N
PUT    /api/v1/signals/7          A N
PATCH  /api/v1/signals/7          A N
DELETE /api/v1/signals/7          A N
GET    /api/v1/rules              A N V
GET    /api/v1/rules/42           A N V
POST   /api/v1/rules              A N
PUT    /api/v1/rules/42           A N
PATCH  /api/v1/rules/42           A N
DELETE /api/v1/rules/42           A N
GET    /api/v1/api-keys           A
POST   /api/v1/api-keys           A
DELETE /api/v1/api-keys/3         A
GET    /api/v1/billing            A
POST   /api/v1/billing/plan       A
GET    /api/v1/settings           A
PUT    /api/v1/settings/sso       A
GET    /settings                  A
GET    /settings/team             A
OPTIONS /api/v1/events            -
GET    /api/v1/rulesx             -
GET    /api/v1                    -
GET    /x/api/v1/rules            -
GET    /API/v1/rules              -
GET    /api/v2/rules              -
GET    /admin                     -
GET    /authx                     -
`

func TestThreeRolesTimesAllRoutes(t *testing.T) {
	s := NewStack(t, Options{})
	browsers := map[string]Person{"A": s.As("ada"), "N": s.As("ann"), "V": s.As("vic")}
	for _, p := range browsers {
		p.SignIn("/")
	}
	nobody := s.As("nia")
	if page, err := nobody.Open(t.Context(), s.URL+"/"); err != nil || page.Status != http.StatusForbidden {
		t.Fatalf("someone without a role got %d, %v", page.Status, err)
	}
	browsers["-"] = nobody
	rows := 0
	for row := range strings.SplitSeq(strings.TrimSpace(matrix), "\n") {
		f := strings.Fields(row)
		method, path, may := f[0], f[1], f[2:]
		rows++
		for role, p := range browsers {
			want := http.StatusForbidden
			for _, m := range may {
				if m == role && m != "-" {
					want = http.StatusOK
				}
			}
			s.Upstream.Forget()
			got := p.Fetch(method, path)
			if got.Status != want {
				t.Errorf("%s %s as %s: %d, want %d", method, path, role, got.Status, want)
			}
			if reached := len(s.Upstream.Seen()) > 0; reached != (want == http.StatusOK) {
				t.Errorf("%s %s as %s: dashboard reached: %t", method, path, role, reached)
			}
		}
	}
	if rows < 40 {
		t.Fatalf("only %d rows were read", rows)
	}
}

func TestEachRoleArrivesAtTheDashboardByName(t *testing.T) {
	s := NewStack(t, Options{})
	for name, role := range map[string]string{"ada": "Admin", "ann": "Analyst", "vic": "Viewer"} {
		p := s.As(name)
		p.SignIn("/events?page=2")
		got := p.Fetch("GET", "/api/v1/events")
		id := got.Identity
		if first(id["x-sso-role"]) != role {
			t.Errorf("%s: role %v, want %s", name, id["x-sso-role"], role)
		}
		if first(id["x-sso-tenant"]) != "acme" || first(id["x-sso-email"]) != name+"@acme.example" || len(id["x-sso-assertion"]) != 1 || len(id["x-sso-user"]) != 1 {
			t.Errorf("%s: identity %v", name, id)
		}
	}
}
