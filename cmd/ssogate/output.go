package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// printJSON writes one value, indented. A terminal obeys nothing that stands in it: what clean takes away is escaped.
func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	var out strings.Builder
	for _, c := range b.String() {
		if c >= 0x7f && obeyed(c) { // json escapes those below, and sets its own line ends
			fmt.Fprintf(&out, `\u%04x`, c)
			continue
		}
		out.WriteRune(c)
	}
	if _, err := io.WriteString(a.stdout, out.String()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// obeyed reports a character that makes a terminal do something, or that shows one text as another.
func obeyed(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) }

// json reports whether results are for programs.
func (a *app) json() bool { return a.output == "json" }

// printf writes a line for people. Standard output remembers its first error; the exit status tells.
func (a *app) printf(format string, args ...any) {
	_, _ = fmt.Fprintln(a.stdout, clean(fmt.Sprintf(format, args...)))
}

// result prints v as JSON or a sentence for people.
func (a *app) result(v any, format string, args ...any) error {
	if a.json() {
		return a.printJSON(v)
	}
	a.printf(format, args...)
	return nil
}

// table prints rows under a heading, aligned; rows also as JSON, and none as a sentence.
func table[T any](a *app, rows []T, none string, heading []string, cells func(T) []string) error {
	if a.json() {
		if rows == nil {
			rows = []T{}
		}
		return a.printJSON(rows)
	}
	if len(rows) == 0 {
		a.printf("%s", none)
		return nil
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, strings.Join(heading, "\t"))
	for _, row := range rows {
		line := cells(row)
		for i, cell := range line {
			line[i] = cellText(cell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for line := range strings.Lines(out.String()) {
		_, _ = fmt.Fprintln(a.stdout, strings.TrimRight(line, " \n"))
	}
	return nil
}

// cellText is a value inside a table: one line, and a dash where there is nothing.
func cellText(s string) string {
	if s == "" {
		return "-"
	}
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(clean(s))
}

// clean takes away what a terminal would obey: names come from identity providers, and one may hold an escape
// sequence. Direction marks go too, since they can show one name as another.
func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' {
			return c
		}
		if obeyed(c) {
			return unicode.ReplacementChar
		}
		return c
	}, s)
}

// when prints an instant for people.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// stamp is an instant in JSON: absent when zero.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

// yes prints a bool for people.
func yes(b bool, is, isNot string) string {
	if b {
		return is
	}
	return isNot
}

// count prints 1 session, 2 sessions.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// confirm asks before something is gone for good. Without --yes somebody must be there to answer.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.person {
		return misused("add --yes to do it without being asked", "%s Nobody is here to answer", question)
	}
	_, _ = fmt.Fprintf(a.stderr, "%s Type yes: ", clean(question))
	answer, err := bufio.NewReader(io.LimitReader(a.stdin, 100)).ReadString('\n')
	if err != nil && err != io.EOF {
		return fmt.Errorf("read answer: %w", err)
	}
	if strings.TrimSpace(answer) != "yes" {
		return problem{Message: "nothing was changed"}
	}
	return nil
}
