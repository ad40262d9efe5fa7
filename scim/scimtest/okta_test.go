package scimtest

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The steps of Okta's specification test for service providers.
func TestOktaSpecificationPasses(t *testing.T) {
	onBoth(t, func(t *testing.T, p Target) {
		seeded := p.User(t, "seeded@okta.local")
		list := p.Want(t, 200, "GET", "/Users?count=1&startIndex=1", "")
		if list.Number("itemsPerPage") != 1 || list.Number("startIndex") != 1 || list.Number("totalResults") != 1 || list.Resources()[0]["id"] != seeded {
			t.Fatalf("list: %s", list.Raw)
		}
		if got := p.Want(t, 200, "GET", "/Users/"+seeded, ""); got.ID() != seeded || got.Text("userName") != "seeded@okta.local" || got.Body["active"] != true {
			t.Errorf("get: %s", got.Raw)
		}
		if got := p.Want(t, 200, "GET", `/Users?filter=userName eq "nobody@okta.local"`, ""); got.Number("totalResults") != 0 || got.Body["Resources"] == nil {
			t.Errorf("filter for nobody: %s", got.Raw)
		}
		if got := p.Want(t, 404, "GET", "/Users/010101001010101011001010101011", ""); got.Text("detail") == "" || !strings.Contains(got.Raw, "api:messages:2.0:Error") {
			t.Errorf("unknown id: %s", got.Raw)
		}
		const body = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Runscope300Aa@atko.com","name":{"givenName":"R","familyName":"S"},
			"emails":[{"primary":true,"value":"Runscope300Aa@atko.com","type":"work"}],"displayName":"R S","active":true}`
		made := p.Want(t, 201, "POST", "/Users", body, "Content-Type: application/json; charset=utf-8")
		if got := p.Want(t, 200, "GET", "/Users/"+made.ID(), ""); got.Raw != made.Raw {
			t.Errorf("read back: %s, made: %s", got.Raw, made.Raw)
		}
		p.Want(t, 409, "POST", "/Users", body, "Content-Type: application/json; charset=utf-8")
		if got := p.Want(t, 200, "GET", `/Users?filter=userName eq "RUNSCOPE300AA@ATKO.COM"`, ""); got.Number("totalResults") != 1 {
			t.Errorf("in capitals: %s", got.Raw)
		}
		p.Want(t, 200, "GET", "/Groups", "")
		p.Want(t, 401, "GET", "/Users", "", "Authorization: non-token")
	})
}

func onBoth(t *testing.T, test func(t *testing.T, p Target)) {
	t.Helper()
	t.Parallel()
	Databases(t, os.Getenv, func(t *testing.T, dsn func(testing.TB) string) {
		test(t, Open(t, dsn(t), time.Now, nil).Tenant(t, "acme"))
	})
}
