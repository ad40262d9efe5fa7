package store

import (
	"context"
	"encoding/json"
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

// newCrowd fills a directory with users, some a transaction.
func newCrowd(b *testing.B, d *database) crowd {
	b.Helper()
	s := d.open(b)
	s.o.Now = time.Now
	seed(b, s, acme)
	c := crowd{s: s, n: people()}
	const step = 2000
	for at := 0; at < c.n; at += step {
		err := s.Update(b.Context(), acme, func(tx directory.Tx) error {
			for i := at; i < min(at+step, c.n); i++ {
				u, err := tx.PutUser(directory.User{
					UserName: fmt.Sprintf("user%07d@acme.example", i), ExternalID: fmt.Sprintf("ext%07d", i), Active: true,
					Doc: json.RawMessage(fmt.Sprintf(`{"displayName":"User %d","emails":[{"value":"user%07d@acme.example","type":"work","primary":true}],"name":{"givenName":"User","familyName":"%d"}}`, i, i, i)),
				})
				if err != nil {
					return err
				}
				c.ids = append(c.ids, u.ID)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	err := s.Update(b.Context(), acme, func(tx directory.Tx) error {
		g, err := tx.PutGroup(directory.Group{DisplayName: "Everyone", ExternalID: "g1"})
		if err != nil {
			return err
		}
		c.group = g.ID
		_, err = tx.Members(g.ID, directory.Delta{Add: c.ids[:c.n/10]})
		return err
	})
	if err != nil {
		b.Fatal(err)
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
			find(b, directory.Query[directory.User]{Where: "u.user_name_ci = ?", Args: []any{"user0000777@acme.example"}, Indexed: true, Count: 100}, 1)
		})
		b.Run("emails eq", func(b *testing.B) {
			column := directory.UserColumns()["emails.value"]
			find(b, directory.Query[directory.User]{Where: rowsOf(column.Rows, "v.val = ?"), Args: []any{"user0000777@acme.example"}, Indexed: true, Count: 100}, 1)
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
