package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// module writes a module with the given files and goes there.
func module(t *testing.T, files map[string]string) {
	t.Helper()
	root := t.TempDir()
	files["go.mod"] = "module planted\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(root)
}

func testFile(pkg, body string) string {
	return "package " + pkg + "\n\nimport \"testing\"\n\n" + body
}

func TestEveryWayToFailIsCountedAndShown(t *testing.T) {
	pass := "func TestGood(t *testing.T) { t.Log(\"quiet\") }\n"
	for _, c := range []struct {
		name, text              string
		passed, failed, skipped int
		shown                   []string
	}{
		{"pass", pass, 1, 0, 0, []string{"ok   planted/p"}},
		{"skip", pass + "func TestNot(t *testing.T) { t.Skip(\"no envoy here\") }\n", 1, 0, 1,
			[]string{"ok   planted/p", "SKIP planted/p TestNot", "no envoy here"}},
		{"fail in a subtest", pass + "func TestBad(t *testing.T) { t.Run(\"sub\", func(t *testing.T) { t.Error(\"seven is not eight\") }) }\n",
			1, 2, 0, []string{"FAIL planted/p", "seven is not eight", "TestBad/sub"}},
		{"panic", pass + "func TestBad(t *testing.T) { panic(\"out of cheese\") }\n", 1, 1, 0,
			[]string{"FAIL planted/p", "out of cheese"}},
		{"exit", pass + "func TestBad(t *testing.T) { os.Exit(3) }\nvar _ = 1\n", 1, 1, 0, []string{"FAIL planted/p", "TestBad never ended"}},
		{"does not build", "func TestBad(t *testing.T) { undefinedName() }\n", 0, 1, 0,
			[]string{"FAIL planted/p", "undefined: undefinedName"}},
		{"fails vet", "func TestBad(t *testing.T) { t.Errorf(\"%d\", \"x\") }\n", 0, 1, 0, []string{"FAIL planted/p", "wrong type"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := testFile("p", c.text)
			if strings.Contains(text, "os.Exit") {
				text = strings.Replace(text, "import", "import \"os\"\nimport", 1)
			}
			module(t, map[string]string{"p/p_test.go": text, "empty/empty.go": "package empty\n"})
			var r report
			var out bytes.Buffer
			if err := goTest(t.Context(), &out, &r, os.Environ(), []string{"./..."}); err != nil {
				t.Fatal(err)
			}
			code := r.finish(&out, nil, nil)
			if want := min(c.failed, 1); code != want {
				t.Errorf("exit %d, want %d", code, want)
			}
			last := fmt.Sprintf("\n%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
			if !strings.HasSuffix(out.String(), last) {
				t.Errorf("the last line is not %q", last)
			}
			if r.passed != c.passed || r.failed != c.failed || r.skipped != c.skipped {
				t.Errorf("counted %d passed, %d failed, %d skipped; want %d, %d, %d",
					r.passed, r.failed, r.skipped, c.passed, c.failed, c.skipped)
			}
			for _, want := range c.shown {
				if !strings.Contains(out.String(), want) {
					t.Errorf("does not show %q", want)
				}
			}
			if strings.Contains(out.String(), "quiet") {
				t.Error("shows the log of a test that passed")
			}
			if t.Failed() {
				t.Log(out.String())
			}
		})
	}
}

func TestRunIsNoSuccessWithoutToolsOrTests(t *testing.T) {
	for _, c := range []struct {
		name         string
		report       report
		missing, err error
		want         string
	}{
		{"missing tool", report{passed: 3}, errors.New("no Envoy"), nil, "3 passed, 1 failed, 0 skipped\n"},
		{"broken run", report{passed: 3}, nil, errors.New("killed"), "3 passed, 1 failed, 0 skipped\n"},
		{"nothing ran", report{skipped: 2}, nil, nil, "0 passed, 1 failed, 2 skipped\n"},
	} {
		var out bytes.Buffer
		if code := c.report.finish(&out, c.missing, c.err); code != 1 || !strings.HasSuffix(out.String(), c.want) {
			t.Errorf("%s: exit %d, %q", c.name, code, out.String())
		}
	}
	good := report{passed: 3, skipped: 1}
	if code := good.finish(io.Discard, nil, nil); code != 0 {
		t.Errorf("a good run: exit %d", code)
	}
}

func TestPackagesThatCannotBeListedAreAnError(t *testing.T) {
	module(t, map[string]string{"p/p.go": "package p\n"})
	var r report
	if err := goTest(t.Context(), io.Discard, &r, os.Environ(), []string{"./nowhere"}); err == nil && r.failed == 0 {
		t.Error("go test of a folder that is not there looked like a success")
	}
}

func TestKilledRunFailsWhatWasRunning(t *testing.T) {
	var r report
	events := `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"half a line\n"}
`
	var out bytes.Buffer
	if err := r.read(strings.NewReader(events), &out); err != nil {
		t.Fatal(err)
	}
	if r.failed != 1 || !strings.Contains(out.String(), "half a line") {
		t.Errorf("%d failed, shown %q", r.failed, out.String())
	}
}

func TestBudgetsRunWithoutTheRaceDetector(t *testing.T) {
	got, err := unracedTests(fstest.MapFS{
		"p/alloc_test.go":  {Data: []byte("//go:build !race\n\npackage p\n\nfunc TestBudget(t *testing.T) {}\nfunc helper() {}\nfunc TestOther(t *testing.T) {}\n")},
		"p/p_test.go":      {Data: []byte("package p\n\nfunc TestPlain(t *testing.T) {}\n")},
		"q/race_test.go":   {Data: []byte("//go:build race\n\npackage q\n\nfunc TestRaced(t *testing.T) {}\n")},
		".tools/x_test.go": {Data: []byte("//go:build !race\n\nfunc TestForeign(t *testing.T) {}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || !slices.Equal(got["p"], []string{"TestBudget", "TestOther"}) {
		t.Errorf("got %v", got)
	}
}

func TestMisuseIsNotASuccess(t *testing.T) {
	var out bytes.Buffer
	for _, args := range [][]string{nil, {"tests"}} {
		if code := run(t.Context(), args, &out); code != 2 {
			t.Errorf("run %q: exit %d, want 2", args, code)
		}
	}
	if code := run(t.Context(), []string{"tools", "KUBERNETES"}, &out); code != 1 {
		t.Errorf("an unknown tool: exit %d, want 1", code)
	}
}

func TestVersionsAreSaidAgainAtTheEnd(t *testing.T) {
	if got := string(onlyUsed("Reading lists\nusing ENVOY 1.40.0 p\nE: x\nusing NODE 20 q\n")); got != "using ENVOY 1.40.0 p\nusing NODE 20 q\n" {
		t.Errorf("got %q", got)
	}
}
