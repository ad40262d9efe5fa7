package policies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/types"
)

// parse reads every module, tests too, and reports the mistakes of all files at once.
func (l *loading) parse() error {
	l.modules = map[string]*ast.Module{}
	var found []Finding
	for _, name := range l.files.names(isModule) {
		m, err := l.parseModule(name)
		if err != nil {
			if e, ok := errors.AsType[*LoadError](err); ok {
				found = append(found, e.Findings...)
				continue
			}
			return err
		}
		l.modules[name] = m
	}
	if len(found) > 0 {
		return &LoadError{Findings: found}
	}
	return nil
}

func (l *loading) parseModule(name string) (*ast.Module, error) {
	text := string(l.files[name])
	m, err := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{
		RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: l.caps,
	})
	if err == nil {
		if m == nil {
			return nil, failf(name, "begin it with package ssogate.authz", "the file has no rules")
		}
		return m, nil
	}
	hint := ""
	if _, v0 := ast.ParseModuleWithOpts(name, text, ast.ParserOptions{RegoVersion: ast.RegoV0, Capabilities: l.caps}); v0 == nil {
		hint = "this is Rego v0: rewrite it with opa fmt --write --v0-v1 " + name
	}
	return nil, opaErrors(err, hint)
}

// compiler is one as strict as Load is; tests get their own, so the served one holds no test.
func (l *loading) compiler(strict bool) *ast.Compiler {
	return ast.NewCompiler().
		WithCapabilities(l.caps).
		WithStrict(strict).
		WithSchemas(l.schemas).
		WithUseTypeCheckAnnotations(true)
}

// compile makes the served compiler, without tests.
func (l *loading) compile(ctx context.Context) error {
	modules := map[string]*ast.Module{}
	for name, m := range l.modules {
		if !isTest(name) {
			modules[name] = m
		}
	}
	return storage.Txn(ctx, l.store, storage.TransactionParams{}, func(txn storage.Transaction) error {
		run := func(strict bool) *ast.Compiler {
			c := l.compiler(strict).WithPathConflictsCheck(storage.NonEmpty(ctx, l.store, txn))
			c.Compile(modules)
			return c
		}
		l.served = run(true)
		if !l.served.Failed() {
			return nil
		}
		strict := opaErrors(l.served.Errors, "")
		if !l.foreign {
			return strict
		}
		l.served = run(false)
		if l.served.Failed() {
			return opaErrors(l.served.Errors, "")
		}
		if e, ok := errors.AsType[*LoadError](strict); ok {
			for _, f := range e.Findings {
				f.Severity = SeverityWarning
				l.note(f)
			}
		}
		return nil
	})
}

// opaErrors makes findings of OPA's errors, with a hint where we have a better one than fallback.
func opaErrors(err error, fallback string) error {
	var list ast.Errors
	if e, ok := errors.AsType[ast.Errors](err); ok {
		list = e
	} else if e, ok := errors.AsType[*ast.Error](err); ok {
		list = ast.Errors{e}
	}
	if len(list) == 0 {
		return fmt.Errorf("compile policy: %w", err)
	}
	found := make([]Finding, 0, len(list))
	for _, e := range list {
		f := Finding{Severity: SeverityError, Message: e.Message, Hint: cmp.Or(fallback, hintFor(e))}
		if e.Location != nil {
			f.File, f.Line, f.Col = e.Location.File, e.Location.Row, e.Location.Col
		}
		found = append(found, f)
	}
	sortFindings(found)
	return &LoadError{Findings: slices.Compact(found)}
}

func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Message, b.Message))
	})
}

// hintFor says what to do about an error of OPA's, in one line.
func hintFor(e *ast.Error) string {
	switch d := e.Details.(type) {
	case *ast.RefErrInvalidDetail:
		if hint := spelling(d); hint != "" {
			return hint
		}
	case *ast.RefErrUnsupportedDetail:
		return fmt.Sprintf("%s is %s and has no fields", d.Ref[:d.Pos+1], types.Sprint(d.Have))
	}
	for name, why := range withheld {
		if strings.HasSuffix(e.Message, "undefined function "+name) {
			return fmt.Sprintf("%s is withheld: %s; policy.allow_builtins gives it back", name, why)
		}
	}
	switch {
	case strings.Contains(e.Message, "assigned var"), strings.Contains(e.Message, "declared var"):
		return "use it, or take the line out: it often is a misspelling of another variable"
	case strings.Contains(e.Message, "is unsafe"):
		return "give it a value in the same rule: a misspelt name is a new variable"
	case strings.Contains(e.Message, "multiple default rules"):
		return "keep one default for each rule"
	case strings.Contains(e.Message, "`if` keyword is required"):
		return "write the rule as: name := value if { … }"
	case strings.Contains(e.Message, "conflicting rule for data path"):
		return "a data file sets this path too: rename one of them"
	case strings.Contains(e.Message, "empty module"):
		return "begin it with package ssogate.authz, or take the file away"
	}
	if e.Details == nil || e.Code == ast.ParseErr {
		return ""
	}
	return strings.Join(trimmed(e.Details.Lines()), "; ")
}

func trimmed(lines []string) []string {
	var out []string
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" && strings.Trim(line, "^") != "" {
			out = append(out, line)
		}
	}
	return out
}

// spelling suggests the field that was probably meant.
func spelling(d *ast.RefErrInvalidDetail) string {
	if d.Pos >= len(d.Ref) || len(d.OneOf) == 0 {
		return ""
	}
	have, ok := d.Ref[d.Pos].Value.(ast.String)
	if !ok {
		return ""
	}
	var names []string
	for _, v := range d.OneOf {
		if s, ok := v.(ast.String); ok {
			names = append(names, string(s))
		}
	}
	prefix := d.Ref[:d.Pos].String()
	if near := nearest(string(have), names); near != "" {
		return fmt.Sprintf("did you mean %s.%s?", prefix, near)
	}
	return fmt.Sprintf("%s has %s", prefix, strings.Join(names, ", "))
}
