// Package arch holds the shape of the source tree as a test: which package may import which, who owns which
// library, what may lie at the top level. A failure says what is wrong, why it matters and what to do instead.
//
// It promises to read the files themselves on every run: a list of packages made by another process would let
// `go test` replay a cached pass after a bad import. It never looks at how code behaves; linters and tests do that.
//
// Why a test and not a review: an import that crosses a floor is one line in a long change, and by the time somebody
// notices, ten others lean on it.
package arch
