package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/tracio-ai/ssogate/scim/directory"
)

// inMemory filters and sorts what the condition leaves, which is at most MaxRows.
func (l *lister[T]) inMemory(ctx context.Context) (directory.Page[T], error) {
	if err := l.affordable(ctx); err != nil {
		return directory.Page[T]{}, err
	}
	rows, err := l.read(ctx, l.cond, l.sortKey(), l.orderBy(), directory.MaxRows+1, 0)
	if err != nil {
		return directory.Page[T]{}, err
	}
	if len(rows) > directory.MaxRows {
		return directory.Page[T]{}, directory.ErrTooMany
	}
	if l.want.Match != nil {
		if l.want.Related {
			if err := l.relate(ctx, l.q, l.tenant, rows); err != nil {
				return directory.Page[T]{}, err
			}
		}
		rows = slices.DeleteFunc(rows, func(r listed[T]) bool { return !l.want.Match(r.value) })
	}
	l.sort(rows)
	total := len(rows)
	return l.finish(ctx, l.fromStart(rows), total)
}

// sort orders by the caller's key; by a column the rows are in order already.
func (l *lister[T]) sort(rows []listed[T]) {
	key := l.want.Sort.Key
	if l.want.Sort.Column != "" || key == nil {
		return
	}
	for i := range rows {
		rows[i].key = ""
		if text, ok := key(rows[i].value); ok {
			rows[i].key = text
		}
	}
	slices.SortStableFunc(rows, l.compare)
}

// compare orders two rows: those without a value last, or first in a descending order, and equals by id.
func (l *lister[T]) compare(a, b listed[T]) int {
	if l.want.Sort.Column == "" && l.want.Sort.Key == nil {
		c := cmp.Compare(a.seq, b.seq)
		if l.want.Sort.Descending {
			return -c
		}
		return c
	}
	var c int
	switch {
	case a.key == b.key:
		return cmp.Compare(l.id(a.value), l.id(b.value))
	case a.key == "":
		c = 1
	case b.key == "":
		c = -1
	case l.orders[l.want.Sort.Column].number:
		c = cmp.Or(cmp.Compare(len(a.key), len(b.key)), cmp.Compare(a.key, b.key))
	default:
		c = cmp.Compare(a.key, b.key)
	}
	if l.want.Sort.Descending {
		return -c
	}
	return c
}

// fromStart skips the rows before the page.
func (l *lister[T]) fromStart(rows []listed[T]) []listed[T] {
	p := l.want.After
	if p == nil {
		return rows[min(len(rows), max(l.want.Start, 1)-1):]
	}
	if *p == (directory.Position{}) {
		return rows
	}
	for i, r := range rows {
		if l.behind(r, *p) {
			return rows[i:]
		}
	}
	return nil
}

func (l *lister[T]) behind(r listed[T], p directory.Position) bool {
	if l.want.Sort.Column == "" && l.want.Sort.Key == nil {
		return l.compare(r, listed[T]{seq: p.Seq}) > 0
	}
	if r.key == p.Key {
		return l.id(r.value) > p.ID
	}
	return l.compare(r, listed[T]{key: p.Key}) > 0
}
