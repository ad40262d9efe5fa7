//go:build !race

package store

import "testing"

func TestHitAllocatesNoMoreThanItsOwnCopy(t *testing.T) {
	gate, s := hot(t)
	check(t, gate, s)
	// One copy of amr, and the closures that would read the database.
	if n := testing.AllocsPerRun(1000, func() { check(t, gate, s) }); n > 8 {
		t.Errorf("%.0f allocations", n)
	}
}
