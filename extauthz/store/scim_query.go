package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// listTimeout is how long a list may take: it may have to sort a tenant's million users.
const listTimeout = 10 * time.Second

// listing is what users and groups have in common as lists.
type listing[T any] struct {
	name    string // of the operation
	from    string
	columns string // with the row number first
	alias   string
	where   string // with the tenant as $1
	stat    string // the column of directory_stats
	orders  map[string]order
	scan    func(scan func(...any) error) (T, int64, error)
	id      func(T) string
	relate  func(ctx context.Context, q querier, t tenant.ID, rows []listed[T]) error
	related func(T) int
}

// order is a column that sorts.
type order struct {
	number bool // an instant
	gaps   bool // may be empty
}

type listed[T any] struct {
	value T
	seq   int64
	key   string // of the column it is sorted by
}

// Users implements directory.Store.
func (s *Store) Users(ctx context.Context, t tenant.ID, q directory.Query[directory.User]) (directory.Page[directory.User], error) {
	return list(ctx, s, t, q, listUsers())
}

func listUsers() listing[directory.User] {
	return listing[directory.User]{
		name: "list users", from: "users u", columns: prefixed("u.", userColumns), alias: "u.",
		where: "u.tenant = $1 AND u.source = 'scim'", stat: "users",
		orders: map[string]order{
			"u.id": {}, "u.user_name_ci": {}, "u.external_id": {gaps: true}, "u.display_ci": {gaps: true},
			"u.created": {number: true}, "u.modified": {number: true},
		},
		scan:   scanUser,
		id:     func(u directory.User) string { return string(u.ID) },
		relate: readGroups, related: func(directory.User) int { return 0 },
	}
}

// Groups implements directory.Store.
func (s *Store) Groups(ctx context.Context, t tenant.ID, q directory.Query[directory.Group]) (directory.Page[directory.Group], error) {
	return list(ctx, s, t, q, listGroups())
}

func listGroups() listing[directory.Group] {
	return listing[directory.Group]{
		name: "list groups", from: "user_groups g", columns: prefixed("g.", groupColumns), alias: "g.",
		where: "g.tenant = $1", stat: "groups",
		orders: map[string]order{
			"g.id": {}, "g.display_ci": {}, "g.external_id": {gaps: true}, "g.created": {number: true}, "g.modified": {number: true},
		},
		scan:   scanGroup,
		id:     func(g directory.Group) string { return string(g.ID) },
		relate: readMembers, related: func(g directory.Group) int { return len(g.Members) },
	}
}

func prefixed(alias, columns string) string {
	return alias + strings.ReplaceAll(columns, ", ", ", "+alias)
}

// statement is a condition with its values.
type statement struct {
	text string
	args []any
}

func (st statement) and(condition string, args ...any) statement {
	out := statement{st.text + " AND ", append(slices.Clone(st.args), args...)}
	n := len(st.args)
	for part := range strings.SplitAfterSeq(condition, "?") {
		text, found := strings.CutSuffix(part, "?")
		out.text += text
		if found {
			n++
			out.text += "$" + strconv.Itoa(n)
		}
	}
	return out
}

// lister answers one query in one snapshot.
type lister[T any] struct {
	listing[T]
	s      *Store
	q      querier
	tenant tenant.ID
	want   directory.Query[T]
	cond   statement
}

func list[T any](ctx context.Context, s *Store, t tenant.ID, want directory.Query[T], of listing[T]) (page directory.Page[T], err error) {
	if !storable(want.ID) {
		return page, nil
	}
	for _, a := range want.Args {
		if text, ok := a.(string); ok && !storable(text) {
			return page, fmt.Errorf("%s: %w", of.name, directory.ErrInvalid)
		}
	}
	if _, known := of.orders[want.Sort.Column]; want.Sort.Column != "" && !known {
		return page, fmt.Errorf("%s: %q is not a column to sort by", of.name, want.Sort.Column)
	}
	defer s.observe(of.name, s.now())
	ctx, cancel := context.WithTimeout(ctx, max(listTimeout, s.patience.read))
	defer cancel()
	err = s.inSnapshot(ctx, func(ctx context.Context, q querier) error {
		l := &lister[T]{listing: of, s: s, q: q, tenant: t, want: want, cond: statement{of.where, []any{t}}}
		page, err = l.page(ctx)
		return err
	})
	if err != nil {
		return directory.Page[T]{}, fmt.Errorf("%s: %w", of.name, err)
	}
	return page, nil
}

func (l *lister[T]) page(ctx context.Context) (directory.Page[T], error) {
	if l.want.ID != "" {
		l.cond = l.cond.and(l.alias+"id = ?", l.want.ID)
	}
	if l.want.Where != "" {
		l.cond = l.cond.and("("+l.want.Where+")", l.want.Args...)
	}
	byKey := l.want.Sort.Column == "" && l.want.Sort.Key != nil
	switch {
	case l.want.Match != nil || l.want.ID != "" || byKey && l.want.Count > 0:
		return l.inMemory(ctx)
	default:
		return l.inDatabase(ctx)
	}
}

// affordable refuses a query unless whether an index leaves few enough rows for sure; where none does, the tenant must be small.
func (l *lister[T]) affordable(ctx context.Context) error {
	if l.want.ID != "" || l.want.Indexed {
		return nil
	}
	n, err := l.all(ctx)
	if err == nil && n > directory.MaxRows {
		err = directory.ErrTooMany
	}
	return err
}

// all is how many the tenant has.
func (l *lister[T]) all(ctx context.Context) (n int, err error) {
	err = l.q.QueryRowContext(ctx, "SELECT COALESCE(MAX("+l.stat+"), 0) FROM directory_stats WHERE tenant = $1", l.tenant).Scan(&n)
	return n, err
}

func (l *lister[T]) total(ctx context.Context) (n int, err error) {
	if l.want.Where == "" {
		return l.all(ctx)
	}
	if err := l.affordable(ctx); err != nil {
		return 0, err
	}
	err = l.q.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+l.from+" WHERE "+l.cond.text, l.cond.args...).Scan(&n)
	return n, err
}

// inDatabase lets the database filter, sort and cut.
func (l *lister[T]) inDatabase(ctx context.Context) (page directory.Page[T], err error) {
	if page.Total, err = l.total(ctx); err != nil || l.want.Count <= 0 {
		return page, err
	}
	cond, offset := l.cond, 0
	k := anchorKey{l.tenant, l.signature(), max(l.want.Start, 1)}
	after := l.want.After
	if after == nil {
		if k.start > page.Total {
			return page, nil
		}
		if after = l.s.scim.marks.get(k, l.s.now()); after == nil {
			offset = k.start - 1
		}
	}
	if after != nil && *after != (directory.Position{}) {
		if cond, err = l.after(cond, *after); err != nil {
			return page, err
		}
	}
	rows, err := l.read(ctx, cond, l.sortKey(), l.orderBy(), l.want.Count+1, offset)
	if err != nil {
		return page, err
	}
	page, err = l.finish(ctx, rows, page.Total)
	if err == nil && l.want.After == nil && page.Next != nil {
		k.start += len(page.Items)
		l.s.scim.marks.put(k, *page.Next, l.s.now())
	}
	return page, err
}

// signature names the list that a row number counts in.
func (l *lister[T]) signature() string {
	return fmt.Sprintf("%s %s %t %q %q", l.name, l.want.Sort.Column, l.want.Sort.Descending, l.want.Where, fmt.Sprint(l.want.Args...))
}

// sortKey is the column that a position remembers, as text.
func (l *lister[T]) sortKey() string {
	if l.want.Sort.Column == "" {
		return "''"
	}
	return "CAST(" + l.want.Sort.Column + " AS TEXT)"
}

// gap is 1 for rows without a value: they come last, or first in a descending order (RFC 7644 §3.4.2.3).
func (l *lister[T]) gap() string {
	return "CASE WHEN " + l.want.Sort.Column + " = '' THEN 1 ELSE 0 END"
}

func (l *lister[T]) orderBy() string {
	column, direction := l.want.Sort.Column, ""
	if l.want.Sort.Descending {
		direction = " DESC"
	}
	switch {
	case column == "" && l.want.Indexed: // the plus keeps the planner from walking the whole table in order for the sake of the order
		return "+" + l.alias + "seq" + direction
	case column == "":
		return l.alias + "seq" + direction
	case l.orders[column].gaps:
		return l.gap() + direction + ", " + column + direction + ", " + l.alias + "id"
	}
	return column + direction + ", " + l.alias + "id"
}

// after leaves the rows behind a position.
func (l *lister[T]) after(cond statement, p directory.Position) (statement, error) {
	column, beyond := l.want.Sort.Column, ">"
	if l.want.Sort.Descending {
		beyond = "<"
	}
	if column == "" {
		return cond.and(l.alias+"seq "+beyond+" ?", p.Seq), nil
	}
	var key any = p.Key
	if l.orders[column].number {
		n, err := strconv.ParseInt(p.Key, 10, 64)
		if err != nil {
			return cond, fmt.Errorf("position: %w", err)
		}
		key = n
	}
	if !storable(p.Key) || !storable(p.ID) {
		return cond, fmt.Errorf("position: %w", directory.ErrInvalid)
	}
	// The first condition follows from the second, and is one that an index can start at.
	same := "(" + column + " " + beyond + "= ? AND (" + column + " " + beyond + " ? OR " + l.alias + "id > ?))"
	if !l.orders[column].gaps {
		return cond.and(same, key, key, p.ID), nil
	}
	gap := number(p.None)
	return cond.and("("+l.gap()+" "+beyond+" CAST(? AS BIGINT) OR "+l.gap()+" = CAST(? AS BIGINT) AND "+same+")", gap, gap, key, key, p.ID), nil
}

// read reads rows with the key they are sorted by.
func (l *lister[T]) read(ctx context.Context, cond statement, key, orderBy string, limit, offset int) ([]listed[T], error) {
	var rows []listed[T]
	st := l.rows(cond, key, orderBy, limit, offset)
	err := l.q.scan(ctx, func(scan func(...any) error) (err error) {
		var r listed[T]
		r.value, r.seq, err = l.scan(func(dest ...any) error { return scan(append(dest, &r.key)...) })
		rows = append(rows, r)
		return err
	}, st.text, st.args...)
	return rows, err
}

func (l *lister[T]) rows(cond statement, key, orderBy string, limit, offset int) statement {
	n := len(cond.args)
	st := statement{
		"SELECT " + l.columns + ", " + key + " FROM " + l.from + " WHERE " + cond.text + " ORDER BY " + orderBy + " LIMIT $" + strconv.Itoa(n+1),
		append(slices.Clone(cond.args), limit),
	}
	if offset > 0 {
		st.text += " OFFSET $" + strconv.Itoa(n+2)
		st.args = append(st.args, offset)
	}
	return st
}

// finish cuts rows to the page and says where the next one begins. rows may be one more than wanted.
func (l *lister[T]) finish(ctx context.Context, rows []listed[T], total int) (directory.Page[T], error) {
	page := directory.Page[T]{Total: total}
	more := len(rows) > l.want.Count
	rows = rows[:min(len(rows), l.want.Count)]
	if l.want.Related && l.want.Match == nil {
		read, err := l.relateSome(ctx, rows)
		if err != nil {
			return page, err
		}
		more = more || read < len(rows)
		rows = rows[:read]
	}
	for _, r := range rows {
		page.Items = append(page.Items, r.value)
	}
	if more && len(rows) > 0 {
		last := rows[len(rows)-1]
		page.Next = &directory.Position{Seq: last.seq}
		if l.want.Sort.Column != "" || l.want.Sort.Key != nil {
			page.Next = &directory.Position{Key: last.key, None: last.key == "", ID: l.id(last.value)}
		}
	}
	return page, nil
}

// relateSome reads what hangs on the rows and returns for how many: by cursor a page ends when it is heavy.
func (l *lister[T]) relateSome(ctx context.Context, rows []listed[T]) (int, error) {
	if l.want.After == nil {
		return len(rows), l.relate(ctx, l.q, l.tenant, rows)
	}
	heavy := 0
	for i := range rows {
		if err := l.relate(ctx, l.q, l.tenant, rows[i:i+1]); err != nil {
			return 0, err
		}
		if heavy += l.related(rows[i].value); heavy >= directory.MaxRelated {
			return i + 1, nil
		}
	}
	return len(rows), nil
}
