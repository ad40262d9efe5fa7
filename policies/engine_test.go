package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEngineWithoutAPolicyRefusesEverything(t *testing.T) {
	var e Engine
	in := e.Input()
	in.Now = noon
	d, err := e.Decide(t.Context(), in)
	fault, ok := errors.AsType[*Fault](err)
	if d.Allowed || !ok || fault.Code != CodeNoPolicy || !errors.Is(err, ErrNoPolicy) {
		t.Errorf("got %+v, %v", d, err)
	}
	roles, err := e.Roles(t.Context(), in)
	if roles != nil || !errors.Is(err, ErrNoPolicy) {
		t.Errorf("got %q, %v", roles, err)
	}
	e.Swap(nil)
	if e.Revision().ID != "" || e.RoleNames() != nil {
		t.Error("a nil revision is served")
	}
}

// Each row is an answer only known at run time, so Load cannot object to it.
func TestAnswersNobodyCanActOnAreDenials(t *testing.T) {
	for answer, want := range map[string]string{
		`true`:                                "",
		`false`:                               "",
		`{"allowed": true}`:                   "",
		`{"allowed": true, "role": "Viewer"}`: "",
		`{"allowed": false, "reason": "because"}`: "",
		`"true"`:                                CodeInvalid,
		`1`:                                     CodeInvalid,
		`null`:                                  CodeInvalid,
		`[]`:                                    CodeInvalid,
		`[true]`:                                CodeInvalid,
		`{}`:                                    CodeInvalid,
		`{"allow": true}`:                       CodeInvalid,
		`{"allowed": "true"}`:                   CodeInvalid,
		`{"allowed": 1}`:                        CodeInvalid,
		`{"allowed": null}`:                     CodeInvalid,
		`{"allowed": true, "Allowed": true}`:    CodeInvalid,
		`{"allowed": true, "x": 1}`:             CodeInvalid,
		`{"allowed": true, "role": "Admin"}`:    CodeInvalid, // the subject is a Viewer
		`{"allowed": true, "role": "viewer"}`:   CodeInvalid,
		`{"allowed": false, "role": "Admin"}`:   CodeInvalid,
		`{"allowed": true, "role": ["Viewer"]}`: CodeInvalid,
		`{"allowed": true, "reason": 1}`:        CodeInvalid,
		`{"allowed": true, "reason": "a\nb"}`:   CodeInvalid,
		`{"allowed": true, "permission": null}`: CodeInvalid,
		`{"allowed": true, "reason": "` + strings.Repeat("r", 256) + `"}`:     "",
		`{"allowed": true, "reason": "` + strings.Repeat("r", 257) + `"}`:     CodeInvalid,
		`{"allowed": true, "permission": "` + strings.Repeat("p", 257) + `"}`: CodeInvalid,
		`{"allowed": false, "step_up": {"acr": "mfa"}}`:                       "",
		`{"allowed": false, "step_up": {"acr": ["a", "b"], "max_age": 60}}`:   "",
		`{"allowed": true, "step_up": {"acr": "mfa"}}`:                        CodeInvalid,
		`{"allowed": false, "step_up": {}}`:                                   CodeInvalid,
		`{"allowed": false, "step_up": {"acr": []}}`:                          CodeInvalid,
		`{"allowed": false, "step_up": {"max_age": -1}}`:                      CodeInvalid,
		`{"allowed": false, "step_up": {"max_age": 1.5}}`:                     CodeInvalid,
		`{"allowed": false, "step_up": {"max_age": 1e18}}`:                    CodeInvalid,
		`{"allowed": false, "step_up": {"age": 1}}`:                           CodeInvalid,
		`{"allowed": false, "step_up": "mfa"}`:                                CodeInvalid,
		`{"allowed": false, "http_status": 404}`:                              "",
		`{"allowed": false, "http_status": 200}`:                              "",
		`{"allowed": false, "http_status": 100}`:                              "",
		`{"allowed": false, "http_status": 418}`:                              CodeInvalid,
		`{"allowed": false, "http_status": 299}`:                              CodeInvalid,
		`{"allowed": false, "http_status": 0}`:                                CodeInvalid,
		`{"allowed": false, "http_status": "403"}`:                            CodeInvalid,
		`{"allowed": false, "http_status": 403.5}`:                            CodeInvalid,
		`{"allowed": true, "http_status": "x"}`:                               "", // not looked at in an allow
		`{"allowed": false, "body": "no"}`:                                    "",
		`{"allowed": false, "body": 1}`:                                       CodeInvalid,
		`{"allowed": true, "headers": {"x-a": "1", "x-b": ["1", "2"]}}`:       "",
		`{"allowed": true, "headers": [{"x-a": "1"}, {"x-a": "2"}]}`:          "",
		`{"allowed": true, "headers": null}`:                                  CodeInvalid,
		`{"allowed": true, "headers": "x"}`:                                   CodeInvalid,
		`{"allowed": true, "headers": {"x-a": 1}}`:                            CodeInvalid,
		`{"allowed": true, "headers": {"x a": "1"}}`:                          CodeInvalid,
		`{"allowed": true, "headers": {":path": "/"}}`:                        CodeInvalid,
		`{"allowed": true, "headers": {"": "1"}}`:                             CodeInvalid,
		`{"allowed": true, "headers": {"x-a": "1\r\nx-sso-role: Admin"}}`:     CodeInvalid,
		`{"allowed": true, "headers": [[]]}`:                                  CodeInvalid,
		`{"allowed": true, "response_headers_to_add": {"x-a": "1"}}`:          "",
		`{"allowed": true, "response_headers_to_add": null}`:                  CodeInvalid,
		`{"allowed": false, "response_headers_to_add": 1}`:                    "",
		`{"allowed": true, "request_headers_to_remove": ["x-a"]}`:             "",
		`{"allowed": true, "request_headers_to_remove": "x-a"}`:               CodeInvalid,
		`{"allowed": true, "request_headers_to_remove": ["x a"]}`:             CodeInvalid,
		`{"allowed": true, "query_parameters_to_set": {"a": ["1", "2"]}}`:     "",
		`{"allowed": true, "query_parameters_to_set": []}`:                    CodeInvalid,
		`{"allowed": true, "query_parameters_to_remove": ["a"]}`:              "",
		`{"allowed": true, "dynamic_metadata": {"a": {"b": [1, "x"]}}}`:       "",
		`{"allowed": true, "dynamic_metadata": null}`:                         CodeInvalid,
	} {
		t.Run(answer, func(t *testing.T) {
			e := engine(t, authz(t, "default decision := false\n\ndecision := input.subject.claims.answer\n"), Options{})
			in := ask(e, "GET", "/", "Viewer")
			in.Subject.Claims = map[string]any{"answer": decoded(t, answer)}
			d, err := e.Decide(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if d.Code != want || d.Revision == "" {
				t.Errorf("code %q, want %q: %+v", d.Code, want, d)
			}
			if want != "" && (d.Allowed || d.Detail == "" || d.Role != "" || d.Headers != nil) {
				t.Errorf("a failed answer carries something: %+v", d)
			}
			if want == "" && d.Allowed != strings.Contains(answer, "true") {
				t.Errorf("allowed %v", d.Allowed)
			}
		})
	}
}

func TestEveryFieldOfADecisionArrives(t *testing.T) {
	e := engine(t, authz(t, `decision := {
	"allowed": true,
	"role": "Viewer",
	"permission": "p",
	"reason": "r",
	"headers": {"x-a": ["1", "2"]},
	"response_headers_to_add": [{"x-b": "3"}],
	"request_headers_to_remove": {"x-c"},
	"query_parameters_to_set": {"q": "4"},
	"query_parameters_to_remove": ["z"],
	"dynamic_metadata": {"n": 5},
} if input.action.method == "GET"

else := {
	"allowed": false,
	"reason": "again",
	"http_status": 401,
	"body": "b",
	"headers": {"x-d": "6"},
	"step_up": {"acr": "mfa", "max_age": 60},
}
`), Options{})
	yes, err := e.Decide(t.Context(), ask(e, "GET", "/", "Viewer"))
	if err != nil {
		t.Fatal(err)
	}
	want := "{Allowed:true Role:Viewer Permission:p Reason:r StepUp:<nil> HTTPStatus:0 Body: " +
		"Headers:[{Name:x-a Value:1} {Name:x-a Value:2}] ResponseHeaders:[{Name:x-b Value:3}] RemoveHeaders:[x-c] " +
		"SetQuery:[{Name:q Value:4}] RemoveQuery:[z] Metadata:map[n:5] Code: Detail: Revision:" + e.Revision().ID + "}"
	if got := fmt.Sprintf("%+v", yes); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	no, err := e.Decide(t.Context(), ask(e, "POST", "/", "Viewer"))
	if err != nil {
		t.Fatal(err)
	}
	if no.Allowed || no.HTTPStatus != 401 || no.Body != "b" || no.StepUp == nil || no.StepUp.ACR[0] != "mfa" ||
		*no.StepUp.MaxAge != time.Minute || no.Headers[0] != (Header{"x-d", "6"}) {
		t.Errorf("got %+v", no)
	}
}

func TestErrorsOfThePolicyAreDenials(t *testing.T) {
	for name, c := range map[string]struct {
		rules, code string
	}{
		"undefined":       {"decision if input.subject.id == \"nobody\"\n", CodeUndefined},
		"two values":      {"decision := {\"allowed\": true, \"role\": r} if some r in input.subject.roles\n", CodeError},
		"broken pattern":  {"default decision := false\n\ndecision if not bad\n\nbad if regex.match(input.subject.claims.re, \"x\")\n", CodeError},
		"division by nil": {"default decision := false\n\ndecision if not bad\n\nbad if 1 / input.subject.claims.zero > 1\n", CodeError},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, authz(t, c.rules), Options{})
			in := ask(e, "GET", "/", "Viewer", "Admin")
			in.Subject.Claims = map[string]any{"re": "(", "zero": 0}
			d, err := e.Decide(t.Context(), in)
			if err != nil || d.Allowed || d.Code != c.code || d.Detail == "" {
				t.Errorf("got %+v, %v", d, err)
			}
		})
	}
}

// TestErrorsQuoteNothingOfTheRequest: errors end up in the decision log, which promises to hold no value of a query and no claim.
func TestErrorsQuoteNothingOfTheRequest(t *testing.T) {
	for _, call := range []string{"to_number(x) > 1", "json.unmarshal(x) > 1", "time.parse_rfc3339_ns(x) > 1", "regex.match(x, \"a\")", "units.parse_bytes(x) > 1", "net.cidr_contains(x, \"1.1.1.1\")"} {
		e := engine(t, authz(t, "default decision := false\n\nx := input.resource.query.token[0]\n\ndecision if "+call+"\n"), Options{})
		in := ask(e, "GET", "/")
		in.Resource.Query = map[string][]string{"token": {"hunter2("}}
		d, err := e.Decide(t.Context(), in)
		name, _, _ := strings.Cut(call, "(")
		if err != nil || d.Code != CodeError || strings.Contains(d.Detail, "hunter2") || !strings.Contains(d.Detail, name) || !strings.Contains(d.Detail, "authz.rego:7") {
			t.Errorf("%s: %q, %v", call, d.Detail, err)
		}
	}
}

func TestErrorsOfTheRolesAreRefusals(t *testing.T) {
	for rules, code := range map[string]string{
		"granted contains r if some r in input.subject.claims.roles\n":                                                                                    CodeInvalid,
		"granted contains \"x\" if regex.match(\"(\", input.subject.claims.re)\n\ngranted contains \"y\" if regex.match(input.subject.claims.re, \"\")\n": CodeError,
	} {
		fsys := overlay(t, map[string]string{"roles.rego": "package ssogate.roles\n\n" + rules})
		e := engine(t, fsys, Options{})
		for _, bad := range []any{1, "", "a\nb", nil, strings.Repeat("x", 300)} {
			in := ask(e, "GET", "/")
			in.Subject.Claims = map[string]any{"roles": []any{"Viewer", bad}, "re": "("}
			roles, err := e.Roles(t.Context(), in)
			refusal, ok := errors.AsType[*Refusal](err)
			if roles != nil || !ok || refusal.Code != code {
				t.Errorf("%v: got %q, %v, want %s", bad, roles, err, code)
			}
		}
	}
}

func TestTheClockOfAPolicyIsTheInputs(t *testing.T) {
	e := engine(t, authz(t, "decision := time.now_ns() == input.subject.claims.now\n"), Options{})
	in := ask(e, "GET", "/")
	in.Subject.Claims = map[string]any{"now": noon.UnixNano()}
	if d, err := e.Decide(t.Context(), in); err != nil || !d.Allowed {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestAFailedLoadKeepsWhatIsServed(t *testing.T) {
	e := engine(t, Default(), Options{})
	before := e.Revision()
	if err := e.Load(t.Context(), authz(t, "x :=\n")); err == nil {
		t.Fatal("loaded")
	}
	if after := e.Revision(); after.ID != before.ID || after.LastError == "" {
		t.Errorf("got %+v", after)
	}
	if err := e.Load(t.Context(), authz(t, "default decision := false\n")); err != nil {
		t.Fatal(err)
	}
	if after := e.Revision(); after.ID == before.ID || after.LastError != "" {
		t.Errorf("got %+v", after)
	}
}

func TestRolesNeverSeeTheRequest(t *testing.T) {
	v, err := rolesInput(ask(&Engine{}, "GET", "/secret", "Admin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"Admin", "secret", "action", "resource", "session", "context", "\"roles\""} {
		if strings.Contains(v.String(), word) {
			t.Errorf("%s is in %s", word, v)
		}
	}
}

const endless = "default decision := false\n\ndecision if {\n\tinput.action.method == \"POST\"\n\tcount([x | some x in numbers.range(1, 100000000)]) > 1\n}\n"

func TestAnEndlessEvaluationIsOurTimeout(t *testing.T) {
	e := engine(t, authz(t, endless), Options{})
	e.Timeout = 20 * time.Millisecond
	d, err := e.Decide(t.Context(), ask(e, "POST", "/"))
	fault, ok := errors.AsType[*Fault](err)
	if d.Allowed || !ok || fault.Code != CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %+v, %v", d, err)
	}
	e.Timeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err = e.Decide(ctx, ask(e, "POST", "/")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = e.Decide(gone, ask(e, "GET", "/")); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller has gone: got %v", err)
	}
}

func TestPanicsAndMissingTimeAreFaults(t *testing.T) {
	e := engine(t, Default(), Options{})
	in := ask(e, "GET", "/", "Viewer")
	broken := *in.pinned
	broken.decide = nil
	in.pinned = &broken
	d, err := e.Decide(t.Context(), in)
	if fault, ok := errors.AsType[*Fault](err); d.Allowed || !ok || fault.Code != CodeFault {
		t.Errorf("panic: got %+v, %v", d, err)
	}
	in = ask(e, "GET", "/", "Viewer")
	in.Now = time.Time{}
	if d, err = e.Decide(t.Context(), in); d.Allowed || err == nil {
		t.Errorf("no time: got %+v, %v", d, err)
	}
	in = ask(e, "GET", "/", "Viewer")
	in.Subject.Claims = map[string]any{"f": func() {}}
	if d, err = e.Decide(t.Context(), in); d.Allowed || err == nil {
		t.Errorf("a claim that is no value: got %+v, %v", d, err)
	}
}

func TestInputIsWhatTheSchemaSays(t *testing.T) {
	e := engine(t, Default(), Options{})
	in := ask(e, "GET", "/a/", "Viewer")
	in.Subject.Claims = map[string]any{"n": 1.5}
	in.Subject.Groups = []string{"g"}
	in.Tenant.RoleMappings = []RoleMapping{{ID: "m", Kind: "group", Value: "g", Role: "r"}, {ID: "n", Connection: "c", Kind: "claim", Claim: "k", Value: "v", Role: "r"}}
	in.Session = Session{AuthTime: noon, ACR: "mfa", AMR: []string{"otp"}}
	in.Resource.Query = map[string][]string{"q": {"1", "2"}}
	in.Context = Context{IP: "203.0.113.9", UserAgent: "ua"}
	v, err := decisionInput(in)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"action": {"method": "GET"}, "connection": {"id": "acme-okta", "protocol": "oidc", "provider": "okta"}, ` +
		`"context": {"ip": "203.0.113.9", "time": {"date": "2026-11-23", "hour": 12, "weekday": "Monday"}, "user_agent": "ua"}, ` +
		`"resource": {"host": "dashboard.acme.example", "path": "/a/", "query": {"q": ["1", "2"]}, "segments": ["a"]}, ` +
		`"session": {"acr": "mfa", "amr": ["otp"], "auth_time": 1795437000}, ` +
		`"subject": {"active": true, "claims": {"n": 1.5}, "display_name": "", "email": "", "groups": ["g"], "id": "u1", "roles": ["Viewer"], "source": "jit", "user_name": "sam@acme.example"}, ` +
		`"tenant": {"id": "acme", "role_mappings": [{"id": "m", "kind": "group", "role": "r", "value": "g"}, {"claim": "k", "connection": "c", "id": "n", "kind": "claim", "role": "r", "value": "v"}], "slug": "acme"}}`
	if got := v.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := sessionValue(Session{}).String(); got != "{}" {
		t.Errorf("a bearer's session is %s", got)
	}
	if got := sessionValue(Session{ACR: "x"}).String(); got != `{"acr": "x", "amr": [], "auth_time": 0}` {
		t.Errorf("a session of unknown age is %s", got)
	}
}

func TestForeignPoliciesKeepTheirManners(t *testing.T) {
	fsys := overlay(t, map[string]string{
		"roles.rego": "", "data.json": "", "authz.rego": "",
		"p.rego": "package envoy.authz\n\ndefault allow := false\n\nallow := {\"allowed\": true, \"mine\": 1} if {\n\tunused := 1\n\tinput.action.method == \"GET\"\n}\n",
	})
	e := engine(t, fsys, Options{Query: "data.envoy.authz.allow"})
	d, err := e.Decide(t.Context(), ask(e, "GET", "/"))
	if err != nil || !d.Allowed {
		t.Errorf("got %+v, %v", d, err)
	}
	if roles, err := e.Roles(t.Context(), ask(e, "GET", "/")); roles != nil || err != nil {
		t.Errorf("got %q, %v", roles, err)
	}
	if !slices.ContainsFunc(e.Revision().Notices, func(f Finding) bool {
		return f.Severity == SeverityWarning && strings.Contains(f.Message, "unused")
	}) {
		t.Errorf("got %v", e.Revision().Notices)
	}
	for _, query := range []string{"input.x", "data", "data.x[y]", "data.x.y; true", "1"} {
		if _, err := Load(t.Context(), fsys, Options{Query: query}); err == nil {
			t.Errorf("%s is a query", query)
		}
	}
}

// Two revisions that contradict each other in roles and decision: mixed, they would allow what both deny.
func TestEachCheckSeesOneWholeRevision(t *testing.T) {
	load := func(color string) *Revision {
		fsys := overlay(t, map[string]string{
			"roles.rego": "package ssogate.roles\n\ngranted contains \"" + color + "\"\n",
			"authz.rego": "package ssogate.authz\n\ndecision := {\"allowed\": input.subject.roles == [\"" + color + "\"], \"permission\": data.color}\n",
			"data.json":  `{"color": "` + color + `"}`,
		})
		rev, err := Load(t.Context(), fsys, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	revisions := []*Revision{load("red"), load("blue")}
	e := &Engine{Timeout: time.Minute, Now: func() time.Time { return noon }}
	e.Swap(revisions[0])

	var checks, swaps sync.WaitGroup
	done := make(chan struct{})
	swaps.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				e.Swap(revisions[i%2])
				e.Revision()
			}
		}
	})
	for range 4 {
		checks.Go(func() {
			for range 500 {
				in := ask(e, "GET", "/")
				roles, err := e.Roles(t.Context(), in)
				in.Subject.Roles = roles
				d, derr := e.Decide(t.Context(), in)
				if err != nil || derr != nil || !d.Allowed || d.Permission != roles[0] || d.Revision != in.pinned.ID() {
					t.Errorf("roles %q, decision %+v, %v, %v", roles, d, err, derr)
					return
				}
			}
		})
	}
	checks.Wait()
	close(done)
	swaps.Wait()
}
