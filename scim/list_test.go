package scim_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/scim"
	"github.com/tracio-ai/ssogate/scim/scimtest"
)

func names(a scimtest.Answer) string {
	var out []string
	for _, r := range a.Resources() {
		name, ok := r["userName"].(string)
		if !ok {
			name, _ = r["displayName"].(string)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func TestPagesByIndexAreFullAndInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		for i := range 7 {
			p.User(t, fmt.Sprintf("u%d", 6-i))
		}
		for query, want := range map[string]string{
			"":                           "1 7 u6 u5 u4 u3 u2 u1 u0",
			"startIndex=1&count=3":       "1 3 u6 u5 u4",
			"startIndex=4&count=3":       "4 3 u3 u2 u1",
			"startIndex=7&count=3":       "7 1 u0",
			"startIndex=8&count=3":       "8 0 ",
			"startIndex=0&count=1":       "1 1 u6",
			"startIndex=-5&count=1":      "1 1 u6",
			"count=0":                    "1 0 ",
			"count=-3":                   "1 0 ",
			"count=99999999999999999999": "1 7 u6 u5 u4 u3 u2 u1 u0",
			"sortBy=userName&count=3":    "1 3 u0 u1 u2",
			"sortBy=userName&sortOrder=descending&startIndex=6": "6 2 u1 u0",
			"sortBy=meta.created&count=2":                       "1 2 u6 u5",
		} {
			a := p.Want(t, 200, "GET", "/Users?"+query, "")
			if got := fmt.Sprint(a.Number("startIndex"), a.Number("itemsPerPage"), " ", names(a)); got != want || a.Number("totalResults") != 7 {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
		}
	})
}

func TestSortingPutsTheMissingLastAndFoldsCase(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		for name, body := range map[string]string{
			"a": `"title":"beta","emails":[{"value":"z@x"},{"value":"b@x","primary":true}]`, "b": `"title":"ALPHA","emails":[{"value":"c@x"}]`,
			"c": `"externalId":"x"`, "d": `"title":"gamma","externalId":"X","emails":[{"value":"A@x"}]`,
		} {
			p.Want(t, 201, "POST", "/Users", `{"userName":"`+name+`",`+body+`}`)
		}
		for query, want := range map[string]string{
			"sortBy=title":                           "b a d c",
			"sortBy=title&sortOrder=descending":      "c d a b",
			"sortBy=emails":                          "d a b c",
			"sortBy=userName&sortOrder=descending":   "d c b a",
			"sortBy=externalId&filter=externalId pr": "d c", // exact: X before x
		} {
			if got := names(p.Want(t, 200, "GET", "/Users?"+query, "")); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
	})
}

func TestCursorsWalkThroughEverythingOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		var want []string
		for i := range 7 {
			p.User(t, fmt.Sprintf("u%d", i))
			want = append(want, fmt.Sprintf("u%d", i))
		}
		for i := range 4 {
			p.Group(t, fmt.Sprintf("g%d", i))
		}
		for query, want := range map[string][]string{
			"/Users?count=3": want,
			"/Users?count=7": want,
			"/Users?count=3&sortBy=userName&sortOrder=descending":                                    {"u6", "u5", "u4", "u3", "u2", "u1", "u0"},
			"/Users?count=2&filter=" + url.QueryEscape(`userName sw "u" and not (userName eq "u3")`): {"u0", "u1", "u2", "u4", "u5", "u6"},
			"?count=2&filter=" + url.QueryEscape("id pr"):                                            append(slices.Clone(want), "g0", "g1", "g2", "g3"),
			"?count=7&filter=" + url.QueryEscape("id pr"):                                            append(slices.Clone(want), "g0", "g1", "g2", "g3"),
		} {
			var got []string
			cursor := ""
			for n := 0; ; n++ {
				a := p.Want(t, 200, "GET", query+"&cursor="+cursor, "")
				if a.Number("startIndex") != len(got)+1 || a.Number("totalResults") != len(want) {
					t.Errorf("%s: %s", query, a.Raw)
				}
				got = append(got, strings.Fields(names(a))...)
				if cursor = a.Text("nextCursor"); cursor == "" || n > 20 {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
	})
}

func TestCursorIsGoodForItsOwnQueryOnly(t *testing.T) {
	w := scimtest.Open(t, "sqlite:"+t.TempDir()+"/gate.db", time.Now, nil)
	var late time.Duration
	w.Handler.Now = func() time.Time { return time.Now().Add(late) }
	p, other := w.Tenant(t, "acme"), w.Tenant(t, "globex")
	for i := range 3 {
		p.User(t, fmt.Sprintf("u%d", i))
		other.User(t, fmt.Sprintf("u%d", i))
	}
	cursor := p.Want(t, 200, "GET", "/Users?count=1&cursor=", "").Text("nextCursor")
	for _, c := range []struct{ path, want string }{
		{"/Users?count=2&cursor=" + cursor, "invalidCount"},
		{"/Users?count=1&filter=id pr&cursor=" + cursor, "invalidCursor"},
		{"/Users?count=1&sortBy=id&cursor=" + cursor, "invalidCursor"},
		{"/Groups?count=1&cursor=" + cursor, "invalidCursor"},
		{"/Users?count=1&cursor=" + cursor + "A", "invalidCursor"},
		{"/Users?count=1&cursor=" + cursor + "%0A", "invalidCursor"},
		{"/Users?count=1&cursor=" + strings.Repeat("A", 9000), "invalidCursor"},
	} {
		if a := p.Want(t, 400, "GET", c.path, ""); a.Text("scimType") != c.want {
			t.Errorf("%.60s: %s, want %s", c.path, a.Text("scimType"), c.want)
		}
	}
	foreign, made := other.Want(t, 400, "GET", "/Users?count=1&cursor="+cursor, ""), other.Want(t, 400, "GET", "/Users?count=1&cursor="+strings.Repeat("A", len(cursor)), "")
	if foreign.Raw != made.Raw {
		t.Errorf("another tenant's cursor: %s, a made up one: %s", foreign.Raw, made.Raw)
	}
	p.Want(t, 200, "GET", "/Users?count=1&cursor="+cursor, "")
	late = 2 * time.Hour
	if a := p.Want(t, 400, "GET", "/Users?count=1&cursor="+cursor, ""); a.Text("scimType") != "expiredCursor" {
		t.Errorf("an old cursor: %s", a.Raw)
	}
}

func TestFiltersFindWhoTheyDescribe(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
		ada := p.Want(t, 201, "POST", "/Users", `{"userName":"ada@acme.example","externalId":"E1","title":"Boss","emails":[{"value":"ada@acme.example","type":"work"},{"value":"ada@home.example","type":"home"}]}`).ID()
		bea := p.Want(t, 201, "POST", "/Users", `{"userName":"bea@acme.example","externalId":"e1","active":false,"`+enterprise+`":{"manager":"`+ada+`","department":"Sales"}}`).ID()
		g := p.Group(t, "Admins", ada, bea)
		p.Group(t, "empty")
		for filter, want := range map[string]string{
			`/Users?filter=userName eq "ADA@acme.example"`:                                   "ada@acme.example",
			`/Users?filter=externalId eq "e1"`:                                               "bea@acme.example",
			`/Users?filter=id eq "` + ada + `"`:                                              "ada@acme.example",
			`/Users?filter=emails eq "ADA@home.example"`:                                     "ada@acme.example",
			`/Users?filter=emails.value sw "ada@h"`:                                          "ada@acme.example",
			`/Users?filter=emails[value eq "ada@home.example"]`:                              "ada@acme.example",
			`/Users?filter=emails[type eq "work" and value eq "ada@acme.example"]`:           "ada@acme.example",
			`/Users?filter=emails[type eq "work" and value eq "ada@home.example"]`:           "",
			`/Users?filter=emails[type eq "home"].value eq "ada@home.example"`:               "ada@acme.example",
			`/Users?filter=groups.value eq "` + g + `"`:                                      "ada@acme.example bea@acme.example",
			`/Users?filter=groups.display eq "ADMINS"`:                                       "ada@acme.example bea@acme.example",
			`/Users?filter=groups pr and active eq false`:                                    "bea@acme.example",
			`/Users?filter=manager eq "` + ada + `"`:                                         "bea@acme.example",
			`/Users?filter=` + enterprise + `:manager.value eq "` + ada + `"`:                "bea@acme.example",
			`/Users?filter=` + enterprise + `:department co "ale"`:                           "bea@acme.example",
			`/Users?filter=active eq "True"`:                                                 "ada@acme.example",
			`/Users?filter=not (active eq true)`:                                             "bea@acme.example",
			`/Users?filter=title pr`:                                                         "ada@acme.example",
			`/Users?filter=title ne "boss"`:                                                  "bea@acme.example",
			`/Users?filter=meta.created gt "2011-05-13T04:42:34Z"`:                           "ada@acme.example bea@acme.example",
			`/Users?filter=meta.resourceType eq User and userName sw "a"`:                    "ada@acme.example",
			`/Users?filter=meta.resourceType eq "Group"`:                                     "",
			`/Users?filter=userName ew "ACME.example" and (title eq "boss" or title eq "x")`: "ada@acme.example",
			`/Groups?filter=displayName eq "admins"`:                                         "Admins",
			`/Groups?filter=members eq "` + bea + `"`:                                        "Admins",
			`/Groups?filter=members.value eq "` + bea + `"`:                                  "Admins",
			`/Groups?filter=members[value eq "` + bea + `"]`:                                 "Admins",
			`/Groups?filter=id eq "` + g + `" and members eq "` + ada + `"`:                  "Admins",
			`/Groups?filter=not (members pr)`:                                                "empty",
			`?filter=meta.resourceType eq "Group" and displayName sw "a"`:                    "Admins",
			`?filter=userName sw "b" or displayName eq "empty"`:                              "bea@acme.example empty",
		} {
			a := p.Do(t, "GET", filter, "")
			if a.Status != 200 || names(a) != want {
				t.Errorf("%s: status %d, %q, want %q\n%.300s", filter, a.Status, names(a), want, a.Raw)
			}
		}
		meta, _ := p.Want(t, 200, "GET", "/Users/"+ada, "").Body["meta"].(map[string]any)
		created, _ := meta["created"].(string)
		if a := p.Want(t, 200, "GET", `/Users?filter=meta.created eq "`+created+`"`, ""); names(a) != "ada@acme.example" {
			t.Errorf("the instant that is answered does not find its user: %s", a.Raw)
		}
	})
}

func TestProjectionsShowWhatIsAskedFor(t *testing.T) {
	onBoth(t, func(t *testing.T, p scimtest.Target, _ *scimtest.World) {
		const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
		u := p.Want(t, 201, "POST", "/Users", `{"userName":"ada","title":"Boss","name":{"givenName":"Ada","familyName":"L"},"emails":[{"value":"a","type":"work"},{"value":"b"}],"`+enterprise+`":{"department":"Sales","division":"North"}}`).ID()
		g := p.Group(t, "Admins", u)
		for path, want := range map[string]string{
			"/Users/" + u + "?attributes=userName":                                                            `id schemas userName`,
			"/Users/" + u + "?attributes=USERNAME, title":                                                     `id schemas title userName`,
			"/Users/" + u + "?attributes=name.givenName":                                                      `id name{givenName} schemas`,
			"/Users/" + u + "?attributes=name.givenName,name.familyName,emails.type":                          `emails[{type} {}] id name{familyName givenName} schemas`,
			"/Users/" + u + "?attributes=" + enterprise:                                                       `id schemas ` + enterprise + `{department division}`,
			"/Users/" + u + "?attributes=" + enterprise + ":department":                                       `id schemas ` + enterprise + `{department}`,
			"/Users/" + u + "?attributes=department":                                                          `id schemas ` + enterprise + `{department}`,
			"/Users/" + u + "?attributes=urn:ietf:params:scim:schemas:core:2.0:User:title":                    `id schemas title`,
			"/Users/" + u + "?attributes=shoeSize":                                                            `id schemas`,
			"/Users/" + u + "?excludedAttributes=id,schemas,meta,groups,emails,name.familyName," + enterprise: `active id name{givenName} schemas title userName`,
			"/Users/" + u + "?excludedAttributes=meta,groups,emails.value,name,active,division":               `emails[{type} {}] id schemas title ` + enterprise + `{department} userName`,
			"/Groups/" + g + "?excludedAttributes=members,meta":                                               `displayName id schemas`,
			"/Groups/" + g + "?attributes=members":                                                            `id members[{$ref type value}] schemas`,
			"/Groups/" + g + "?attributes=members.value":                                                      `id members[{value}] schemas`,
			"/Groups/" + g + "?excludedAttributes=meta,members.$ref":                                          `displayName id members[{type value}] schemas`,
		} {
			a := p.Want(t, 200, "GET", path, "")
			if got := outline(a.Body); got != want {
				t.Errorf("%s:\n got %s\nwant %s", path, got, want)
			}
			kind, id, _ := strings.Cut(path, "/"+u)
			if id == "" {
				continue
			}
			list := p.Want(t, 200, "GET", kind+id, "")
			if got := outline(list.Resources()[0]); got != want {
				t.Errorf("listed %s:\n got %s\nwant %s", path, got, want)
			}
		}
		a := p.Want(t, 200, "PATCH", "/Groups/"+g+"?attributes=displayName", `[{"op":"replace","path":"displayName","value":"Bosses"}]`)
		if got := outline(a.Body); got != "displayName id schemas" {
			t.Errorf("patch answers %s", got)
		}
		search := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"attributes":["userName","name"],"filter":"userName eq \"ada\"","count":1,"startIndex":1}`
		a = p.Want(t, 200, "POST", "/Users/.search", search)
		if got := outline(a.Resources()[0]); got != "id name{familyName givenName} schemas userName" {
			t.Errorf("search answers %s", got)
		}
		a = p.Want(t, 201, "POST", "/Users?attributes=userName", `{"userName":"bea"}`)
		if got := outline(a.Body); got != "id schemas userName" {
			t.Errorf("post answers %s", got)
		}
	})
}

// outline names what is there.
func outline(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for name, value := range v {
			inner := ""
			switch value := value.(type) {
			case map[string]any:
				inner = "{" + outline(value) + "}"
			case []any:
				if inner = outline(value); name == "schemas" {
					inner = ""
				}
			}
			parts = append(parts, name+inner)
		}
		slices.Sort(parts)
		return strings.Join(parts, " ")
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, "{"+outline(item)+"}")
		}
		return "[" + strings.Join(parts, " ") + "]"
	default:
		return ""
	}
}

func TestLocationsAreThePublicURLs(t *testing.T) {
	w := scimtest.Open(t, "sqlite:"+t.TempDir()+"/gate.db", time.Now, func(h *scim.Handler) {
		h.PublicURL = &url.URL{Scheme: "https", Host: "dashboard.example"}
	})
	p := w.Tenant(t, "acme")
	a := p.Want(t, 201, "POST", "/Users", `{"userName":"ada"}`, "X-Forwarded-Host: evil.example")
	if want := "https://dashboard.example/scim/v2/Users/" + a.ID(); a.Header.Get("Location") != want || !strings.Contains(a.Raw, want) {
		t.Errorf("location %s, body %s", a.Header.Get("Location"), a.Raw)
	}
}
