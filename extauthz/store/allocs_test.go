//go:build !race

package store

import "testing"

func TestHitAllocatesNoMoreThanItsOwnCopy(t *testing.T) {
	gate, s := hot(t, sqliteFile(t))
	check(t, gate, s)
	// One copy of amr; room for one more.
	if n := testing.AllocsPerRun(1000, func() { check(t, gate, s) }); n > 2 {
		t.Errorf("%.0f allocations", n)
	}
}
