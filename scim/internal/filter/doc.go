// Package filter reads the filters and attribute paths of RFC 7644 §3.4.2.2 and §3.5.2, and answers them: over a
// decoded resource, or as a condition in SQL that finds the few rows worth looking at.
//
//	text ── Parse ──▶ Expr ── Binder ──▶ Filter ──▶ Match(resource)
//	                                        └─────▶ Lower(columns) = condition, arguments, and what is left to Match
//
// It promises that the two answers are one: a row is in the result exactly when Match says so, whichever part of the
// filter the database decided. Reading takes time linear in the text; text, nesting and size are limited. SQL is made
// of constants and the columns the caller describes; what a client wrote is in the arguments and nowhere else.
// Printing and reading again gives the same filter.
//
// It never knows a table, a tenant or a database, and never changes a resource.
//
// # What a comparison means
//
// A multi-valued attribute matches when one of its values does. An unassigned attribute (absent, null, empty, RFC 7643
// §2.5) equals null and "", differs from every value, and is neither above nor below any. Strings are compared by their
// bytes, folded first where the attribute is not case exact; dates are compared as instants. Booleans have no order and
// no parts, binaries no order: asking is an error.
//
// # Leniency
//
// Beyond the grammar of the RFC these are read, because clients send them: a sub-attribute behind a value path
// (emails[type eq "work"].value eq "x", Entra), values without quotes (externalId eq jyoung, meta.resourceType eq User),
// no blank before a quote (value eq"2819", printed in the RFC), a boolean in quotes or in any case ("True"), not with or
// without a blank before its parenthesis, several blanks, and blanks at either end of text, parentheses or brackets.
package filter
