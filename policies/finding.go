package policies

import (
	"fmt"
	"strings"
)

// Severity says what a finding does: an error keeps a revision from being served.
type Severity string

// The severities, most serious first.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNotice  Severity = "notice"
)

// Finding is one thing to know about a policy, at a place. Line and Col count from 1; 0 means that
// the finding concerns the whole file, an empty File the whole policy.
type Finding struct {
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Col      int      `json:"col,omitempty"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
}

// String is file:line:col: message, with the hint on a line of its own.
func (f Finding) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		if f.Line > 0 && f.Col > 0 {
			fmt.Fprintf(&b, ":%d", f.Col)
		}
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	if f.Hint != "" {
		b.WriteString("\n\t")
		b.WriteString(f.Hint)
	}
	return b.String()
}

// LoadError is a policy that cannot be served, with everything found wrong up to the step that failed.
type LoadError struct {
	Findings []Finding // errors only, at least one
}

// Error is one finding a line.
func (e *LoadError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

func failf(file, hint, format string, args ...any) error {
	return &LoadError{Findings: []Finding{{
		File: file, Severity: SeverityError, Message: fmt.Sprintf(format, args...), Hint: hint,
	}}}
}
