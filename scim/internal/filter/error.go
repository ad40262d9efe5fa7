package filter

import (
	"fmt"
	"unicode/utf8"
)

// The scimType of an error (RFC 7644 §3.12).
const (
	InvalidFilter = "invalidFilter"
	InvalidPath   = "invalidPath"
)

// Error says what is wrong with a filter or path, and where. It quotes names and operators, never a value.
type Error struct {
	Type   string // InvalidFilter or InvalidPath
	Pos    int    // the character it is about, counted from 1
	Detail string // what is wrong and what to write instead
	Err    error  // cause, such as schema.ErrUnknownAttribute; may be nil
}

// Error is written for the person who configures the provisioning client.
func (e *Error) Error() string {
	what := "filter"
	if e.Type == InvalidPath {
		what = "path"
	}
	return fmt.Sprintf("%s, character %d: %s", what, e.Pos, e.Detail)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// shown is a word of the client's, short enough for an error.
func shown(word string) string {
	const most = 40
	if utf8.RuneCountInString(word) > most {
		word = string([]rune(word)[:most]) + "…"
	}
	return fmt.Sprintf("%q", word)
}
