// Demo is `make run`: a gate, a real Envoy in front of a pretend dashboard, and a pretend identity provider, started
// together on this machine so that the whole story can be clicked through.
//
// It promises to print the one address to open, to name what is in the way when something is, together with the step
// that gets round it, and to end everything it started when it ends. The parts are the real ones: the gate is the built
// program with a configuration file anyone can read, and Envoy runs on what `ssogate envoy config` printed.
//
// It listens on loopback only and is never to be deployed: the pretend identity provider asks nobody for a password.
//
// What it keeps, it keeps in one folder (.run/demo): the gate's database and root key and the client secret, so that
// people stay signed in over a restart. Logs there are of the latest start.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitMisuse = 2
)

// run is the whole program. It returns once everything it started has ended; ctx is the Ctrl-C.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitMisuse // the flag package has said why
	}
	d, err := newDemo(o, stdout)
	if err == nil {
		err = d.run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		say(stderr, "\n%v", err)
		return exitFailed
	}
	return exitOK
}

// options are what the command line chooses.
type options struct {
	port, idpPort int
	dir           string // empty: .run/demo in the repository
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.port, "port", 8080, "port of the dashboard, behind Envoy; 0 takes a free one")
	f.IntVar(&o.idpPort, "idp-port", 8081, "port of the demo identity provider; 0 takes a free one")
	f.StringVar(&o.dir, "dir", "", "folder for database, keys and logs (default .run/demo)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	bad := ""
	switch {
	case f.NArg() > 0:
		bad = fmt.Sprintf("demo takes no arguments, only flags: %q", f.Arg(0))
	case o.port < 0 || o.port > 65535 || o.idpPort < 0 || o.idpPort > 65535:
		bad = "a port is a number from 0 to 65535"
	case o.port == o.idpPort && o.port != 0:
		bad = "--port and --idp-port are the same: give each its own"
	}
	if bad != "" {
		say(stderr, "%s", bad)
		return o, errors.New(bad)
	}
	return o, nil
}

// say prints a line. What cannot be printed has nobody to be reported to.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...)
}

// short is a path as people would type it here.
func short(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || len(rel) >= len(path) || !filepath.IsLocal(rel) {
		return path
	}
	return rel
}
