package policies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// testBudget bounds all tests of a policy together while the gate loads it; a person who runs them has more patience.
const (
	testBudget    = 5 * time.Second
	commandBudget = 2 * time.Minute
)

// TestOptions say which tests [Test] runs and how.
type TestOptions struct {
	Options   Options
	Run       *regexp.Regexp // nil: all; matched against "data.package.test_name"
	Coverage  bool
	Threshold float64 // percent; below it the report is not OK. Implies Coverage.
}

// Outcome is what became of one test.
type Outcome string

// The outcomes. Skipped are rules named todo_test_….
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Errored Outcome = "error"
	Skipped Outcome = "skip"
)

// TestResult is one test_ rule.
type TestResult struct {
	Name     string        `json:"name"` // data.ssogate.authz_test.test_x
	File     string        `json:"file"`
	Line     int           `json:"line"`
	Outcome  Outcome       `json:"outcome"`
	Duration time.Duration `json:"duration_ns"`
	Failure  string        `json:"failure,omitempty"` // the expression that did not hold, and its values
	Output   string        `json:"output,omitempty"`  // of print()
}

// Range is lines From to To of a file, both included.
type Range struct {
	File string `json:"file"`
	From int    `json:"from"`
	To   int    `json:"to"`
}

// String is file:line or file:from-to.
func (r Range) String() string {
	if r.From == r.To {
		return fmt.Sprintf("%s:%d", r.File, r.From)
	}
	return fmt.Sprintf("%s:%d-%d", r.File, r.From, r.To)
}

// Coverage says which lines of the served modules no test evaluated.
type Coverage struct {
	Percent   float64 `json:"percent"`
	Uncovered []Range `json:"uncovered"`
}

// TestReport is a run of a policy's tests.
type TestReport struct {
	Tests     []TestResult `json:"tests"`
	Coverage  *Coverage    `json:"coverage,omitempty"`
	Threshold float64      `json:"threshold,omitempty"`
}

// OK says that at least one test ran, none failed, and coverage reaches the threshold.
func (r TestReport) OK() bool {
	ran := false
	for _, t := range r.Tests {
		if t.Outcome == Failed || t.Outcome == Errored {
			return false
		}
		ran = ran || t.Outcome == Passed
	}
	return ran && (r.Coverage == nil || r.Coverage.Percent >= r.Threshold)
}

// Test runs a policy's tests. The error is a [*LoadError] for a policy that does not compile.
func Test(ctx context.Context, fsys fs.FS, o TestOptions) (TestReport, error) {
	l, err := begin(fsys, o.Options)
	if err != nil {
		return TestReport{}, err
	}
	if err := l.compile(ctx); err != nil {
		return TestReport{}, err
	}
	if err := l.inspect(); err != nil {
		return TestReport{}, err
	}
	run := testRun{filter: o.Run, explain: true}
	if o.Coverage || o.Threshold > 0 {
		run.cover = cover.New()
	}
	report := TestReport{Threshold: o.Threshold}
	run.budget = commandBudget
	if report.Tests, err = l.test(ctx, run); err != nil {
		return TestReport{}, err
	}
	if run.cover != nil {
		report.Coverage = l.coverage(run.cover)
	}
	return report, nil
}

// runTests is the load step: one failure keeps the revision from being served.
func (l *loading) runTests(ctx context.Context) error {
	if l.options.SkipTests {
		l.note(Finding{Severity: SeverityWarning, Message: "tests are switched off", Hint: "set policy.tests to on"})
		return nil
	}
	results, err := l.test(ctx, testRun{})
	if err != nil {
		return err
	}
	if len(results) == 0 {
		l.note(Finding{Severity: SeverityNotice, Message: "the policy has no tests", Hint: "put rules named test_… into a file ending in _test.rego"})
		return nil
	}
	bad := func(t TestResult) bool { return t.Outcome == Failed || t.Outcome == Errored }
	if !slices.ContainsFunc(results, bad) {
		return nil
	}
	// Tracing costs several times the run, so only a failure pays for its explanation.
	if results, err = l.test(ctx, testRun{explain: true}); err != nil {
		return err
	}
	var found []Finding
	for _, t := range results {
		if !bad(t) {
			continue
		}
		message := "test " + t.Name + " failed"
		if t.Failure != "" {
			message += ": " + t.Failure
		}
		found = append(found, Finding{
			File: t.File, Line: t.Line, Severity: SeverityError, Message: message,
			Hint: "run ssogate policy test on this directory",
		})
	}
	if len(found) == 0 {
		return errors.New("a test failed once and passed the second time: it depends on something other than the policy")
	}
	return &LoadError{Findings: found}
}

type testRun struct {
	filter  *regexp.Regexp
	explain bool
	cover   *cover.Cover
	budget  time.Duration // 0: testBudget
}

// test compiles modules and tests together, apart from what is served, and runs every test rule.
func (l *loading) test(ctx context.Context, run testRun) ([]TestResult, error) {
	budget := cmp.Or(run.budget, testBudget)
	ctx, done := context.WithTimeout(ctx, budget)
	defer done()
	compiler := l.compiler(!l.foreign).WithEnablePrintStatements(true)
	runner := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(l.store).
		SetModules(l.modules).
		SetTimeout(budget).
		RaiseBuiltinErrors(!l.foreign).
		CapturePrintOutput(true).
		EnableTracing(run.explain)
	if run.filter != nil {
		runner = runner.Filter(run.filter.String())
	}
	if run.cover != nil {
		runner = runner.SetCoverageQueryTracer(run.cover)
	}
	var results []TestResult
	err := storage.Txn(ctx, l.store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		ch, err := runner.RunTests(ctx, txn)
		if err != nil {
			return opaErrors(err, "")
		}
		for r := range ch {
			results = append(results, testResult(r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, failf("", "make the tests smaller", "the tests did not end within %s", budget)
	}
	if err := l.checkTestData(compiler); err != nil {
		return nil, err
	}
	slices.SortFunc(results, func(a, b TestResult) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	return results, nil
}

// checkTestData holds tests to the same paths: "not data.ssogate.authz.decison.allowed" passes always.
func (l *loading) checkTestData(c *ast.Compiler) error {
	var found []Finding
	for name, m := range c.Modules {
		if isTest(name) {
			found = append(found, l.missingData(c, m)...)
		}
	}
	found = slices.DeleteFunc(found, func(f Finding) bool { return f.Severity != SeverityError })
	return l.settle(found)
}

func testResult(r *tester.Result) TestResult {
	t := TestResult{
		Name: r.Package + "." + r.Name, Duration: r.Duration, Outcome: Passed,
		Output: strings.TrimSpace(string(r.Output)),
	}
	if r.Location != nil {
		t.File, t.Line = r.Location.File, r.Location.Row
	}
	switch {
	case r.Skip:
		t.Outcome = Skipped
	case r.Error != nil:
		t.Outcome, t.Failure = Errored, r.Error.Error()
	case r.Fail:
		t.Outcome, t.Failure = Failed, failure(r)
	}
	return t
}

// failure finds the last expression of the test's own file that did not hold, and what its variables
// were.
func failure(r *tester.Result) string {
	for _, e := range slices.Backward(r.Trace) {
		expr, ok := e.Node.(*ast.Expr)
		if e.Op != topdown.FailOp || !ok || e.Location == nil || r.Location == nil || e.Location.File != r.Location.File {
			continue
		}
		text := string(e.Location.Text)
		if values := values(e, expr); values != "" {
			text += "  (" + values + ")"
		}
		return fmt.Sprintf("line %d: %s", e.Location.Row, text)
	}
	return ""
}

// values shows the variables of an expression, by the names they have in the source.
func values(e *topdown.Event, expr *ast.Expr) string {
	if e.Locals == nil {
		return ""
	}
	var out []string
	ast.WalkVars(expr, func(v ast.Var) bool {
		value := e.Locals.Get(v)
		if value == nil {
			return false
		}
		name := string(v)
		if meta, ok := e.LocalMetadata[v]; ok {
			name = string(meta.Name)
		}
		if pair := name + " = " + clip(value.String()); !slices.Contains(out, pair) && !strings.HasPrefix(name, "__") {
			out = append(out, pair)
		}
		return false
	})
	return strings.Join(out, ", ")
}

// coverage counts the lines of what is served; tests cover themselves.
func (l *loading) coverage(c *cover.Cover) *Coverage {
	modules := map[string]*ast.Module{}
	for name, m := range l.modules {
		if !isTest(name) {
			modules[name] = m
		}
	}
	report := c.Report(modules)
	out := &Coverage{}
	covered, not := 0, 0
	for name := range modules {
		file := report.Files[name]
		if file == nil {
			continue
		}
		for _, r := range file.Covered {
			covered += r.End.Row - r.Start.Row + 1
		}
		for _, r := range file.NotCovered {
			not += r.End.Row - r.Start.Row + 1
			out.Uncovered = append(out.Uncovered, Range{File: name, From: r.Start.Row, To: r.End.Row})
		}
	}
	if covered+not > 0 {
		out.Percent = 100 * float64(covered) / float64(covered+not)
	}
	slices.SortFunc(out.Uncovered, func(a, b Range) int { return cmp.Or(cmp.Compare(a.File, b.File), a.From-b.From) })
	return out
}
