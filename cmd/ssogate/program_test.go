package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// world is a program in a folder of its own, with somebody at its standard input.
func world(t *testing.T, person bool) func(stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	return func(stdin string, args ...string) (int, string, string) {
		var out, errs bytes.Buffer
		code := program{
			args: args, getenv: func(string) string { return "secret" }, stdin: strings.NewReader(stdin), person: person,
			stdout: &out, stderr: &errs, now: time.Now,
		}.run(context.Background())
		return code, out.String(), errs.String()
	}
}

func TestDeletingAsksWhoeverSitsThere(t *testing.T) {
	run := world(t, true)
	for _, args := range []string{
		"tenant create acme",
		"connection create --tenant acme --provider okta --domain acme.okta.com --client-id x --client-secret-env S --id acme-okta --no-probe",
	} {
		if code, _, errs := run("", strings.Fields(args)...); code != 0 {
			t.Fatal(errs)
		}
	}
	remove := strings.Fields("connection delete --tenant acme acme-okta")
	for _, answer := range []string{"", "no\n", "y\n", "yes please\n"} {
		code, out, errs := run(answer, remove...)
		if code != 1 || out != "" || !strings.Contains(errs, "Type yes: ") || !strings.Contains(errs, "nothing was changed") {
			t.Errorf("answer %q: %d, %q, %q", answer, code, out, errs)
		}
	}
	if code, out, errs := run("yes\n", remove...); code != 0 || !strings.Contains(out, "deleted") {
		t.Errorf("answer yes: %d, %q, %q", code, out, errs)
	}
}

func TestRunIsTheWholeProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"version"}, func(string) string { return "" }, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Errorf("exit status %d, %s", code, &errs)
	}
	if !strings.HasPrefix(out.String(), "ssogate ") {
		t.Errorf("printed %q", &out)
	}
}

func TestEachKindOfErrorHasItsExitStatus(t *testing.T) {
	for want, err := range map[int]error{
		exitOK: nil, exitFailed: fmt.Errorf("wrapped: %w", problem{Message: "x"}), exitMisuse: fmt.Errorf("wrapped: %w", misused("", "x")),
	} {
		var errs bytes.Buffer
		if got := (program{stderr: &errs}).fail(err); got != want {
			t.Errorf("%v: exit status %d, want %d", err, got, want)
		}
	}
	var errs bytes.Buffer
	if got := (program{stderr: &errs}).fail(silent{}); got != exitFailed || errs.Len() > 0 {
		t.Errorf("findings: exit status %d and %q", got, &errs)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestListCutShortIsAFailure(t *testing.T) {
	t.Chdir(t.TempDir())
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"version"}, func(string) string { return "" }, fullDisk{}, &errs); code != 1 || !strings.Contains(errs.String(), "print: no space left") {
		t.Errorf("exit status %d, %q", code, &errs)
	}
}

func TestMisspeltWordsFindTheirNeighbour(t *testing.T) {
	words := []string{"connections", "domains", "id", "role_mappings", "scim", "slug"}
	for misspelt, want := range map[string]string{
		"conections": "connections", "domian": "domains", "rolemappings": "role_mappings", "sulg": "slug", "di": "id", "ID": "id",
		"policy": "", "x": "", strings.Repeat("s", 1000): "",
	} {
		if got := nearest(misspelt, words); got != want {
			t.Errorf("%.20s: %q, want %q", misspelt, got, want)
		}
	}
}
