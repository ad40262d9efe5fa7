package idptest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// panel is a synced panel with two people before a service provider that agrees to everything.
func panel(t *testing.T) (*idptest.Panel, *recorder) {
	t.Helper()
	op, err := idptest.New(idptest.Options{
		Issuer: "http://127.0.0.1:8081", Now: time.Now,
		People: []idptest.Person{
			{Sub: "p-ada", UserName: "ada", Email: "ada@acme.example", Name: "Ada Admin", Groups: []string{"admins"}},
			{Sub: "p-vic", UserName: "vic", Email: "vic@acme.example", Name: "Vic <Viewer>"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, r := provisioner(t, idptest.OktaOIN, `200 {"id":"r1","totalResults":0,"Resources":[]}`)
	out := &idptest.Panel{OP: op, Provisioner: p, Groups: []string{"admins", "viewers"}, Open: "http://localhost:8080/"}
	if err := out.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.seen = nil
	return out, r
}

// press sends a button as a page of origin would.
func press(p *idptest.Panel, host, origin string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://"+host+"/panel", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

const panelHost, panelOrigin = "127.0.0.1:8081", "http://127.0.0.1:8081"

func page(t *testing.T, p *idptest.Panel) string {
	t.Helper()
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://"+panelHost+"/panel", nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d, %v", w.Code, err)
	}
	return string(text)
}

func TestEachButtonOfThePanelSendsItsRequest(t *testing.T) {
	for name, c := range map[string]struct {
		form url.Values
		want string // the last request
		then func(p *idptest.Panel) bool
	}{
		"add": {
			url.Values{"do": {"add"}, "name": {"Eve Early"}, "group": {"viewers"}}, `members","value":[{"display":"r1","value":"r1"}]`,
			func(p *idptest.Panel) bool { return len(p.OP.People()) == 3 && p.OP.People()[2].UserName == "eve" },
		},
		"move": {
			url.Values{"do": {"move"}, "person": {"p-ada"}, "group": {"viewers"}}, `"op":"add","path":"members"`,
			func(p *idptest.Panel) bool { return slices.Equal(p.OP.People()[0].Groups, []string{"viewers"}) },
		},
		"leave": {
			url.Values{"do": {"move"}, "person": {"p-ada"}, "group": {""}}, `"op":"remove","path":"members[value eq`,
			func(p *idptest.Panel) bool { return len(p.OP.People()[0].Groups) == 0 },
		},
		"deactivate": {
			url.Values{"do": {"deactivate"}, "person": {"p-vic"}}, `{"active":false}`,
			func(p *idptest.Panel) bool { return strings.Contains(page(t, p), `value="reactivate"`) },
		},
		"delete": {
			url.Values{"do": {"delete"}, "person": {"p-vic"}}, `{"active":false}`,
			func(p *idptest.Panel) bool { return len(p.OP.People()) == 1 },
		},
		"delete at Entra": {
			url.Values{"do": {"delete"}, "person": {"p-vic"}}, `DELETE /scim/v2/Users/r1`,
			func(p *idptest.Panel) bool { return len(p.OP.People()) == 1 },
		},
	} {
		p, r := panel(t)
		if name == "delete at Entra" {
			press(p, panelHost, panelOrigin, url.Values{"do": {"manner"}, "manner": {"entra"}})
		}
		if w := press(p, panelHost, panelOrigin, c.form); w.Code != http.StatusSeeOther {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if last := r.seen[len(r.seen)-1]; !strings.Contains(last, c.want) {
			t.Errorf("%s sent last %s, want %s", name, last, c.want)
		}
		if !c.then(p) {
			t.Errorf("%s: the provider now has %+v", name, p.OP.People())
		}
	}
}

func TestPanelTakesNothingFromAnotherSite(t *testing.T) {
	deletes := url.Values{"do": {"delete"}, "person": {"p-vic"}}
	for name, from := range map[string][2]string{
		"another site":          {panelHost, "https://evil.example"},
		"the dashboard":         {panelHost, "http://localhost:8080"},
		"a name that points us": {"rebound.evil.example:8081", "http://rebound.evil.example:8081"},
		"localhost":             {"localhost:8081", "http://localhost:8081"},
	} {
		p, r := panel(t)
		if w := press(p, from[0], from[1], deletes); w.Code/100 != 4 || len(r.seen) != 0 || len(p.OP.People()) != 2 {
			t.Errorf("%s: %d, sent %q", name, w.Code, r.seen)
		}
	}
}

func TestPanelShowsRequestsAndEscapesNames(t *testing.T) {
	p, r := panel(t)
	press(p, panelHost, panelOrigin, url.Values{"do": {"deactivate"}, "person": {"p-vic"}})
	text := page(t, p)
	for _, want := range []string{"Vic &lt;Viewer&gt;", "PATCH /Users/r1", "200", "&#34;active&#34;: false"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(text, "planted-token") {
		t.Error("the page shows the token")
	}
	r.answers = []string{`400 {"detail":"no such path"}`}
	press(p, panelHost, panelOrigin, url.Values{"do": {"reactivate"}, "person": {"p-vic"}})
	if text := page(t, p); !strings.Contains(text, "no such path") || !strings.Contains(text, "Vic &lt;Viewer&gt;") || !strings.Contains(text, "· deactivated") {
		t.Error("a refusal is not shown, or was taken for success")
	}
}

func TestPanelRefusesNamesItCannotUse(t *testing.T) {
	for _, name := range []string{"", "   ", strings.Repeat("x", 61), "Ada Again", "Ж"} {
		p, r := panel(t)
		press(p, panelHost, panelOrigin, url.Values{"do": {"add"}, "name": {name}})
		if len(r.seen) != 0 || len(p.OP.People()) != 2 {
			t.Errorf("%q: sent %q", name, r.seen)
		}
	}
}
