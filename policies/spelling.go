package policies

import "slices"

// nearest is the name at most a third of its letters away from the one that was written, or "".
func nearest(have string, names []string) string {
	best, at := "", 1+max(len(have)/3, 2)
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(have, name); d < at {
			best, at = name, d
		}
	}
	return best
}

// distance counts the letters to insert, drop or change (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
