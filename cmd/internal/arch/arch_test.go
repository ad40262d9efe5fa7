package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTheTreeKeepsItsRules(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	findings, err := check(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

// clean is a small tree without findings.
func clean() fstest.MapFS {
	tree := fstest.MapFS{}
	for _, name := range topLevel {
		if strings.Contains(name, ".") && name != ".ci" && name != ".github" || name == "Makefile" {
			tree[name] = &fstest.MapFile{}
		} else {
			tree[name] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		}
	}
	for dir, imports := range map[string][]string{
		"cmd/ssogate":         {"extauthz", "extauthz/store"},
		"cmd/demo":            {"idp/idptest", "cmd/internal/e2e"},
		"cmd/internal/e2e":    {"idp/idptest", "extauthz"},
		"extauthz":            {"extauthz/login", "policies"},
		"extauthz/login":      {"idp", "extauthz/session"},
		"extauthz/store":      {"scim/directory"},
		"extauthz/session":    {"idp/tenant"},
		"extauthz/audit":      nil,
		"idp":                 {"idp/internal/egress"},
		"idp/idptest":         {"idp", "idp/jwt"},
		"idp/internal/egress": nil,
		"idp/jwt":             {"idp/secret"},
		"idp/oidc":            {"idp"},
		"idp/secret":          nil,
		"idp/tenant":          nil,
		"policies":            nil,
		"scim/directory":      nil,
	} {
		plant(tree, dir+"/doc.go", "Package "+filepath.Base(dir)+" is here.", imports...)
	}
	return tree
}

// plant adds a file that imports packages of ours.
func plant(tree fstest.MapFS, path, comment string, imports ...string) {
	for i := range imports {
		imports[i] = modulePath + "/" + imports[i]
	}
	plantForeign(tree, path, comment, imports...)
}

func plantForeign(tree fstest.MapFS, path, comment string, imports ...string) {
	var text strings.Builder
	if comment != "" {
		text.WriteString("// " + comment + "\n")
	}
	text.WriteString("package " + filepath.Base(filepath.Dir(path)) + "\n")
	for _, i := range imports {
		text.WriteString("import _ \"" + i + "\"\n")
	}
	tree[path] = &fstest.MapFile{Data: []byte(text.String())}
}

func TestCleanTreeHasNoFindings(t *testing.T) {
	findings, err := check(clean())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

func TestEveryRuleFindsItsViolation(t *testing.T) {
	ours := func(path string, imports ...string) func(fstest.MapFS) {
		return func(tree fstest.MapFS) { plant(tree, path, "", imports...) }
	}
	foreign := func(path string, imports ...string) func(fstest.MapFS) {
		return func(tree fstest.MapFS) { plantForeign(tree, path, "", imports...) }
	}
	text := func(path, text string) func(fstest.MapFS) {
		return func(tree fstest.MapFS) { tree[path] = &fstest.MapFile{Data: []byte(text)} }
	}
	for _, c := range []struct {
		name  string
		plant func(fstest.MapFS)
		want  string // "" where the tree stays clean
	}{
		{"a floor up", ours("idp/x.go", "extauthz"), "idp/x.go: floor 1 must not import extauthz on floor 4"},
		{"the same floor", ours("extauthz/login/x.go", "extauthz/store"), "floor 3 must not import extauthz/store on floor 3"},
		{"the same floor, listed", ours("idp/jwt/x.go", "idp/secret"), ""},
		{"the same floor, listed the other way", ours("idp/secret/x.go", "idp/jwt"), "floor 0 must not import idp/jwt"},
		{"a leaf", ours("policies/x.go", "idp/tenant"), "floor 0 must not import idp/tenant on floor 0"},
		{"a command", ours("extauthz/x.go", "cmd/ssogate"), "floor 4 must not import cmd/ssogate on floor 5"},
		{"a floor up, in a test", ours("extauthz/login/x_test.go", "extauthz/store", "extauthz"), ""},
		{"a package without a floor", func(tree fstest.MapFS) {
			plant(tree, "idp/util/doc.go", "Package util helps.")
		}, "idp/util: this package has no floor"},
		{"a folder of tests without a floor", func(tree fstest.MapFS) {
			plant(tree, "scim/more/x_test.go", "Package more tests.")
		}, "scim/more: this package has no floor"},
		{"a test package that ships", ours("idp/oidc/x.go", "idp/idptest"), "must not import idp/idptest: it is for tests"},
		{"a test package in the binary", ours("cmd/ssogate/x.go", "idp/idptest"), "must not import idp/idptest: it is for tests"},
		{"test machinery in the binary", ours("cmd/ssogate/x.go", "cmd/internal/e2e"), "must not import cmd/internal/e2e"},
		{"a test package in the demo", ours("cmd/demo/x.go", "idp/idptest"), ""},
		{"guessable randomness", foreign("extauthz/session/x.go", "math/rand/v2"), "must not import math/rand/v2: its numbers can be guessed"},
		{"guessable randomness, of old", foreign("cmd/ssogate/x.go", "math/rand"), "must not import math/rand"},
		{"guessable randomness in a test", foreign("extauthz/session/x_test.go", "math/rand/v2"), ""},
		{"unsafe", foreign("policies/x.go", "unsafe"), "memory safety"},
		{"the global logger", foreign("idp/x.go", "log"), "take a *slog.Logger"},
		{"slog", foreign("idp/x.go", "log/slog"), ""},
		{"profiles for all", foreign("cmd/ssogate/x.go", "net/http/pprof"), "default mux"},
		{"testing in the binary", foreign("idp/x.go", "testing"), "test code would ship"},
		{"pages that do not escape", foreign("extauthz/login/x.go", "text/template"), "html/template"},
		{"somebody else's library", foreign("extauthz/login/x.go", "github.com/open-policy-agent/opa/v1/rego"),
			"which belongs to policies: policy is asked by policies.Engine"},
		{"its own library", foreign("policies/x.go", "github.com/open-policy-agent/opa/v1/rego"), ""},
		{"somebody else's library in a test", foreign("extauthz/login/x_test.go", "github.com/open-policy-agent/opa/v1/rego"), ""},
		{"a library of a like name", foreign("idp/x.go", "github.com/open-policy-agent/opacity"), ""},
		{"a library owned by the floor below", foreign("extauthz/x.go", "github.com/jackc/pgx/v5"), "belongs to extauthz/store"},
		{"a library owned by the floor above", foreign("extauthz/login/x.go", "google.golang.org/grpc/codes"), "belongs to extauthz, cmd"},
		{"grpc in cmd", foreign("cmd/ssogate/x.go", "google.golang.org/grpc"), ""},
		{"a library for tests", foreign("cmd/ssogate/x.go", "github.com/chromedp/chromedp"), "belongs to tests"},
		{"a program started", foreign("extauthz/x.go", "os/exec"), "the gate starts no programs"},
		{"SQL elsewhere", foreign("extauthz/session/x.go", "database/sql"), "SQL lives in extauthz/store"},
		{"tokens parsed elsewhere", foreign("idp/oidc/x.go", "github.com/go-jose/go-jose/v4/jwt"), "belongs to idp/jwt"},
		{"Envoy's messages inside", foreign("extauthz/subject.go", "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"),
			"Envoy's messages stop at the edge"},
		{"Envoy's messages at the edge", foreign("extauthz/response.go", "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"), ""},
		{"no package comment", func(tree fstest.MapFS) { plant(tree, "idp/tenant/doc.go", "") }, "idp/tenant: 0 package comments"},
		{"two package comments", func(tree fstest.MapFS) {
			plant(tree, "idp/tenant/x.go", "Package tenant is here again.")
		}, "idp/tenant: 2 package comments"},
		{"a comment that names another package", func(tree fstest.MapFS) {
			plant(tree, "idp/tenant/doc.go", "Package customer is here.")
		}, `must begin with "Package tenant"`},
		{"a build constraint is no comment", text("idp/tenant/x.go", "//go:build linux\npackage tenant\n"), ""},
		{"a wide interface", text("idp/x.go", "package idp\ntype T interface { A(); B(); C(); D(); E(); F(); G() }\n"), "an interface with 7 methods"},
		{"six methods", text("idp/x.go", "package idp\ntype T interface { A(); B(); C(); D(); E(); F() }\n"), ""},
		{"wide by embedding", text("idp/x.go", "package idp\ntype S interface { A(); B(); C(); D() }\ntype T interface { S; E(); F(); G() }\n"),
			"an interface with 7 methods"},
		{"wide without a name", text("idp/x.go", "package idp\nfunc f(interface { A(); B(); C(); D(); E(); F(); G() }) {}\n"), "an interface with 7 methods"},
		{"an interface in itself", text("idp/x.go", "package idp\ntype T interface { T }\n"), ""},
		{"Go beside the Rego", foreign("policies/rego/load.go"), "policies/rego is the security team's folder"},
		{"a Go test beside the Rego", foreign("policies/rego/load_test.go"), ""},
		{"a folder at the top", text("pkg/x.txt", ""), "pkg: does not belong at the top level"},
		{"a file at the top", text("NOTES.md", ""), "NOTES.md: does not belong at the top level"},
		{"what git ignores", text(".run/bench.txt", ""), ""},
		{"something gone", func(tree fstest.MapFS) { delete(tree, "README.md") }, "README.md: is missing at the top level"},
		{"a hidden folder", text(".tools/go/x.go", "not Go at all"), ""},
		{"a testdata folder", text("scim/testdata/x.go", "not Go at all"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := clean()
			c.plant(tree)
			findings, err := check(tree)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(findings) > 0 {
				t.Errorf("findings where there should be none: %q", findings)
			}
			if c.want != "" && (len(findings) != 1 || !strings.Contains(findings[0], c.want)) {
				t.Errorf("findings %q, want one with %q", findings, c.want)
			}
		})
	}
}

func TestFileThatDoesNotParseIsAnError(t *testing.T) {
	tree := clean()
	tree["idp/x.go"] = &fstest.MapFile{Data: []byte("package idp\nfunc {")}
	if _, err := check(tree); err == nil || !strings.Contains(err.Error(), "idp/x.go") {
		t.Errorf("got %v, want an error naming the file", err)
	}
}

// A rule about a package that does not exist is a misspelling, and guards nothing.
func TestRulesNameKnownPackages(t *testing.T) {
	for pair := range neighbours {
		for _, dir := range pair {
			if _, ok := floors[dir]; !ok {
				t.Errorf("neighbours: no package %s", dir)
			}
		}
		if floors[pair[0]] != floors[pair[1]] {
			t.Errorf("neighbours: %s and %s are not on one floor", pair[0], pair[1])
		}
	}
	for _, o := range owners {
		for _, dir := range o.who {
			if _, ok := floorOf(dir); !ok {
				t.Errorf("owners of %s: no package %s", o.library, dir)
			}
		}
		if o.why == "" {
			t.Errorf("owners of %s: no reason", o.library)
		}
	}
	if !slices.IsSorted(topLevel) {
		t.Error("topLevel is not in order")
	}
}
