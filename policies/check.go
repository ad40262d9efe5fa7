package policies

import (
	"bytes"
	"context"
	"errors"
	"io/fs"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Report is what [Check] found.
type Report struct {
	Revision string    `json:"revision,omitempty"` // empty when it would not be served
	Findings []Finding `json:"findings"`
}

// OK says that the policy would be served.
func (r Report) OK() bool { return r.Revision != "" }

// Check does all that [Load] does and tells more: warnings, notices, and files opa fmt would change.
// The error says that the policy could not be read.
func Check(ctx context.Context, fsys fs.FS, o Options) (Report, error) {
	var report Report
	rev, err := Load(ctx, fsys, o)
	if bad, ok := errors.AsType[*LoadError](err); ok {
		report.Findings = bad.Findings
	} else if err != nil {
		return Report{}, err
	} else {
		report.Revision, report.Findings = rev.ID(), rev.Notices()
	}
	files, err := readTree(fsys)
	if err != nil {
		if _, ok := errors.AsType[*LoadError](err); ok {
			return report, nil
		}
		return Report{}, err
	}
	for _, name := range files.names(isModule) {
		if !formatted(name, files[name]) {
			report.Findings = append(report.Findings, Finding{
				File: name, Severity: SeverityNotice, Message: "not formatted", Hint: "run opa fmt --write " + name,
			})
		}
	}
	return report, nil
}

// formatted is true for files that do not parse: those have a finding already.
func formatted(name string, content []byte) bool {
	out, err := format.SourceWithOpts(name, content, format.Opts{RegoVersion: ast.RegoV1})
	return err != nil || bytes.Equal(out, content)
}
