package oidc_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/oidc"
)

func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("group-%04d", i))
	}
	return out
}

func person(groups []string, claims map[string]any) func(*idptest.Options, *idp.Connection) {
	return func(o *idptest.Options, _ *idp.Connection) {
		p := alice
		p.Groups, p.Claims = groups, claims
		o.People = []idptest.Person{p}
	}
}

func flavor(f idptest.Flavor, p idp.Provider) func(*idptest.Options, *idp.Connection) {
	return func(o *idptest.Options, c *idp.Connection) {
		o.Flavor = f
		c.Provider = p
	}
}

func TestGroupsCutOffAreNotNone(t *testing.T) {
	for _, row := range []struct {
		name   string
		fault  string
		change []func(*idptest.Options, *idp.Connection)
		state  idp.GroupState
		groups int
	}{
		{"absent", "", changes(person(nil, nil)), idp.GroupsNone, 0},
		{"empty list", "", changes(person(nil, map[string]any{"groups": []string{}})), idp.GroupsNone, 0},
		{"one as text", "", changes(person(nil, map[string]any{"groups": "Security"})), idp.GroupsListed, 1},
		{"link instead", "overage", nil, idp.GroupsUnknown, 0},
		{"hasgroups", "overage-hasgroups", nil, idp.GroupsUnknown, 0},
		{"201 at Entra", "", changes(flavor(idptest.Entra, idp.Entra), person(many(201), nil)), idp.GroupsUnknown, 0},
		{"200 at Entra", "", changes(flavor(idptest.Entra, idp.Entra), person(many(200), nil)), idp.GroupsListed, 200},
		{"100 at Okta", "", changes(flavor(idptest.Okta, idp.Okta), person(many(150), nil)), idp.GroupsUnknown, 0},
		{"99 at Okta", "", changes(flavor(idptest.Okta, idp.Okta), person(many(99), nil)), idp.GroupsListed, 99},
		{"100 elsewhere", "", changes(person(many(100), nil)), idp.GroupsListed, 100},
		{"2001", "", changes(person(many(2001), nil)), idp.GroupsUnknown, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, row.change...)
			if row.fault != "" {
				w.op.Fault(row.fault)
			}
			id := w.mustSignIn()
			if id.GroupState != row.state || len(id.Groups) != row.groups {
				t.Errorf("state %d with %d groups; want %d with %d", id.GroupState, len(id.Groups), row.state, row.groups)
			}
		})
	}
}

func changes(f ...func(*idptest.Options, *idp.Connection)) []func(*idptest.Options, *idp.Connection) {
	return f
}

func TestGroupsOfAnotherTypeAreRefused(t *testing.T) {
	for _, groups := range []any{[]any{"a", 7}, 7, map[string]any{"a": true}, []any{[]any{"a"}}} {
		w := newWorld(t, person(nil, map[string]any{"groups": groups}))
		w.mustRefuse(idp.CodeClaims)
	}
}

func TestClaimNamesAreLiteral(t *testing.T) {
	w := newWorld(t, flavor(idptest.Auth0, idp.Auth0))
	w.conn.Settings.Claims.Groups = idptest.Auth0Groups
	if id := w.mustSignIn(); !slices.Equal(id.Groups, alice.Groups) {
		t.Errorf("groups %v", id.Groups)
	}
	w = newWorld(t, person(nil, map[string]any{"realm_access": map[string]any{"roles": []string{"admin"}}}))
	w.conn.Settings.Claims.Groups = "realm_access.roles"
	if id := w.mustSignIn(); id.GroupState != idp.GroupsNone {
		t.Errorf("a dotted name was read as a path: %v", id.Groups)
	}
}

func TestOverageHintNamesTheProvidersMenu(t *testing.T) {
	for p, word := range map[idp.Provider]string{idp.Okta: "Sign On", idp.Entra: "Token configuration", idp.Generic: "SCIM"} {
		if e := idp.GroupsOverage(p); e.Code != idp.CodeGroupsOverage || !strings.Contains(e.Hint, word) {
			t.Errorf("%s: %v, %s", p, e, e.Hint)
		}
	}
}

func TestNameOfAPersonWithoutOne(t *testing.T) {
	for _, row := range []struct {
		claims map[string]any
		want   string
	}{
		{map[string]any{"preferred_username": nil}, "alice@acme.example"},
		{map[string]any{"preferred_username": nil, "email_verified": false}, "00u1@acme"},
		{map[string]any{"preferred_username": nil, "email_verified": "true"}, "00u1@acme"},
		{map[string]any{"preferred_username": nil, "email": nil}, "00u1@acme"},
		{map[string]any{"preferred_username": 7}, "alice@acme.example"},
	} {
		w := newWorld(t, person(nil, row.claims))
		if id := w.mustSignIn(); id.UserName != row.want {
			t.Errorf("%v: user name %q; want %q", row.claims, id.UserName, row.want)
		}
	}
}

// TestUnprovenAddressIsNoUserName: whoever signs up with the chief's address must not be joined to the chief.
func TestUnprovenAddressIsNoUserName(t *testing.T) {
	for _, row := range []struct {
		verified any
		want     string
	}{{true, "alice@acme.example"}, {nil, "alice@acme.example"}, {false, "00u1@acme"}, {"true", "00u1@acme"}} {
		w := newWorld(t, person(nil, map[string]any{"email_verified": row.verified}))
		w.conn.Settings.Claims.UserName = "email"
		if id := w.mustSignIn(); id.UserName != row.want {
			t.Errorf("email_verified %v: user name %q; want %q", row.verified, id.UserName, row.want)
		}
	}
	for _, p := range []idp.Provider{idp.Google, idp.Auth0} {
		s, err := oidc.Preset(p, oidc.Known{Domain: "acme.eu.auth0.com"})
		if err != nil || s.Claims.UserName == "email" {
			t.Errorf("%s: %+v, %v", p, s.Claims, err)
		}
	}
}

func TestKeptClaimsAreBounded(t *testing.T) {
	w := newWorld(t, person(many(1900), map[string]any{"department": "looms"}))
	w.conn.Settings.Claims.Groups = "groups"
	id := w.mustSignIn()
	if len(id.Groups) != 1900 || id.Claims["department"] != "looms" {
		t.Errorf("%d groups, claims %v", len(id.Groups), len(id.Claims))
	}
	w = newWorld(t, person(many(1900), map[string]any{"department": "looms"}), func(o *idptest.Options, _ *idp.Connection) {
		o.People[0].Claims = map[string]any{"photo": strings.Repeat("x", 40<<10), "department": "looms"}
	})
	id = w.mustSignIn()
	if id.Claims["photo"] != nil || id.Claims["department"] != nil || id.Claims["email"] != "alice@acme.example" {
		t.Errorf("above 32 KiB only the mapped claims are kept: %v", len(id.Claims))
	}
}

// TestManyGroupsDoNotStopMappedAppRoles: Entra ID's way out of its own limit.
func TestManyGroupsDoNotStopMappedAppRoles(t *testing.T) {
	for _, fault := range []string{"overage", "overage-hasgroups"} {
		w := newWorld(t, person(nil, map[string]any{"roles": []string{"Analyst"}}))
		w.op.Fault(fault)
		w.conn.Settings.Claims.Groups = "roles"
		if id := w.mustSignIn(); id.GroupState != idp.GroupsListed || !slices.Equal(id.Groups, []string{"Analyst"}) {
			t.Errorf("%s: %v %v", fault, id.GroupState, id.Groups)
		}
	}
}

func TestUserInfoIsAskedOnlyWhereWanted(t *testing.T) {
	for _, row := range []struct {
		wanted, thin bool
		asked        int
	}{{false, true, 0}, {true, false, 0}, {true, true, 1}} {
		w := newWorld(t)
		w.conn.Settings.UserInfo = row.wanted
		if row.thin {
			w.op.Fault("thin-id-token")
		}
		w.mustSignIn()
		if n := w.op.Count("GET /userinfo"); n != row.asked {
			t.Errorf("wanted %v, thin %v: asked %d times", row.wanted, row.thin, n)
		}
	}
}

func TestPersonOfAnotherOrganizationIsRefused(t *testing.T) {
	const org = "org_tracio"
	w := newWorld(t, flavor(idptest.Auth0, idp.Auth0))
	w.conn.Settings.Extra = map[string]string{"organization": org}
	w.mustSignIn()
	for _, claims := range []map[string]any{{"org_id": "org_other"}, {"org_id": nil}, {"org_id": 7}} {
		w := newWorld(t, flavor(idptest.Auth0, idp.Auth0), person(nil, claims))
		w.conn.Settings.Extra = map[string]string{"organization": org}
		w.mustRefuse(idp.CodeOrganization)
	}
	for _, row := range []struct {
		want string
		hd   any
		ok   bool
	}{{"acme.example", "acme.example", true}, {"acme.example", "gmail.example", false}, {"acme.example", nil, false}, {"*", "any.example", true}, {"*", nil, false}} {
		w := newWorld(t, flavor(idptest.Google, idp.Google), person(nil, map[string]any{"hd": row.hd}))
		w.conn.Settings.Extra = map[string]string{"hd": row.want}
		if row.ok {
			w.mustSignIn()
		} else {
			w.mustRefuse(idp.CodeOrganization)
		}
	}
}

func TestPersonalMicrosoftAccountIsRefused(t *testing.T) {
	w := newWorld(t, flavor(idptest.Entra, idp.Entra), person(nil, map[string]any{"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}))
	w.mustRefuse(idp.CodeOrganization)
	w = newWorld(t, flavor(idptest.Entra, idp.Entra), person(nil, map[string]any{"tid": nil}))
	w.mustRefuse(idp.CodeOrganization)
}
