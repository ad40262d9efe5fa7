package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"modernc.org/sqlite"

	"github.com/tracio-ai/ssogate/scim/directory"
)

// rowsOf puts a condition into the template of an attribute with rows of its own.
func rowsOf(template, condition string) string { return strings.Replace(template, "{}", condition, 1) }

func indexed(t *testing.T) (users, groups map[string]string) {
	t.Helper()
	users, groups = map[string]string{}, map[string]string{}
	for name, c := range directory.UserColumns() {
		if c.Indexed && c.Rows != "" {
			users[name] = rowsOf(c.Rows, c.Value+" = ?")
		} else if c.Indexed {
			users[name] = c.Value + " = ?"
			users[name+" sw"] = "(" + c.Value + " >= ? AND " + c.Value + " < ?)"
		}
	}
	for name, c := range directory.GroupColumns() {
		if c.Indexed && c.Rows != "" {
			groups[name] = rowsOf(c.Rows, c.Value+" = ?")
		} else if c.Indexed {
			groups[name] = c.Value + " = ?"
		}
	}
	const manager = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"
	users["id and manager"] = "(" + users["id"] + " AND " + users[manager] + ")"
	groups["id and members"] = "(" + groups["id"] + " AND " + groups["members.value"] + ")"
	if len(users) < 9 || len(groups) < 5 {
		t.Fatalf("%d and %d conditions", len(users), len(groups))
	}
	return users, groups
}

// plan returns how the database would read the first page of a list.
func plan[T any](t *testing.T, s *Store, of listing[T], want directory.Query[T]) string {
	t.Helper()
	want.Indexed, want.Count = true, 100
	for range strings.Count(want.Where, "?") {
		want.Args = append(want.Args, "x")
	}
	l := &lister[T]{listing: of, s: s, tenant: acme, want: want, cond: statement{of.where, []any{acme}}}
	cond := l.cond
	if want.Where != "" {
		cond = cond.and(want.Where, want.Args...)
	} else {
		l.want.Indexed = false
	}
	st := l.rows(cond, l.sortKey(), l.orderBy(), 100, 0)
	explain := "EXPLAIN QUERY PLAN "
	if s.path == "" {
		explain = "EXPLAIN "
	}
	conn, err := s.readers.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if s.path == "" {
		// A few rows are read faster without an index; what is asked here is whether there is one for many.
		if _, err := conn.ExecContext(t.Context(), "SET enable_seqscan = off"); err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	err = querier{s.d, conn}.scan(t.Context(), func(scan func(...any) error) error {
		var text string
		if s.path == "" {
			err := scan(&text)
			lines = append(lines, text)
			return err
		}
		var a, b, c int
		err := scan(&a, &b, &c, &text)
		lines = append(lines, text)
		return err
	}, explain+st.text, st.args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// walksAll finds a step that reads a table or index from its beginning, or reads the tenant's rows one by one.
var walksAll = regexp.MustCompile(`(?m)SCAN |Seq Scan|USING (COVERING )?INDEX \S+ \(tenant=\?\)$`)

func TestEveryIndexedFilterUsesAnIndex(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		seed(t, s, acme)
		users, groups := indexed(t)
		for name, where := range users {
			if got := plan(t, s, listUsers(), directory.Query[directory.User]{Where: where}); walksAll.MatchString(got) {
				t.Errorf("users by %s:\n%s", name, got)
			}
		}
		for name, where := range groups {
			if got := plan(t, s, listGroups(), directory.Query[directory.Group]{Where: where}); walksAll.MatchString(got) {
				t.Errorf("groups by %s:\n%s", name, got)
			}
		}
		if s.path == "" {
			return
		}
		if got := plan(t, s, listUsers(), directory.Query[directory.User]{Where: "u.display_ci = ?"}); !walksAll.MatchString(got) {
			t.Errorf("the test cannot fail:\n%s", got)
		}
		if got := plan(t, s, listUsers(), directory.Query[directory.User]{}); !strings.Contains(got, "users_scim") || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("a page of all users is sorted:\n%s", got)
		}
	})
}

// tape is a driver that writes down every statement.
type tape struct {
	driver.Connector
	mu         sync.Mutex
	statements []string
}

func (p *tape) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	return &taped{c, p}, err
}

func (p *tape) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.statements = append(p.statements, text)
}

// during returns what ran while f did.
func (p *tape) during(f func()) []string {
	p.mu.Lock()
	p.statements = nil
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.statements
}

type taped struct {
	driver.Conn
	tape *tape
}

func (c *taped) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	q, ok := c.Conn.(driver.QueryerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	c.tape.note(query)
	return q.QueryContext(ctx, query, args)
}

func (c *taped) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	e, ok := c.Conn.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	c.tape.note(query)
	return e.ExecContext(ctx, query, args)
}

func (c *taped) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	b, ok := c.Conn.(driver.ConnBeginTx)
	if !ok {
		return nil, driver.ErrSkip
	}
	return b.BeginTx(ctx, o)
}

// onTape opens a SQLite store whose statements are written down.
func onTape(t *testing.T) (*Store, *tape) {
	t.Helper()
	s := newDatabase(t, "sqlite:"+t.TempDir()+"/gate.db").open(t)
	c, err := sqlite.NewConnector("file:" + s.path + "?_foreign_keys=1&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	p := &tape{Connector: c}
	for _, old := range []*sql.DB{s.db, s.readers} {
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
	}
	s.db = sql.OpenDB(p)
	s.db.SetMaxOpenConns(1)
	s.readers = sql.OpenDB(p)
	return s, p
}

func TestOneMemberCostsTheSameInAGroupOfAnySize(t *testing.T) {
	s, tape := onTape(t)
	seed(t, s, acme)
	ids, group := someUsers(t, s, 3000), directory.GroupID("")
	must := func(fn func(directory.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), acme, fn); err != nil {
			t.Fatal(err)
		}
	}
	must(func(tx directory.Tx) error {
		g, err := tx.PutGroup(directory.Group{DisplayName: "Everyone"})
		group = g.ID
		return err
	})
	step := func(d directory.Delta) int {
		return len(tape.during(func() {
			must(func(tx directory.Tx) error { _, err := tx.Members(group, d); return err })
		}))
	}
	small := step(directory.Delta{Add: ids[:1]})
	step(directory.Delta{Add: ids[1:2000]})
	for name, d := range map[string]directory.Delta{"add": {Add: ids[2999:]}, "remove": {Remove: ids[77:78]}} {
		if n := step(d); n > small+1 || n > 14 {
			t.Errorf("%s: %d statements, %d in an empty group", name, n, small)
		}
	}
	if n := step(directory.Delta{Clear: true}); n > 14 {
		t.Errorf("clear: %d statements", n)
	}
}

func TestGroupsWithoutMembersReadNoMember(t *testing.T) {
	s, tape := onTape(t)
	seed(t, s, acme)
	ids := someUsers(t, s, 10)
	err := s.Update(t.Context(), acme, func(tx directory.Tx) error {
		g, err := tx.PutGroup(directory.Group{DisplayName: "Everyone"})
		if err == nil {
			_, err = tx.Members(g.ID, directory.Delta{Add: ids})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	q := directory.Query[directory.Group]{Where: "g.display_ci = ?", Args: []any{"everyone"}, Indexed: true, Count: 100}
	read := func() string {
		return strings.Join(tape.during(func() {
			if page, err := s.Groups(t.Context(), acme, q); err != nil || len(page.Items) != 1 {
				t.Fatal(page, err)
			}
		}), "\n")
	}
	if got := read(); strings.Contains(got, "memberships") {
		t.Errorf("read members:\n%s", got)
	}
	q.Related = true
	if got := read(); !strings.Contains(got, "memberships") {
		t.Errorf("the test cannot fail:\n%s", got)
	}
}

func TestPageDeepInAWalkIsReadFromItsAnchor(t *testing.T) {
	s, tape := onTape(t)
	seed(t, s, acme)
	ids := someUsers(t, s, 2500)
	skipped := func(start int) bool {
		return strings.Contains(strings.Join(tape.during(func() {
			page, err := s.Users(t.Context(), acme, directory.Query[directory.User]{Start: start, Count: 500})
			if err != nil || page.Total != 2500 || page.Items[0].ID != ids[start-1] || len(page.Items) != min(500, 2500-start+1) {
				t.Fatalf("page at %d: %d of %d, %v", start, len(page.Items), page.Total, err)
			}
		}), "\n"), "OFFSET")
	}
	for _, start := range []int{1, 501, 1001, 1501, 2001} {
		if got := skipped(start); got != (start == 501) {
			t.Errorf("page at %d stepped over the rows before: %v", start, got)
		}
	}
	if !skipped(1777) {
		t.Error("a page that no walk ended before cannot have an anchor")
	}
}

func someUsers(t testing.TB, s *Store, n int) []directory.UserID {
	t.Helper()
	var ids []directory.UserID
	err := s.Update(t.Context(), acme, func(tx directory.Tx) error {
		for i := range n {
			u, err := tx.PutUser(directory.User{
				UserName: fmt.Sprintf("user%05d", i), ExternalID: fmt.Sprintf("ext%05d", i), Active: true,
				Doc: json.RawMessage(fmt.Sprintf(`{"emails":[{"value":"User%05d@Acme.example"}]}`, i)),
			})
			if err != nil {
				return err
			}
			ids = append(ids, u.ID)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}
