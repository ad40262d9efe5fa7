// Testrun is what `make test` and `make tools` run: it finds or installs the tools, starts PostgreSQL, runs every
// test under the race detector with no tool allowed to be missing, and says in one last line how it went.
//
// Usage:
//
//	testrun tools [NAME...]     install what is missing (all, or only the named: ENVOY, POSTGRES, …)
//	testrun test  [PACKAGE...]  run the tests (default ./...)
//
// It promises that its last line is "N passed, N failed, N skipped", that every failure's output is printed in full,
// and that it exits with something other than 0 when a test failed, when none ran or when a tool is missing.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out io.Writer) int {
	if len(args) == 0 {
		args = []string{""}
	}
	switch args[0] {
	case "tools":
		return install(ctx, args[1:], out)
	case "test":
		return test(ctx, args[1:], out)
	default:
		say(out, "usage: testrun tools [NAME...] | testrun test [PACKAGE...]")
		return 2
	}
}

// say prints a line. A report that cannot be written has nobody to be reported to.
func say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, format+"\n", args...)
}

func install(ctx context.Context, args []string, out io.Writer) int {
	err := error(nil)
	if len(args) == 0 {
		err = tools.InstallAll(ctx, out)
	} else {
		names := make([]tools.Name, len(args))
		for i, a := range args {
			names[i] = tools.Name(a)
		}
		err = tools.Install(ctx, out, names...)
	}
	if err != nil {
		say(out, "%v", err)
		return 1
	}
	return 0
}
