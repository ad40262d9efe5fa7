package tools

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionsCompareByNumber(t *testing.T) {
	for _, c := range []struct {
		version, minimum string
		want             bool
	}{
		{"1.40.0", "1.36", true},
		{"1.9.9", "1.36", false},
		{"15.18", "15", true},
		{"15", "15", true},
		{"9.6", "15", false},
		{"1", "1.36", false},
		{"20.20.2", "20", true},
		{"x", "1", false},
	} {
		if got := atLeast(c.version, c.minimum); got != c.want {
			t.Errorf("atLeast(%q, %q) = %v", c.version, c.minimum, got)
		}
	}
}

// script writes a program that prints text.
func script(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho '"+text+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestToolNamedByTheEnvironmentIsUsed(t *testing.T) {
	// Envoy prints its own path, here with another version in it, before the real one.
	path := script(t, "envoy-9.9.9", "envoy  version: abc/1.39.3/Clean/RELEASE/BoringSSL")
	t.Setenv("ENVOY", path)
	got, version, err := Envoy(t.Context())
	if err != nil || got != path || version != "1.39.3" {
		t.Errorf("got %q %q %v", got, version, err)
	}
}

func TestToolNamedByTheEnvironmentIsNeverPassedOver(t *testing.T) {
	old := script(t, "envoy", "envoy  version: abc/1.30.1/Clean/RELEASE/BoringSSL")
	for _, c := range []struct{ value, want string }{
		{"/nowhere/envoy", "$ENVOY"},
		{old, "older than 1.36"},
		{script(t, "silent", "nothing to see"), "no version"},
	} {
		t.Setenv("ENVOY", c.value)
		_, _, err := Envoy(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("$ENVOY=%s: got error %v, want one with %q", c.value, err, c.want)
		}
	}
}

func TestOldEnvoyOnPathIsPassedOver(t *testing.T) {
	old := script(t, "envoy", "envoy  version: abc/1.30.1/Clean/RELEASE/BoringSSL")
	t.Setenv("ENVOY", "")
	t.Setenv("PATH", filepath.Dir(old)+":"+os.Getenv("PATH"))
	path, _, err := envoy(t.Context(), false)
	if err == nil && path == old {
		t.Errorf("chose %s", path)
	}
}

func TestWheelOfAnotherVersionIsRefused(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	bin := filepath.Join(root, ".tools", "envoy", "1.37.0", "envoy", "_bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(root, "go.mod"): module + "\n",
		filepath.Join(bin, "envoy"):   "#!/bin/sh\necho version: abc/1.40.0/Clean\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if path, err := EnvoyVersion(t.Context(), "1.37.0"); err == nil {
		t.Errorf("took %s, which says it is 1.40.0", path)
	}
}

// recorder notes how a test was ended. Its Fatalf and Skipf do not return, like the real ones.
type recorder struct {
	testing.TB
	ended string
}

func (r *recorder) Fatalf(string, ...any) { r.ended = "fatal"; panic(r) }
func (r *recorder) Skipf(string, ...any)  { r.ended = "skip"; panic(r) }

func (r *recorder) require(n Name) {
	defer func() { _ = recover() }()
	Require(r, n)
	r.ended = "runs"
}

func TestMissingToolSkipsUnlessRequired(t *testing.T) {
	for _, c := range []struct {
		name               string
		required, variable string
		want               string
	}{
		{"plain go test", "", "", "skip"},
		{"full run", "1", "", "fatal"},
		{"named but not there", "", "/nowhere/chromium", "fatal"},
		{"named and there", "1", script(t, "chromium", "Chromium 156.0.1"), "runs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir()) // nothing is installed here
			if c.want == "runs" {
				t.Setenv("PATH", "/usr/bin:/bin")
			}
			t.Setenv("CHROMIUM", c.variable)
			t.Setenv(NameChromium.Variable(), c.required)
			r := &recorder{TB: t}
			r.require(NameChromium)
			if r.ended != c.want {
				t.Errorf("the test %q, want %q", r.ended, c.want)
			}
		})
	}
}

func TestPostgresServesKeepsItsDataAndLeavesNothingBehind(t *testing.T) {
	bin := Require(t, NamePostgres)
	s, err := StartPostgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	u, err := url.Parse(s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	dir := u.Query().Get("host")
	sql := func(text string) (string, error) {
		out, err := exec.Command(filepath.Join(bin, "psql"), "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text, s.DSN).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if out, err := sql("CREATE TABLE t (n int); INSERT INTO t VALUES (7)"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := sql("SHOW listen_addresses"); err != nil || out != "" {
		t.Errorf("listens on %q, %v; want the socket alone", out, err)
	}
	if err := s.Halt(); err != nil {
		t.Fatal(err)
	}
	if out, err := sql("SELECT 1"); err == nil {
		t.Errorf("answers %q after Halt", out)
	}
	if err := s.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out, err := sql("SELECT n FROM t"); err != nil || out != "7" {
		t.Errorf("after Resume: %q, %v; want 7", out, err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestAPackageOfAnotherVersionIsMissing(t *testing.T) {
	dir := t.TempDir()
	for i, p := range npmPackages {
		home := filepath.Join(dir, "node_modules", p.name)
		if err := os.MkdirAll(home, 0o755); err != nil {
			t.Fatal(err)
		}
		version := p.version
		if i == 0 {
			version += "1"
		}
		if err := os.WriteFile(filepath.Join(home, "package.json"), []byte(`{"version": "`+version+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := missingPackages(dir); len(got) != 1 || got[0] != npmPackages[0].String() {
		t.Errorf("missing %q, want only %s", got, npmPackages[0])
	}
}
