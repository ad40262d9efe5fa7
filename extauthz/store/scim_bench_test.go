package store

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/scim/directory"
)

// people is how many users the benchmarks' directory has; one group holds a tenth of them. SSOGATE_BENCH_USERS=1000000
// makes the numbers of the README.
func people() int {
	n, err := strconv.Atoi(os.Getenv("SSOGATE_BENCH_USERS"))
	if err != nil {
		return 20_000
	}
	return n
}

type crowd struct {
	s     *Store
	n     int
	ids   []directory.UserID
	group directory.GroupID
}

// newCrowd fills a directory in a few statements: a million users one by one take minutes.
func newCrowd(b *testing.B, d *database) crowd {
	b.Helper()
	s := d.open(b)
	s.o.Now = time.Now
	seed(b, s, acme)
	c := crowd{s: s, n: people()}
	err := s.Update(b.Context(), acme, func(tx directory.Tx) error {
		g, err := tx.PutGroup(directory.Group{DisplayName: "Everyone", ExternalID: "g1"})
		c.group = g.ID
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	for _, q := range []string{
		`INSERT INTO users (tenant, id, source, user_name, user_name_ci, external_id, active, epoch, version, created, modified, last_sign_in, doc, display_ci)
			WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < $1 - 1),
			d (n) AS (SELECT CAST(10000000 + n AS TEXT) FROM c)
			SELECT 'acme', '00000000-0000-4000-8000-0000' || n, 'scim', 'user' || n || '@acme.example', 'user' || n || '@acme.example', 'ext' || n, 1, 1, 1, 1, 1, 0,
			'{"displayName":"User ' || n || '","emails":[{"value":"user' || n || '@acme.example","type":"work","primary":true}],"name":{"givenName":"User","familyName":"' || n || '"}}',
			'user ' || n FROM d ORDER BY n`,
		"INSERT INTO user_values (tenant, attr, val, user_seq) SELECT tenant, 'emails.value', user_name_ci, seq FROM users WHERE CAST($1 AS BIGINT) > 0",
		"INSERT INTO memberships (tenant, group_seq, user_seq) SELECT u.tenant, g.seq, u.seq FROM users u JOIN user_groups g ON g.tenant = u.tenant ORDER BY u.seq LIMIT CAST($1 AS BIGINT) / 10",
		"UPDATE directory_stats SET users = CAST($1 AS BIGINT)",
	} {
		if _, err := s.db.ExecContext(b.Context(), q, c.n); err != nil {
			b.Fatal(err)
		}
	}
	if s.path == "" {
		if _, err := s.db.ExecContext(b.Context(), "ANALYZE"); err != nil {
			b.Fatal(err)
		}
	}
	for i := range c.n {
		c.ids = append(c.ids, directory.UserID(fmt.Sprintf("00000000-0000-4000-8000-0000%d", 10_000_000+i)))
	}
	return c
}

func crowdEach(b *testing.B, f func(b *testing.B, c crowd)) {
	b.Run("sqlite", func(b *testing.B) { f(b, newCrowd(b, newDatabase(b, "sqlite:"+b.TempDir()+"/gate.db"))) })
	b.Run("postgres", func(b *testing.B) { f(b, newCrowd(b, newDatabase(b, postgres(b)))) })
}

func (c crowd) members(ctx context.Context, d directory.Delta) error {
	return c.s.Update(ctx, acme, func(tx directory.Tx) error {
		_, err := tx.Members(c.group, d)
		return err
	})
}

func BenchmarkDirectory(b *testing.B) {
	crowdEach(b, func(b *testing.B, c crowd) {
		must := func(b *testing.B, err error) {
			if err != nil {
				b.Fatal(err)
			}
		}
		outsider := c.ids[c.n-1:]
		b.Run("add and remove a member", func(b *testing.B) {
			for b.Loop() {
				must(b, c.members(b.Context(), directory.Delta{Add: outsider}))
				must(b, c.members(b.Context(), directory.Delta{Remove: outsider}))
			}
		})
		b.Run("add a member from many workers", func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					must(b, c.members(b.Context(), directory.Delta{Add: outsider}))
					must(b, c.members(b.Context(), directory.Delta{Remove: outsider}))
				}
			})
		})
		find := func(b *testing.B, q directory.Query[directory.User], total int) {
			for b.Loop() {
				page, err := c.s.Users(b.Context(), acme, q)
				must(b, err)
				if page.Total != total {
					b.Fatal(page.Total)
				}
			}
		}
		b.Run("userName eq", func(b *testing.B) {
			find(b, directory.Query[directory.User]{Where: "u.user_name_ci = ?", Args: []any{"user10000777@acme.example"}, Indexed: true, Count: 100}, 1)
		})
		b.Run("emails eq", func(b *testing.B) {
			column := directory.UserColumns()["emails.value"]
			find(b, directory.Query[directory.User]{Where: rowsOf(column.Rows, "v.val = ?"), Args: []any{"user10000777@acme.example"}, Indexed: true, Count: 100}, 1)
		})
		b.Run("id", func(b *testing.B) { find(b, directory.Query[directory.User]{ID: string(c.ids[77]), Count: 1}, 1) })
		b.Run("first page", func(b *testing.B) { find(b, directory.Query[directory.User]{Start: 1, Count: 100}, c.n) })
		b.Run("last page of a walk", func(b *testing.B) {
			start := c.n - 199
			_, err := c.s.Users(b.Context(), acme, directory.Query[directory.User]{Start: start, Count: 100})
			must(b, err)
			find(b, directory.Query[directory.User]{Start: start + 100, Count: 100}, c.n)
		})
		b.Run("groups without members", func(b *testing.B) {
			for b.Loop() {
				_, err := c.s.Groups(b.Context(), acme, directory.Query[directory.Group]{Count: 100})
				must(b, err)
			}
		})
		b.Run("replace all members", func(b *testing.B) {
			for b.Loop() {
				must(b, c.members(b.Context(), directory.Delta{Clear: true, Add: c.ids[1 : c.n/10]}))
				must(b, c.members(b.Context(), directory.Delta{Clear: true, Add: c.ids[:c.n/10]}))
			}
		})
		b.Run("read all members", func(b *testing.B) {
			for b.Loop() {
				n := 0
				must(b, c.s.Members(b.Context(), acme, c.group, func(ids []directory.UserID) error { n += len(ids); return nil }))
				if n != c.n/10 {
					b.Fatal(n)
				}
			}
		})
	})
}
