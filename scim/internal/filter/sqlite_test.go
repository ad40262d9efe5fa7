package filter

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

var folding = Binder{Type: schema.Users(), Fold: fold}

// columns are those of table below: some in the row, some in rows of their own, one with several columns in such a row.
var columns = map[string]Column{
	"userName":     {Value: "u.user_name", Fold: true, Indexed: true},
	"externalId":   {Value: "u.external_id", Indexed: true},
	"title":        {Value: "u.title", Fold: true},
	"active":       {Value: "u.active", Kind: Flag},
	"meta.created": {Value: "u.created", Kind: Ticks, Unit: time.Microsecond},
	"emails.value": {Value: "v.val", Fold: true, Indexed: true,
		Rows: "u.id IN (SELECT v.u FROM mails v WHERE {})"},
	"groups.value":   {Value: "g.val", Fold: true, Indexed: true, Rows: "EXISTS (SELECT 1 FROM memberships g WHERE g.u = u.id AND {})"},
	"groups.display": {Value: "g.display", Fold: true, Rows: "EXISTS (SELECT 1 FROM memberships g WHERE g.u = u.id AND {})"},
	schema.EnterpriseUserURN + ":manager.value": {Value: "u.manager", Fold: true},
}

const table = `
CREATE TABLE users (id INTEGER PRIMARY KEY, user_name TEXT NOT NULL, external_id TEXT, title TEXT NOT NULL,
  active INTEGER, created INTEGER, manager TEXT);
CREATE TABLE mails (u INTEGER, val TEXT NOT NULL);
CREATE TABLE memberships (u INTEGER, val TEXT NOT NULL, display TEXT NOT NULL);
CREATE INDEX users_name ON users (user_name);
CREATE INDEX users_external ON users (external_id);
CREATE INDEX mails_val ON mails (val);
CREATE INDEX memberships_val ON memberships (val, u);`

// people fills a database with documents and returns both.
func people(t testing.TB, d *dice, n int) (*sql.DB, []map[string]any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	do := func(text string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	do(table)
	do("BEGIN")
	var docs []map[string]any
	for id := range n {
		doc := d.user()
		docs = append(docs, doc)
		meta := object(doc["meta"])
		created, err := time.Parse(time.RFC3339Nano, str(meta["created"]))
		if err != nil {
			t.Fatal(err)
		}
		manager := object(object(doc[schema.EnterpriseUserURN])["manager"])["value"]
		do("INSERT INTO users VALUES (?,?,?,?,?,?,?)", id, fold(str(doc["userName"])), orNull(doc["externalId"], str), fold(str(doc["title"])),
			doc["active"], created.UnixMicro(), orNull(manager, func(v any) string { return fold(str(v)) }))
		for _, e := range list(doc["emails"]) {
			if v := str(object(e)["value"]); v != "" {
				do("INSERT INTO mails VALUES (?,?)", id, fold(v))
			}
		}
		for _, g := range list(doc["groups"]) {
			do("INSERT INTO memberships VALUES (?,?,?)", id, fold(str(object(g)["value"])), fold(str(object(g)["display"])))
		}
	}
	do("COMMIT")
	return db, docs
}

// An absent value is the zero value in these.
func str(v any) string            { s, _ := v.(string); return s }
func object(v any) map[string]any { m, _ := v.(map[string]any); return m }
func list(v any) []any            { l, _ := v.([]any); return l }

func orNull(v any, text func(any) string) any {
	if v == nil {
		return nil
	}
	return text(v)
}

// found answers a filter by the database and what it leaves to Go.
func found(t testing.TB, db *sql.DB, docs []map[string]any, low Lowered) []int {
	t.Helper()
	if low.Never {
		return nil
	}
	where := low.Where
	if where == "" {
		where = "TRUE"
	}
	text := "SELECT u.id FROM users u WHERE " + strings.ReplaceAll(where, "strpos(", "instr(") + " ORDER BY u.id"
	rows, err := db.QueryContext(t.Context(), text, low.Args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var ids []int
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		if low.Residual == nil || low.Residual.Match(docs[id]) {
			ids = append(ids, id)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

func matching(docs []map[string]any, f *Filter) []int {
	var ids []int
	for id, doc := range docs {
		if f.Match(doc) {
			ids = append(ids, id)
		}
	}
	return ids
}

// agree compares the two answers to one filter.
func agree(t testing.TB, db *sql.DB, docs []map[string]any, text string) Lowered {
	t.Helper()
	f, err := folding.Filter(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	low := f.Lower(columns)
	want, got := matching(docs, f), found(t, db, docs, low)
	if !slices.Equal(want, got) {
		t.Errorf("%s\nby Match %v\nby SQL   %v\nwhere %s %q, residual %v", text, want, got, low.Where, low.Args, low.Residual != nil)
	}
	return low
}

func TestTheDatabaseAndMatchFindTheSameRows(t *testing.T) {
	d := new(dice(1))
	db, docs := people(t, d, 120)
	const rounds = 4000
	var whole, narrow, some int
	for range rounds {
		text := d.filter(d.roll(4), false)
		low := agree(t, db, docs, text)
		if t.Failed() {
			return
		}
		if low.Residual == nil {
			whole++
		}
		if low.Narrow {
			narrow++
		}
		if n := len(found(t, db, docs, low)); n > 0 && n < len(docs) {
			some++
		}
	}
	t.Logf("%d filters: %d decided by the database alone, %d narrowed by an index, %d found some but not all", rounds, whole, narrow, some)
	if whole < rounds/5 || narrow < rounds/50 || some < rounds/5 {
		t.Error("the filters do not try what they should")
	}
}

func FuzzTheDatabaseAndMatchFindTheSameRows(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, seed%5)
	}
	db, docs := people(f, new(dice(2)), 60)
	f.Fuzz(func(t *testing.T, seed, depth uint64) {
		d := new(dice(seed))
		agree(t, db, docs, d.filter(int(depth%5), false))
	})
}

func TestEveryEverydayFilterIsNarrowedByAnIndexAndDecidedBySQL(t *testing.T) {
	db, _ := people(t, new(dice(3)), 200)
	for _, c := range []struct {
		text     string
		residual bool
	}{
		{text: `userName eq "x"`},
		{text: `userName sw "x"`},
		{text: `externalId eq x`},
		{text: `emails eq "x"`},
		{text: `emails.value eq "x"`},
		{text: `emails[value eq "x"]`},
		{text: `emails[type eq "work" and value eq "x"]`, residual: true},
		{text: `emails[type eq "work"].value eq "x"`, residual: true},
		{text: `groups eq "x"`},
		{text: `groups.value eq "x"`},
		{text: `groups[value eq "x" and display eq "y"]`},
		{text: `userName eq "x" and manager eq "y"`},
		{text: `userName eq "x" and not (title co "y")`},
		{text: `userName eq "x" or externalId eq "y"`},
		{text: `nickName eq "a" and emails.value eq "x"`, residual: true},
	} {
		f, err := folding.Filter(c.text)
		if err != nil {
			t.Fatal(err)
		}
		low := f.Lower(columns)
		if !low.Narrow || (low.Residual != nil) != c.residual {
			t.Errorf("%s: narrow %v, residual %v: %s", c.text, low.Narrow, low.Residual != nil, low.Where)
		}
		if plan := explain(t, db, low); !strings.Contains(plan, "INDEX") || strings.Contains(plan, "SCAN u\n") {
			t.Errorf("%s: %s\n%s", c.text, low.Where, plan)
		}
	}
	for _, text := range []string{`userName pr`, `userName ne "x"`, `not (userName eq "x")`, `title eq "x"`, `userName eq "x" or title eq "y"`,
		`emails[not (value eq "x")]`, `nickName eq "x"`, `userName co "x"`, `active eq true`} {
		f, err := folding.Filter(text)
		if err != nil {
			t.Fatal(err)
		}
		if low := f.Lower(columns); low.Narrow {
			t.Errorf("%s: claims an index: %s", text, low.Where)
		}
	}
}

func explain(t *testing.T, db *sql.DB, low Lowered) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN SELECT u.id FROM users u WHERE "+strings.ReplaceAll(low.Where, "strpos(", "instr("), low.Args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(detail + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
