package directory

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold is how values that ignore case are compared (RFC 7643 §2.2, caseExact false): two of them are the same when
// their folds are the same bytes. Databases do not fold for us: SQLite knows only ASCII, PostgreSQL follows the locale.
func Fold(s string) string {
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
}
