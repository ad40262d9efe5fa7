// Command ssogate is the gate in front of a dashboard: it serves Envoy's checks and runs the commands with which
// operators look after tenants, connections, people and policy.
//
// It promises to say what is wrong together with the step that mends it, to print nothing where all is well, and to
// exit with 0 when it is, 1 on findings and failures, and 2 when the command line cannot be meant. It never prints a
// secret, never takes one from the command line, and never deletes without being told so twice.
//
// The program is a value: run is given its arguments, environment and outputs, so that tests start the real one.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// The exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitMisuse = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program. Standard input is looked at only to ask before something is deleted.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	return program{args: args, getenv: getenv, stdin: os.Stdin, person: isTerminal(os.Stdin), stdout: stdout, stderr: stderr, now: time.Now}.run(ctx)
}

// program is one invocation and the world it sees.
type program struct {
	args   []string
	getenv func(string) string
	stdin  io.Reader
	person bool // somebody sits at stdin and can be asked
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
}

func (p program) run(ctx context.Context) int {
	var c cli
	helped := false
	parser, err := kong.New(&c,
		kong.Name("ssogate"),
		kong.Description("The gate in front of your dashboard: sign-in at each customer's identity provider, roles from policy, an answer for every request."),
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return p.fail(fmt.Errorf("describe commands: %w", err))
	}
	command, err := parser.Parse(p.args)
	if helped {
		return exitOK
	}
	if err != nil {
		return p.fail(misreading(err))
	}
	out := &remembering{to: p.stdout}
	return p.fail(errors.Join(command.Run(&app{
		ctx: ctx, getenv: p.getenv, stdin: p.stdin, person: p.person, stdout: out, stderr: p.stderr,
		now: p.now, configPath: c.Config, output: c.Output,
	}), out.failed()))
}

// remembering keeps the first error of an output, so that a list cut short by a full disk is not taken for a whole one
// and no command has to look after each line.
type remembering struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (r *remembering) Write(b []byte) (int, error) {
	n, err := r.to.Write(b)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

func (r *remembering) failed() error {
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("print: %w", r.err)
}

// misreading turns the parser's complaint into a misuse that names the help to read.
func misreading(err error) error {
	help := "run: ssogate --help"
	if bad, ok := errors.AsType[*kong.ParseError](err); ok && bad.Context != nil {
		if path := bad.Context.Command(); path != "" {
			help = "run: ssogate " + commandWords(path) + " --help"
		}
	}
	return misused(help, "%s", err.Error())
}

// commandWords keeps the words of a command without its <arguments>.
func commandWords(path string) string {
	words := strings.Fields(path)
	for i, w := range words {
		if strings.HasPrefix(w, "<") || strings.HasPrefix(w, "[") {
			return strings.Join(words[:i], " ")
		}
	}
	return strings.Join(words, " ")
}

// fail prints an error and chooses the exit status.
func (p program) fail(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[silent](err); ok {
		return exitFailed
	}
	_, _ = fmt.Fprintln(p.stderr, clean(err.Error())) // there is nowhere left to say that it did not arrive
	if _, ok := errors.AsType[misuse](err); ok {
		return exitMisuse
	}
	return exitFailed
}

// silent is a failure that has been printed already, as the command's own output.
type silent struct{}

func (silent) Error() string { return "findings" }

// isTerminal reports whether somebody can be asked.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
