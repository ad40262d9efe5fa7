package policies

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

const header = "package ssogate.authz\n\ndefault decision := false\n\n"

func TestLoadRefusesAtThePlaceOfTheMistake(t *testing.T) {
	rolesHeader := "package ssogate.roles\n\n"
	for name, c := range map[string]struct {
		file, content string
		at, says      string
		hint          string
	}{
		"misspelt input": {"authz.rego", header + "decision if input.identty.id == \"x\"\n",
			"authz.rego:5:13", "undefined ref: input.identty.id", "input has action, connection"},
		"misspelt subject field": {"authz.rego", header + "decision if input.subject.usr_name == \"x\"\n",
			"authz.rego:5:13", "input.subject.usr_name", "did you mean input.subject.user_name?"},
		"misspelt behind an alias": {"authz.rego", header + "decision if {\n\ts := input.subject\n\ts.mail == \"x\"\n}\n",
			"authz.rego:7:2", "s.mail", "did you mean s.email?"},
		"misspelt behind an import": {"authz.rego", "package ssogate.authz\n\nimport input.subject as who\n\ndefault decision := false\n\ndecision if who.mail == \"x\"\n",
			"authz.rego:7:13", "input.subject.mail", "input.subject.email"},
		"wrong type": {"authz.rego", header + "decision if input.subject.id == 7\n",
			"authz.rego:5:13", "match error", "string"},
		"misspelt data": {"authz.rego", header + "decision if data.rolse.Viewer\n",
			"authz.rego:5:13", "data.rolse.Viewer: no rule, no data", "did you mean data.roles?"},
		"misspelt data in a loop": {"authz.rego", header + "decision if {\n\tsome r in data.rolse\n\tr.permissions == []\n}\n",
			"authz.rego:6", "data.rolse: no rule, no data", "data.roles"},
		"negated data": {"authz.rego", header + "decision if not data.blocked[input.subject.id]\n",
			"authz.rego:5:17", "data.blocked: no rule, no data", "add it"},
		"misspelt rule": {"authz.rego", header + "decision if data.ssogate.authz.alowed\n\nallowed if input.subject.active\n",
			"authz.rego:5:13", "data.ssogate.authz.alowed", "data.ssogate.authz.allowed"},
		"misspelt result": {"authz.rego", "package ssogate.authz\n\ndefault decision := {\n\t\"allowed\": false,\n\t\"raeson\": \"no\",\n}\n",
			"authz.rego:5:2", "no field \"raeson\"", "did you mean reason?"},
		"misspelt result in an else": {"authz.rego", header + "decision := {\"allowed\": true} if {\n\tinput.subject.active\n} else := {\"allowed\": false, \"stepup\": {}}\n",
			"authz.rego:7:30", "no field \"stepup\"", "step_up"},
		"result of the wrong type": {"authz.rego", "package ssogate.authz\n\ndefault decision := {\"allowed\": \"no\"}\n",
			"authz.rego:3:22", "allowed is string, want boolean", ""},
		"result without allowed": {"authz.rego", "package ssogate.authz\n\ndefault decision := {\"reason\": \"no\"}\n",
			"authz.rego:3:1", "without allowed", "allowed"},
		"result that is a text": {"authz.rego", "package ssogate.authz\n\ndefault decision := \"no\"\n",
			"authz.rego:3:1", "want a boolean or an object", ""},
		"result built at run time": {"authz.rego", "package ssogate.authz\n\ndecision := object.union({\"alowed\": true}, {\"x\": 1})\n",
			"authz.rego:3:1", "decision", ""},
		"no decision": {"authz.rego", "package ssogate.authz\n\ndecison := true\n",
			"", "data.ssogate.authz.decision: no rule", "write package"},
		"unused variable": {"authz.rego", header + "decision if {\n\tuser := input.subject.id\n\tinput.subject.active\n}\n",
			"authz.rego:6:2", "assigned var user unused", "misspelling"},
		"unknown variable": {"authz.rego", header + "decision if usr == input.subject.id\n",
			"authz.rego:5:13", "var usr is unsafe", "misspelt"},
		"network": {"authz.rego", header + "decision if http.send({\"url\": \"x\"}).status_code == 200\n",
			"authz.rego:5:13", "undefined function http.send", "allow_builtins"},
		"chance": {"authz.rego", header + "decision if rand.intn(\"x\", 2) == 1\n",
			"authz.rego:5:13", "undefined function rand.intn", "repeatable"},
		"environment": {"authz.rego", header + "decision if opa.runtime().env.X\n",
			"authz.rego:5:13", "undefined function opa.runtime", "withheld"},
		"older Rego": {"authz.rego", "package ssogate.authz\n\ndecision = true { input.subject.active }\n",
			"authz.rego:3:1", "`if` keyword", "--v0-v1"},
		"syntax": {"authz.rego", header + "decision if if\n",
			"authz.rego:5", "unexpected if keyword", ""},
		"half a file": {"authz.rego", header + "decision if {\n\tinput.subject.act",
			"authz.rego:6", "unexpected eof", ""},
		"roles by request": {"roles.rego", rolesHeader + "granted contains \"Admin\" if input.action.method == \"GET\"\n",
			"roles.rego:3:29", "roles.granted reads input.action.method: roles are computed once per change", "authz.decision"},
		"roles by the whole input": {"roles.rego", rolesHeader + "granted contains \"Admin\" if f(input)\n\nf(x) if x.action.method == \"GET\"\n",
			"roles.rego:3", "reads the whole input", "single fields"},
		"roles by a computed field": {"roles.rego", rolesHeader + "granted contains \"Admin\" if {\n\tsome k in [\"session\"]\n\tinput[k].acr == \"x\"\n}\n",
			"roles.rego:5", "reads the whole input", "single fields"},
		"roles by themselves": {"roles.rego", rolesHeader + "granted contains r if some r in input.subject.roles\n",
			"roles.rego:3", "its own answer", "role_mappings"},
		"roles by the clock": {"roles.rego", rolesHeader + "granted contains \"Admin\" if time.now_ns() > 1\n",
			"roles.rego:3:29", "calls time.now_ns", "authz.decision"},
		"roles by the decision": {"roles.rego", rolesHeader + "granted contains \"Admin\" if data.ssogate.authz.permission\n",
			"authz.rego", "roles.granted reads input.", "authz.decision"},
		"roles in a list": {"roles.rego", rolesHeader + "granted := [\"Admin\"]\n",
			"roles.rego:3:1", "is array, want a set of strings", "granted contains"},
		"roles that are numbers": {"roles.rego", rolesHeader + "granted contains 1\n",
			"roles.rego:3:1", "holds number", ""},
		"roles misnamed": {"roles.rego", rolesHeader + "grantd contains \"Admin\"\n",
			"", "data.ssogate.roles.granted: no rule", "granted contains"},
		"key twice": {"data.json", "{\"roles\": {},\n \"roles\": {}}",
			"data.json:2", `key "roles" comes twice`, ""},
		"bad JSON": {"data.json", "{\"roles\": {},\n \"order\" {}}",
			"data.json:2", "invalid character", ""},
		"two documents":         {"data.json", "{}\n{}", "data.json:2", "more than one value", ""},
		"data is a list":        {"data.json", "[]", "data.json", "must be an object", ""},
		"JSON and a tail":       {"data.json", "{}\n#", "data.json", "invalid character", ""},
		"key twice in YAML":     {"data.yaml", "a: 1\nb: 2\na: 3\n", "data.yaml:3:1", `key "a" comes twice`, ""},
		"alias in YAML":         {"data.yaml", "a: &x [1]\nb: *x\n", "data.yaml:2:4", "aliases are not followed", ""},
		"merge in YAML":         {"data.yaml", "a:\n  <<: {b: 1}\n", "data.yaml:2:3", "aliases are not followed", ""},
		"two documents in YAML": {"data.yaml", "a: 1\n---\nb: 2\n", "data.yaml", "more than one document", "keep one"},
		"deep YAML":             {"data.yaml", "a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "data.yaml:1", "nested deeper", ""},
		"bad YAML":              {"data.yaml", "a: [\n", "data.yaml", "yaml", ""},
		"data twice":            {"roles/data.json", "{\"Viewer\": 1}", "roles/data.json", `"Viewer" is set in another data file`, "keep one"},
		"data over a rule": {"ssogate/authz/data.json", "{\"decision\": true}",
			"authz.rego:10:1", "conflicting rule for data path", "data file"},
		"deep data": {"data.json", strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "data.json:1", "nested deeper", ""},
		"failing test": {"x_test.rego", "package x_test\n\nimport data.ssogate.authz\n\ntest_a if {\n\td := authz.decision with input as {\"action\": {\"method\": \"GET\"}, \"resource\": {\"segments\": [\"ws\"]}}\n\td.allowed\n}\n",
			"x_test.rego:5", "test data.x_test.test_a failed: line 7: d.allowed", "ssogate policy test"},
		"test that reads nothing": {"x_test.rego", "package x_test\n\ntest_a if not data.ssogate.authz.decison.allowed\n",
			"x_test.rego:3:15", "decison", "data.ssogate.authz.decision"},
		"test that sets nothing": {"x_test.rego", "package x_test\n\ntest_a if not data.ssogate.authz.permission with input as {\"acton\": {\"method\": \"GET\"}}\n",
			"x_test.rego:3:60", `input has no field "acton"`, "input.action"},
		"test that replaces nothing": {"x_test.rego", "package x_test\n\ntest_a if not data.ssogate.authz.permission with input.subject.rolse as []\n",
			"x_test.rego:3", `input.subject has no field "rolse"`, "input.subject.roles"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(t.Context(), overlay(t, map[string]string{c.file: c.content}), Options{})
			f := findings(t, err)[0]
			text := f.String()
			if !strings.HasPrefix(text, c.at+":") && c.at != "" || c.at == "" && f.File != "" {
				t.Errorf("at %s, want %s", text, c.at)
			}
			if !strings.Contains(f.Message, c.says) {
				t.Errorf("says %q, want %q", f.Message, c.says)
			}
			if !strings.Contains(f.Hint, c.hint) || c.hint != "" && f.Hint == "" {
				t.Errorf("hint %q, want %q", f.Hint, c.hint)
			}
		})
	}
}

func TestLoadTellsOfSeveralMistakesAtOnce(t *testing.T) {
	fsys := overlay(t, map[string]string{
		"authz.rego": header + "decision if input.identty.id == \"x\"\n\ndecision if input.subject.idd == \"x\"\n",
	})
	_, err := Load(t.Context(), fsys, Options{})
	if got := findings(t, err); len(got) != 2 || got[0].Line != 5 || got[1].Line != 7 {
		t.Errorf("got %v", got)
	}
	_, err = Load(t.Context(), overlay(t, map[string]string{"authz.rego": "package a\n\nx :=\n", "roles.rego": "packag b\n"}), Options{})
	var files []string
	for _, f := range findings(t, err) {
		files = append(files, f.File)
	}
	if !slices.Contains(files, "authz.rego") || !slices.Contains(files, "roles.rego") {
		t.Errorf("got %v", err)
	}
}

func TestWithheldBuiltinsComeBackOnRequest(t *testing.T) {
	fsys := authz(t, "default decision := false\n\ndecision if rand.intn(\"x\", 2) == 7\n")
	if _, err := Load(t.Context(), fsys, Options{AllowBuiltins: []string{"rand.intn"}}); err != nil {
		t.Error(err)
	}
	if _, err := Load(t.Context(), fsys, Options{AllowBuiltins: []string{"rand.int"}}); err == nil || !strings.Contains(err.Error(), "rand.intn") {
		t.Errorf("got %v", err)
	}
	for name := range withheld {
		known := slices.ContainsFunc(capabilities([]string{name}).Builtins, func(b *ast.Builtin) bool { return b.Name == name })
		gone := !slices.ContainsFunc(capabilities(nil).Builtins, func(b *ast.Builtin) bool { return b.Name == name })
		if !known || !gone {
			t.Errorf("%s: known %v, withheld %v", name, known, gone)
		}
	}
}

func TestNoticesDoNotKeepAPolicyFromLoading(t *testing.T) {
	for name, c := range map[string]struct {
		rules, says string
		severity    Severity
	}{
		"object.get":   {"default decision := false\n\ndecision if object.get(input, [\"subject\", \"idd\"], \"\") == \"x\"\n", "object.get on input", SeverityNotice},
		"no tests":     {"default decision := false\n", "no tests", SeverityNotice},
		"no default":   {"decision if input.subject.id == \"x\"\n", "is undefined for this input", SeverityWarning},
		"no such data": {"default decision := false\n\ndecision if {\n\tsome r in input.subject.roles\n\t\"x\" in data.roles[r].permisions\n}\n", "data.roles[_].permisions", SeverityWarning},
	} {
		t.Run(name, func(t *testing.T) {
			rev, err := Load(t.Context(), authz(t, c.rules), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(rev.Notices(), func(f Finding) bool {
				return f.Severity == c.severity && strings.Contains(f.Message, c.says)
			}) {
				t.Errorf("got %v", rev.Notices())
			}
		})
	}
}

func TestTestsCanBeSwitchedOffAloud(t *testing.T) {
	fsys := overlay(t, map[string]string{"x_test.rego": "package x_test\n\ntest_a if false\n"})
	if _, err := Load(t.Context(), fsys, Options{}); err == nil {
		t.Fatal("a failing test did not fail the load")
	}
	rev, err := Load(t.Context(), fsys, Options{SkipTests: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(rev.Notices()) == 0 || rev.Notices()[0].Severity != SeverityWarning {
		t.Errorf("got %v", rev.Notices())
	}
}

func TestServedPolicyHoldsNoTests(t *testing.T) {
	const q = "data.ssogate.authz_test.table"
	if _, err := Load(t.Context(), Default(), Options{Query: q}); !strings.Contains(err.Error(), "no rule") {
		t.Errorf("got %v", err)
	}
}

func TestRevisionIDFollowsEveryByte(t *testing.T) {
	id := func(files map[string]string, o Options) string {
		rev, err := Load(t.Context(), overlay(t, files), o)
		if err != nil {
			t.Fatal(err)
		}
		return rev.ID()
	}
	first := id(nil, Options{})
	if !strings.HasPrefix(first, "sha256:") || first != id(nil, Options{}) {
		t.Fatalf("%s is not stable", first)
	}
	if id(map[string]string{"README.md": "x", ".hidden.rego": "x"}, Options{}) != first {
		t.Error("a file that is no part of the policy changed the id")
	}
	seen := map[string]bool{first: true}
	for _, other := range []string{
		id(map[string]string{"x.rego": "package x\n"}, Options{}),
		id(map[string]string{"y.rego": "package x\n"}, Options{}),
		id(map[string]string{"x/data.json": "{}"}, Options{}),
		id(map[string]string{"x_test.rego": "package x_test\n\ntest_a := true\n"}, Options{}),
		id(nil, Options{AllowBuiltins: []string{"rand.intn"}}),
	} {
		if seen[other] {
			t.Errorf("%s comes twice", other)
		}
		seen[other] = true
	}
}

func TestBuiltInRolesServeAPolicyWithoutItsOwn(t *testing.T) {
	e := engine(t, overlay(t, map[string]string{"roles.rego": ""}), Options{})
	in := ask(e, "GET", "/")
	in.Tenant.RoleMappings = []RoleMapping{{Kind: "user", Value: "u1", Role: "Viewer"}}
	if got, err := e.Roles(t.Context(), in); err != nil || !slices.Equal(got, []string{"Viewer"}) {
		t.Errorf("got %q, %v", got, err)
	}
	_, err := Load(t.Context(), overlay(t, map[string]string{"roles.rego": "", "data.json": "", "authz.rego": header}), Options{})
	if f := findings(t, err)[0]; !strings.Contains(f.Message, "data.roles") {
		t.Errorf("got %v", f)
	}
}

func TestDataIsRootedAtItsDirectory(t *testing.T) {
	e := engine(t, overlay(t, map[string]string{
		"plan/eu/data.yaml": "open: [\"/status\"]\n",
		"authz.rego":        header + "decision if input.resource.path in data.plan.eu.open\n",
	}), Options{})
	if d, err := e.Decide(t.Context(), ask(e, "GET", "/status")); err != nil || !d.Allowed {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestLoadHasLimits(t *testing.T) {
	big := strings.Repeat("#", maxSource/2+1) + "\n"
	_, err := Load(t.Context(), overlay(t, map[string]string{"a.rego": big, "b.rego": big}), Options{})
	if f := findings(t, err)[0]; !strings.Contains(f.Message, "larger than 16 MiB") {
		t.Errorf("got %v", f)
	}
	many := fstest.MapFS{}
	for i := range maxFiles + 1 {
		many[strings.Repeat("a", 1+i%100)+"/"+strings.Repeat("b", 1+i/100)] = &fstest.MapFile{}
	}
	_, err = Load(t.Context(), many, Options{})
	if f := findings(t, err)[0]; !strings.Contains(f.Message, "more than") {
		t.Errorf("got %v", f)
	}
	_, err = Load(t.Context(), fstest.MapFS{}, Options{})
	if f := findings(t, err)[0]; f.Message != "no .rego file" {
		t.Errorf("got %v", f)
	}
	deep := header + "decision if " + strings.Repeat("[", 200_000) + "\n"
	if _, err := Load(t.Context(), overlay(t, map[string]string{"authz.rego": deep}), Options{}); err == nil {
		t.Error("endless nesting loads")
	}
}

func TestEndlessTestsEndTheLoad(t *testing.T) {
	fsys := overlay(t, map[string]string{"x_test.rego": "package x_test\n\ntest_a if count(numbers.range(1, 1000000000)) > 1\n"})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Load(ctx, fsys, Options{}); err == nil {
		t.Error("loaded")
	}
}

// changing gives another content at every read, as a tree in the middle of a save does.
type changing struct {
	fstest.MapFS
	reads map[string]int
	until int
}

func (c *changing) Open(name string) (fs.File, error) {
	c.reads[name]++
	if name == "authz.rego" && c.reads[name] <= c.until {
		return fstest.MapFS{name: {Data: []byte(strings.Repeat("#", c.reads[name]))}}.Open(name)
	}
	return c.MapFS.Open(name)
}

func TestATreeIsReadUntilItIsAtRest(t *testing.T) {
	calm := &changing{MapFS: overlay(t, nil), reads: map[string]int{}, until: 4}
	if _, err := Load(t.Context(), calm, Options{}); err != nil {
		t.Error(err)
	}
	restless := &changing{MapFS: overlay(t, nil), reads: map[string]int{}, until: 1 << 30}
	if _, err := Load(t.Context(), restless, Options{}); err == nil || !strings.Contains(err.Error(), "change faster") {
		t.Errorf("got %v", err)
	}
}

func TestInputSchemaIsTheOneInTheFile(t *testing.T) {
	const golden = "input.schema.json"
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(golden, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(Schema()) {
		t.Errorf("%s is older than input.go: run UPDATE=1 go test ./policies", golden)
	}
}

func TestSymlinkedDirectoriesAreNotEntered(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "authz.rego"), header)
	write(t, filepath.Join(dir, "data.json"), `{"roles": {}, "role_order": []}`)
	write(t, filepath.Join(outside, "evil.rego"), "package ssogate.authz\n\ndecision if true\n")
	if err := os.Symlink(outside, filepath.Join(dir, "sub")); err != nil {
		t.Fatal(err)
	}
	e := engine(t, os.DirFS(dir), Options{})
	if d, err := e.Decide(t.Context(), ask(e, "GET", "/")); err != nil || d.Allowed {
		t.Errorf("got %+v, %v", d, err)
	}
}

func write(t testing.TB, name, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestReportsNameEveryFinding(t *testing.T) {
	report, err := Check(t.Context(), overlay(t, map[string]string{"authz.rego": header + "decision   if input.subject.active\n"}), Options{})
	if err != nil || !report.OK() {
		t.Fatal(report, err)
	}
	if !slices.ContainsFunc(report.Findings, func(f Finding) bool { return f.Message == "not formatted" && f.File == "authz.rego" }) {
		t.Errorf("got %v", report.Findings)
	}
	_, err = Check(t.Context(), os.DirFS(filepath.Join(t.TempDir(), "absent")), Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestTestReportsExplainAFailure(t *testing.T) {
	fsys := overlay(t, map[string]string{"x_test.rego": "package x_test\n\nimport data.ssogate.authz\n\ntest_good := true\n\ntest_bad if {\n\tprint(\"look\", 7)\n\tr := authz.permission with input as {\"action\": {\"method\": \"GET\"}, \"resource\": {\"segments\": [\"ws\"]}}\n\tr == \"rules:read\"\n}\n\ntodo_test_later := false\n"})
	report, err := Test(t.Context(), fsys, TestOptions{Coverage: true})
	if err != nil || len(report.Tests) != 3 || report.OK() {
		t.Fatal(report, err)
	}
	outcomes := map[string]TestResult{}
	for _, r := range report.Tests {
		outcomes[r.Name] = r
	}
	bad := outcomes["data.x_test.test_bad"]
	if bad.Outcome != Failed || bad.Line != 7 || !strings.Contains(bad.Failure, `line 10: r == "rules:read"`) ||
		!strings.Contains(bad.Failure, `r = "events:read"`) || !strings.Contains(bad.Output, "look 7") {
		t.Errorf("got %+v", bad)
	}
	if outcomes["data.x_test.test_good"].Outcome != Passed || outcomes["data.x_test.todo_test_later"].Outcome != Skipped {
		t.Errorf("got %+v", outcomes)
	}
	if report.Coverage.Percent <= 0 || report.Coverage.Percent >= 100 || len(report.Coverage.Uncovered) == 0 ||
		!strings.HasPrefix(report.Coverage.Uncovered[0].String(), "authz.rego:") {
		t.Errorf("got %+v", report.Coverage)
	}
}
