package store

import "strings"

// rowsOf puts a condition into the template of an attribute with rows of its own.
func rowsOf(template, condition string) string { return strings.Replace(template, "{}", condition, 1) }
