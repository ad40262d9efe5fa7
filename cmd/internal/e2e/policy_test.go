package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// policyFolder is a copy of the default policy that a test may edit.
func policyFolder(t *testing.T) string {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(shortDir(t), "rego")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "policies", "rego"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit replaces text in a file as an editor does: the new file takes the old one's place.
func edit(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), from) != 1 {
		t.Fatalf("%s holds %q %d times", filepath.Base(path), from, strings.Count(string(text), from))
	}
	whole := filepath.Join(filepath.Dir(path), ".whole")
	if err := os.WriteFile(whole, []byte(strings.Replace(string(text), from, to, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(whole, path); err != nil {
		t.Fatal(err)
	}
}

func TestPolicyEditIsLiveAndABrokenOneChangesNothing(t *testing.T) {
	dir := policyFolder(t)
	s := NewStack(t, Options{Policy: dir})
	p := s.As("vic")
	p.SignIn("/")
	if got := p.Fetch("GET", "/reports"); got.Status != 403 {
		t.Fatalf("before the edit: %d", got.Status)
	}
	rules := filepath.Join(dir, "authz.rego")
	edit(t, rules, "# GET /assets/app.js\n", `# GET /reports
permission := "dashboard:read" if {
	input.action.method in {"GET", "HEAD"}
	input.resource.segments == ["reports"]
}

# GET /assets/app.js
`)
	Eventually(t, "the edit is live", func() bool { return p.Fetch("GET", "/reports").Status == 200 })

	edit(t, rules, `input.resource.segments == ["reports"]`, `input.resource.segmints == ["reports"]`)
	Eventually(t, "the gate says what is wrong", func() bool { return strings.Contains(s.Gate.Output(), "segmints") })
	if got := p.Fetch("GET", "/reports"); got.Status != 200 {
		t.Errorf("a broken edit took the last good policy away: %d", got.Status)
	}
	edit(t, rules, `input.resource.segmints == ["reports"]`, `input.resource.segments == ["rapports"]`)
	Eventually(t, "the next good edit is live", func() bool { return p.Fetch("GET", "/reports").Status == 403 })
}
