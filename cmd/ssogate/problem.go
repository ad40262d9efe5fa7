package main

import (
	"errors"
	"fmt"
	"strings"
)

// problem is one thing to mend: where, what, and the step that mends it.
type problem struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// String is file:line: message, with the hint on a line of its own.
func (p problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
		if p.Line > 0 {
			fmt.Fprintf(&b, "%d:", p.Line)
		}
		b.WriteByte(' ')
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("\n\t" + p.Hint)
	}
	return b.String()
}

// Error implements error.
func (p problem) Error() string { return p.String() }

// problems is everything found wrong at once, in the order of the file: nobody should start the gate five times to
// hear of five mistakes.
type problems []problem

// Error is one problem after the other, each on lines of its own.
func (ps problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// err is nil when nothing was found: a nil slice in an error interface would not be.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return ps
}

// add appends what an error holds: problems as they are, anything else as a problem without a place. Nil adds nothing.
func (ps problems) add(err error) problems {
	if err == nil {
		return ps
	}
	if many, ok := errors.AsType[problems](err); ok {
		return append(ps, many...)
	}
	if one, ok := errors.AsType[problem](err); ok {
		return append(ps, one)
	}
	return append(ps, problem{Message: err.Error()})
}

// hinted is an error whose next step is known.
func hinted(hint, format string, args ...any) error {
	return problem{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// misuse is a command line that cannot be meant: exit status 2.
type misuse struct{ problem }

func misused(hint, format string, args ...any) error {
	return misuse{problem{Message: fmt.Sprintf(format, args...), Hint: hint}}
}

// nearest returns the known word that a misspelt one was probably meant to be, or "".
func nearest(word string, known []string) string {
	best, limit := "", max(1, len(word)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(word), k, limit); d <= limit {
			best, limit = k, d-1
		}
		if limit < 0 {
			break
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap between a and b. Past limit it is only known to be more.
func distance(a, b string, limit int) int {
	if len(a) > 40 || max(len(a)-len(b), len(b)-len(a)) > limit {
		return limit + 1
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
