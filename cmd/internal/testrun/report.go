package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of `go test -json`, as `go doc test2json` describes it.
type event struct {
	Action      string
	Package     string
	Test        string
	Elapsed     float64
	Output      string
	ImportPath  string // of build events
	FailedBuild string // of a package that was never run
}

// report counts tests and keeps the output of those still running. The zero value is ready for use.
type report struct {
	passed, failed, skipped int

	skipLines []string
	pending   map[string]*pending // by package
	builds    map[string]string   // compiler output by import path
}

// pending is a package whose tests run.
type pending struct {
	passed, failed, skipped int

	own     strings.Builder             // printed outside any test
	output  map[string]*strings.Builder // by running test
	failure []string                    // full texts of what failed
}

// read consumes events until the end and prints a line per package. What is no event is printed as it is.
func (r *report) read(events io.Reader, out io.Writer) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				say(out, "%s", strings.TrimRight(string(line), "\n"))
			} else {
				r.add(e, out)
			}
		}
		if err == io.EOF {
			r.unfinished(out)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test events: %w", err)
		}
	}
}

func (r *report) add(e event, out io.Writer) {
	switch {
	case e.Action == "build-output":
		if r.builds == nil {
			r.builds = map[string]string{}
		}
		r.builds[e.ImportPath] += e.Output
	case e.Package == "":
	case e.Test != "":
		r.of(e.Package).test(r, e)
	case e.Action == "output":
		r.of(e.Package).own.WriteString(e.Output)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		r.end(e, out)
	}
}

func (r *report) of(pkg string) *pending {
	if r.pending == nil {
		r.pending = map[string]*pending{}
	}
	p := r.pending[pkg]
	if p == nil {
		p = &pending{output: map[string]*strings.Builder{}}
		r.pending[pkg] = p
	}
	return p
}

// test takes the event of one test. A subtest's output stays apart from its parent's, and a failed one is printed
// with its own.
func (p *pending) test(r *report, e event) {
	if p.output[e.Test] == nil {
		p.output[e.Test] = &strings.Builder{}
	}
	text := p.output[e.Test]
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			text.WriteString(e.Output)
		}
		return
	case "pass":
		p.passed++
	case "fail":
		p.failed++
		p.failure = append(p.failure, text.String())
	case "skip":
		p.skipped++
		r.skipLines = append(r.skipLines, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(text.String())))
	default:
		return
	}
	delete(p.output, e.Test)
}

// reason is what a skipped test said, without the line of go test's own.
func reason(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "--- SKIP") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

// end closes a package. One that failed counts at least one failure, and so does each test that never ended, for
// a panic or a time-out takes them all down.
func (r *report) end(e event, out io.Writer) {
	p := r.of(e.Package)
	delete(r.pending, e.Package)
	if e.Action == "skip" || e.Action == "pass" && p.passed+p.skipped == 0 {
		return // no tests in it
	}
	if e.Action == "fail" {
		for _, name := range slices.Sorted(maps.Keys(p.output)) {
			p.failed++
			p.failure = append(p.failure, p.output[name].String()+name+" never ended\n")
		}
		p.failed = max(p.failed, 1)
	}
	word := "ok  "
	if p.failed > 0 {
		word = "FAIL"
	}
	say(out, "%s %-58s %4d passed %3d failed %3d skipped %7.1fs",
		word, e.Package, p.passed, p.failed, p.skipped, e.Elapsed)
	if p.failed > 0 {
		r.explain(p, e.FailedBuild, out)
	}
	r.passed += p.passed
	r.failed += p.failed
	r.skipped += p.skipped
}

// explain prints what failed, in full. What several packages need and does not build is printed once.
func (r *report) explain(p *pending, failedBuild string, out io.Writer) {
	texts := append(p.failure, p.own.String())
	if failedBuild != "" {
		texts = append(texts, "does not build: "+failedBuild, r.builds[failedBuild])
		delete(r.builds, failedBuild)
	}
	for _, text := range texts {
		if text = strings.TrimRight(text, "\n"); text != "" {
			say(out, "%s", text)
		}
	}
}

// unfinished fails the packages that never ended: go test was killed.
func (r *report) unfinished(out io.Writer) {
	for _, pkg := range slices.Sorted(maps.Keys(r.pending)) {
		r.end(event{Action: "fail", Package: pkg}, out)
	}
}

// finish prints what is left to say and returns the exit code. The last line counts; it never reads like a success
// when something was missing or went wrong.
func (r *report) finish(out io.Writer, missing, err error) int {
	for _, line := range r.skipLines {
		say(out, "SKIP %s", line)
	}
	if missing != nil {
		say(out, "MISSING %v\n`make tools` installs what is missing", missing)
	}
	if err != nil {
		say(out, "%v", err)
	}
	code := 0
	if missing != nil || err != nil || r.passed == 0 || r.failed > 0 {
		code = 1
		r.failed = max(r.failed, 1)
	}
	say(out, "%d passed, %d failed, %d skipped", r.passed, r.failed, r.skipped)
	return code
}
