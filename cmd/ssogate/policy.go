package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tracio-ai/ssogate/policies"
)

type policyCmd struct {
	Check policyCheckCmd `cmd:"" help:"Do all that the gate does when it loads a policy, and say more about it."`
	Test  policyTestCmd  `cmd:"" help:"Run the policy's tests."`
}

// policyDir is where a policy command finds its files: the argument, the configuration, or the built-in policy.
type policyDir struct {
	Dir string `arg:"" optional:"" help:"Folder of the policy. Default: the configured one, else the built-in."`
}

// open returns the files, how they are loaded, and the prefix that makes their names paths.
func (d policyDir) open(a *app) (fs.FS, policies.Options, string, error) {
	if d.Dir != "" {
		info, err := os.Stat(d.Dir)
		if err != nil {
			return nil, policies.Options{}, "", misused("name the folder that holds the .rego files", "read policy: %s", fileTrouble(err))
		}
		if !info.IsDir() {
			return nil, policies.Options{}, "", misused("name the folder that holds the .rego files", "read policy: %s is not a folder", d.Dir)
		}
		o, err := d.options(a)
		return os.DirFS(d.Dir), o, d.Dir, err
	}
	c, err := a.config()
	if err != nil {
		return nil, policies.Options{}, "", err
	}
	files, err := c.policyFiles()
	return files, c.policyOptions(), shortPath(c.Policy.Path), err
}

// options are the configuration's where there is one: a folder can be checked on a machine that has none.
func (d policyDir) options(a *app) (policies.Options, error) {
	c, err := a.config()
	if err != nil {
		return policies.Options{}, err
	}
	return c.policyOptions(), nil
}

// shortPath names a path as seen from the working directory where it lies below.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil || path == "" {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}

// located makes a finding's file a path that an editor opens. What is built in has none.
func located(f policies.Finding, prefix string) policies.Finding {
	path := under(prefix, f.File)
	if path != f.File {
		f.Hint = strings.ReplaceAll(f.Hint, " "+f.File, " "+path)
	}
	f.File = path
	return f
}

func under(prefix, file string) string {
	if file == "" || prefix == "" || strings.HasPrefix(file, builtIn) {
		return file
	}
	return filepath.Join(prefix, filepath.FromSlash(file))
}

// builtIn is what the names of the files begin with that a policy without its own is completed with.
const builtIn = "builtin/"

type policyCheckCmd struct {
	policyDir
}

// Run prints what there is to know about a policy; an error or warning among it makes exit status 1.
func (cmd policyCheckCmd) Run(a *app) error {
	files, o, prefix, err := cmd.open(a)
	if err != nil {
		return err
	}
	report, err := policies.Check(a.ctx, files, o)
	if err != nil {
		return fmt.Errorf("read policy: %w", err)
	}
	for i := range report.Findings {
		report.Findings[i] = located(report.Findings[i], prefix)
	}
	if a.json() {
		if report.Findings == nil {
			report.Findings = []policies.Finding{}
		}
		err = a.printJSON(report)
	} else {
		for _, f := range report.Findings {
			a.printf("%s", findingText(f))
		}
	}
	if err == nil && (!report.OK() || serious(report.Findings)) {
		return silent{}
	}
	return err
}

// findingText names the severity of what would be served all the same.
func findingText(f policies.Finding) string {
	if f.Severity != policies.SeverityError {
		f.Message = string(f.Severity) + ": " + f.Message
	}
	return f.String()
}

func serious(found []policies.Finding) bool {
	for _, f := range found {
		if f.Severity != policies.SeverityNotice {
			return true
		}
	}
	return false
}

type policyTestCmd struct {
	policyDir
	Only      string  `name:"run" help:"Only tests whose name matches this regular expression." placeholder:"RE"`
	Coverage  bool    `help:"Also say which lines no test reaches."`
	Threshold float64 `help:"Fail below this percentage of lines reached." placeholder:"PERCENT"`
	Verbose   bool    `short:"v" help:"Also list the tests that passed."`
}

// Run runs the tests: one line for each that failed, with the expression that did not hold, then the sum.
func (cmd policyTestCmd) Run(a *app) error {
	files, o, prefix, err := cmd.open(a)
	if err != nil {
		return err
	}
	to := policies.TestOptions{Options: o, Coverage: cmd.Coverage, Threshold: cmd.Threshold}
	if cmd.Only != "" {
		if to.Run, err = regexp.Compile(cmd.Only); err != nil {
			return misused("", "--run: %s", err)
		}
	}
	if cmd.Threshold < 0 || cmd.Threshold > 100 {
		return misused("choose 0 to 100", "--threshold %g is no percentage", cmd.Threshold)
	}
	report, err := policies.Test(a.ctx, files, to)
	if bad, ok := errors.AsType[*policies.LoadError](err); ok {
		return a.unloadable(bad, prefix)
	}
	if err != nil {
		return fmt.Errorf("test policy: %w", err)
	}
	relocate(&report, prefix)
	if a.json() {
		err = a.printJSON(report)
	} else {
		a.showTests(report, cmd.Verbose, to.Run != nil)
	}
	if err == nil && !report.OK() {
		return silent{}
	}
	return err
}

// unloadable prints why a policy does not compile.
func (a *app) unloadable(bad *policies.LoadError, prefix string) error {
	for i := range bad.Findings {
		bad.Findings[i] = located(bad.Findings[i], prefix)
		if !a.json() {
			a.printf("%s", findingText(bad.Findings[i]))
		}
	}
	if a.json() {
		if err := a.printJSON(policies.Report{Findings: bad.Findings}); err != nil {
			return err
		}
	}
	return silent{}
}

// relocate makes file names paths, and an absent list an empty one.
func relocate(r *policies.TestReport, prefix string) {
	if r.Tests == nil {
		r.Tests = []policies.TestResult{}
	}
	for i := range r.Tests {
		r.Tests[i].File = under(prefix, r.Tests[i].File)
	}
	if r.Coverage == nil {
		return
	}
	for i := range r.Coverage.Uncovered {
		r.Coverage.Uncovered[i].File = under(prefix, r.Coverage.Uncovered[i].File)
	}
	r.Coverage.Uncovered = joined(r.Coverage.Uncovered)
}

// joined makes one range of those that touch: a rule is easier to find than its lines.
func joined(ranges []policies.Range) []policies.Range {
	var out []policies.Range
	for _, r := range ranges {
		if last := len(out) - 1; last >= 0 && out[last].File == r.File && r.From <= out[last].To+1 {
			out[last].To = max(out[last].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

func (a *app) showTests(r policies.TestReport, verbose, filtered bool) {
	sums := map[policies.Outcome]int{}
	for _, t := range r.Tests {
		sums[t.Outcome]++
		if t.Outcome == policies.Passed && !verbose {
			continue
		}
		a.printf("%s:%d: %s: %s", t.File, t.Line, t.Outcome, t.Name)
		if t.Failure != "" {
			a.printf("\t%s", t.Failure)
		}
		if t.Output != "" {
			a.printf("\tprinted: %s", t.Output)
		}
	}
	if c := r.Coverage; c != nil {
		for _, u := range c.Uncovered {
			a.printf("%s: no test reaches this", u)
		}
		a.printf("%.1f %% of lines reached%s", c.Percent, yes(c.Percent < r.Threshold, fmt.Sprintf(", want %g %%", r.Threshold), ""))
	}
	if len(r.Tests) == 0 {
		a.printf("%s", yes(filtered, "no test is called that", "no tests: put rules named test_… into a file ending in _test.rego"))
		return
	}
	bad := sums[policies.Failed] + sums[policies.Errored]
	a.printf("%s passed%s%s", count(sums[policies.Passed], "test", "tests"),
		yes(bad > 0, fmt.Sprintf(", %d failed", bad), ""), yes(sums[policies.Skipped] > 0, fmt.Sprintf(", %d skipped", sums[policies.Skipped]), ""))
}
