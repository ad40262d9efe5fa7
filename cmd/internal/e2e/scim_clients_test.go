package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// foreignSCIM runs a Python program of somebody else's against the service provider through Envoy. The token travels
// by the environment where the program takes it from there: arguments are everybody's to read.
func foreignSCIM(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	python := tools.Require(t, tools.NamePython)
	packages, err := tools.PythonPackages(t.Context())
	if err != nil {
		if tools.NamePython.Required() {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, NOT PROVEN: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), python, append([]string{filepath.Join(packages, "bin", program)}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), append(env, "PYTHONPATH="+packages, "NO_COLOR=1")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// empty is a stack whose directory holds nobody yet: scim2-tester reads the first page of a list only.
func empty(t *testing.T, store string) (s *Stack, token string) {
	t.Helper()
	s = NewStack(t, Options{Store: store, Tenant: "scim: true, "})
	var made struct{ Token string }
	out := s.CLI("scim", "token", "create", "--tenant", "acme", "--label", "foreign", "-c", s.Config, "--output", "json")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Token == "" {
		t.Fatalf("token create printed %s: %v", out, err)
	}
	return s, made.Token
}

func bothStores(t *testing.T, test func(t *testing.T, store string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, postgresDatabase(t)) })
}

// scim2Checks is how many checks scim2-tester makes of a service provider that advertises every attribute of RFC 7643
// it stores. A thin /Schemas would pass with fewer.
const scim2Checks = 136

func TestForeignSCIMTesterFindsNothingWrong(t *testing.T) {
	bothStores(t, func(t *testing.T, store string) {
		s, token := empty(t, store)
		out, err := foreignSCIM(t, []string{"SCIM_CLI_HEADERS=Authorization: Bearer " + token}, "scim2", "--url", s.URL+"/scim/v2", "test")
		if err != nil {
			t.Fatalf("scim2 test: %v\n%s", err, out)
		}
		counts := map[string]int{}
		for _, m := range regexp.MustCompile(`(?m)^([A-Z]+) [a-z_]`).FindAllStringSubmatch(out, -1) {
			counts[m[1]]++
		}
		if len(counts) != 1 || counts["SUCCESS"] != scim2Checks {
			t.Errorf("checks by outcome: %v, want %d SUCCESS\n%s", counts, scim2Checks, out)
		}
	})
}

// scim-sanity wants a body after every PATCH. A PATCH of a group is answered by 204 here, as Entra ID expects.
func TestForeignSCIMSanityMissesBodiesOfGroupPatchesOnly(t *testing.T) {
	s, token := empty(t, "")
	out, err := foreignSCIM(t, nil, "scim-sanity", "probe", s.URL+"/scim/v2", "--token", token, "--i-accept-side-effects")
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		t.Fatalf("scim-sanity: %v\n%s", err, out)
	}
	var failures []string
	passed := 0
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if what, ok := strings.CutPrefix(line, "[FAIL] "); ok {
			failures = append(failures, what)
		}
		if strings.HasPrefix(line, "[PASS] ") {
			passed++
		}
	}
	want := []string{"PATCH /Groups/{id}", "PATCH /Groups/{id} add member", "PATCH /Groups/{id} remove members"}
	if !slices.Equal(failures, want) || passed != 25 {
		t.Errorf("%d passed, failed: %s; want 25 and %s\n%s", passed, fmt.Sprint(failures), want, out)
	}
}
