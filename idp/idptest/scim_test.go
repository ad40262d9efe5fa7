package idptest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// recorder answers from a list and remembers what it was sent.
type recorder struct {
	t       *testing.T
	mu      sync.Mutex
	answers []string // "STATUS body", the last one again and again
	seen    []string // "METHOD request-uri body"
	headers []http.Header
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, strings.TrimSpace(req.Method+" "+req.RequestURI+" "+string(body)))
	r.headers = append(r.headers, req.Header)
	answer := r.answers[0]
	if len(r.answers) > 1 {
		r.answers = r.answers[1:]
	}
	status, text, _ := strings.Cut(answer, " ")
	var code int
	if _, err := fmt.Sscan(status, &code); err != nil {
		r.t.Error(err)
	}
	w.Header().Set("Retry-After", "0")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}

// provisioner speaks in one manner to a recorder with these answers.
func provisioner(t *testing.T, m idptest.Manner, answers ...string) (*idptest.Provisioner, *recorder) {
	t.Helper()
	r := &recorder{t: t, answers: answers}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return &idptest.Provisioner{URL: srv.URL + "/scim/v2", Token: "planted-token", Manner: m, Client: srv.Client()}, r
}

const patchOf = `{"Operations":[%s],"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`

func TestEachMannerDeactivatesInItsProvidersWords(t *testing.T) {
	for manner, want := range map[idptest.Manner][]string{
		idptest.OktaOIN: {"PATCH /scim/v2/Users/u1 " + fmt.Sprintf(patchOf, `{"op":"replace","value":{"active":false}}`)},
		idptest.OktaAIW: {
			"GET /scim/v2/Users/u1",
			`PUT /scim/v2/Users/u1 {"active":false,"id":"u1","meta":{"version":"W/\"3\""},"nickName":"Ada"}`,
		},
		idptest.EntraDefault: {"PATCH /scim/v2/Users/u1 " + fmt.Sprintf(patchOf, `{"op":"Replace","path":"active","value":"False"}`)},
		idptest.EntraSCIM: {
			"PATCH /scim/v2/Users/u1?aadOptscim062020 " + fmt.Sprintf(patchOf, `{"op":"replace","path":"active","value":false}`),
		},
	} {
		p, r := provisioner(t, manner, `200 {"id":"u1","active":true,"nickName":"Ada","meta":{"version":"W/\"3\""}}`)
		if err := p.Deactivate(t.Context(), "u1"); err != nil {
			t.Errorf("%s: %v", manner, err)
		}
		if !slices.Equal(r.seen, want) {
			t.Errorf("%s sent\n%s\nwant\n%s", manner, strings.Join(r.seen, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestEachMannerRemovesAMemberInItsProvidersWords(t *testing.T) {
	for manner, want := range map[idptest.Manner][]string{
		idptest.OktaOIN: {
			"PATCH /scim/v2/Groups/g1 " + fmt.Sprintf(patchOf, `{"op":"replace","value":{"displayName":"Admins","id":"g1"}}`),
			"PATCH /scim/v2/Groups/g1 " + fmt.Sprintf(patchOf, `{"op":"remove","path":"members[value eq \"u1\"]"}`),
		},
		idptest.OktaAIW: {"GET /scim/v2/Groups/g1", `PUT /scim/v2/Groups/g1 {"id":"g1","members":[{"value":"u2"}]}`},
		idptest.EntraDefault: {
			"PATCH /scim/v2/Groups/g1 " + fmt.Sprintf(patchOf, `{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`),
		},
		idptest.EntraSCIM: {
			"PATCH /scim/v2/Groups/g1?aadOptscim062020 " + fmt.Sprintf(patchOf, `{"op":"remove","path":"members[value eq \"u1\"]"}`),
		},
	} {
		p, r := provisioner(t, manner, `200 {"id":"g1","members":[{"value":"u1"},{"value":"u2"}]}`)
		if err := p.RemoveMember(t.Context(), idptest.Team{ID: "g1", DisplayName: "Admins"}, "u1"); err != nil {
			t.Errorf("%s: %v", manner, err)
		}
		if !slices.Equal(r.seen, want) {
			t.Errorf("%s sent\n%s\nwant\n%s", manner, strings.Join(r.seen, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestOktaNeverDeletesAUserAndEntraDoes(t *testing.T) {
	for _, manner := range idptest.Manners() {
		p, r := provisioner(t, manner, `200 {"id":"u1","active":true}`)
		if err := p.Remove(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
		deletes := slices.ContainsFunc(r.seen, func(line string) bool { return strings.HasPrefix(line, "DELETE /scim/v2/Users/u1") })
		if entra := manner == idptest.EntraDefault || manner == idptest.EntraSCIM; deletes != entra {
			t.Errorf("%s sent %q", manner, r.seen)
		}
	}
}

func TestProvidersLookBeforeTheyCreate(t *testing.T) {
	p, r := provisioner(t, idptest.OktaOIN, `200 {"Resources":[]}`, `201 {"id":"u9"}`)
	id, err := p.Provision(t.Context(), idptest.AccountOf(idptest.Person{Sub: "s", UserName: `a"da`, Email: "ada@acme.example", Name: "Ada Admin"}))
	if err != nil || id != "u9" {
		t.Fatalf("%q, %v", id, err)
	}
	if want := `GET /scim/v2/Users?filter=userName%20eq%20%22a%5C%22da%22&startIndex=1&count=100`; r.seen[0] != want {
		t.Errorf("looked with %s, want %s", r.seen[0], want)
	}
	var made struct {
		ExternalID string `json:"externalId"`
		Active     bool   `json:"active"`
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(r.seen[1], "POST /scim/v2/Users ")), &made); err != nil || made.ExternalID != "s" || !made.Active {
		t.Errorf("created with %s, %v", r.seen[1], err)
	}
	if h := r.headers[1]; h.Get("Authorization") != "Bearer planted-token" || h.Get("User-Agent") != "Okta SCIM Client 1.0.0" ||
		h.Get("Content-Type") != "application/scim+json; charset=utf-8" {
		t.Errorf("headers %v", h)
	}

	p, r = provisioner(t, idptest.EntraDefault, `200 {"Resources":[{"id":"u7"}]}`, `200 {"id":"u7"}`)
	if id, err = p.Provision(t.Context(), idptest.Account{UserName: "ada"}); err != nil || id != "u7" {
		t.Fatalf("%q, %v", id, err)
	}
	if !strings.HasPrefix(r.seen[1], "PATCH /scim/v2/Users/u7 ") {
		t.Errorf("took over with %s", r.seen[1])
	}
}

func TestProvisionerWaitsWhenAskedAndTellsARefusal(t *testing.T) {
	p, r := provisioner(t, idptest.OktaOIN, `429 {}`, `503 {}`, `409 {"scimType":"uniqueness","detail":"userName is taken"}`)
	var calls []idptest.Call
	p.OnCall = func(c idptest.Call) { calls = append(calls, c) }
	_, err := p.Create(t.Context(), idptest.Account{UserName: "ada"})
	refused, ok := errors.AsType[*idptest.Refused](err)
	if !ok || refused.Call.Status != http.StatusConflict || !strings.Contains(err.Error(), "userName is taken") {
		t.Errorf("got %v", err)
	}
	if len(r.seen) != 3 || len(calls) != 3 || calls[0].Status != http.StatusTooManyRequests {
		t.Errorf("%d requests, %d told", len(r.seen), len(calls))
	}
	for _, c := range calls {
		if strings.Contains(fmt.Sprintf("%+v", c), "planted-token") {
			t.Errorf("a call tells the token: %+v", c)
		}
	}
}
