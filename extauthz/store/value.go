package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// micros is how instants are stored; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// truncated is t as it comes back from the database.
func truncated(t time.Time) time.Time { return instant(micros(t)) }

// number stores a bool: PostgreSQL does not take one for an integer column.
func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// plain makes text that an outsider chose storable, for columns that are only shown: PostgreSQL refuses U+0000 and
// invalid UTF-8, and a browser must not be able to make a sign-in fail by its User-Agent.
func plain(s string) string {
	const longest = 512
	if len(s) > longest {
		s = s[:longest]
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// storable reports whether text can be stored as it is; identifiers are refused rather than repaired.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func encode(what string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", what, err)
	}
	return string(b), nil
}

// decode keeps numbers as they were written: 2^53+1 in a claim stays what it is.
func decode(what, text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	return nil
}

// null stores an empty string as NULL, for columns that refer to another table.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }
