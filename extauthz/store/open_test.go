package store

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// TestMain lets this binary be the second process: with STORE_CHILD set it opens that database and says what it found.
func TestMain(m *testing.M) {
	if dsn := os.Getenv("STORE_CHILD"); dsn != "" {
		os.Exit(child(dsn))
	}
	os.Exit(m.Run())
}

func child(dsn string) int {
	key, err := secret.ParseKey(os.Getenv("STORE_CHILD_KEY"))
	if err != nil {
		return 3
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		return 3
	}
	var ids []string
	s, err := Open(context.Background(), Options{DSN: dsn, Sealer: sealer, Now: time.Now, OnKeys: func(keys []session.Key) {
		ids = nil
		for _, k := range keys {
			ids = append(ids, string(k.Purpose)+k.ID)
		}
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv("STORE_CHILD_SERVE") != "" {
		if err := s.LockServing(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	}
	fmt.Println(strings.Join(ids, " "))
	if about := os.Getenv("STORE_CHILD_REPLICA"); about != "" {
		return answer(s, about)
	}
	if os.Getenv("STORE_CHILD_WRITE") != "" {
		return signInForEver(s)
	}
	if err := s.Close(); err != nil {
		return 1
	}
	return 0
}

// signInForEver prints each session once it is written, until the process is killed.
func signInForEver(s *Store) int {
	for n := 0; ; n++ {
		out, _, err := s.SignIn(context.Background(), signIn(identity(acmeOkta, fmt.Sprint("u", n%7))))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(out.Hash)
	}
}

func TestKilledProcessLosesNothingItAnswered(t *testing.T) {
	key := secret.RandomKey()
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, d *database) {
		d.sealer = sealer
		s := d.open(t)
		seed(t, s, acme)
		cmd := command(t, d.dsn, key, "STORE_CHILD_WRITE=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var hashes []session.Hash
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if h, err := session.ParseHash(lines.Text()); err == nil {
				hashes = append(hashes, h)
			}
			if len(hashes) == 25 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || len(hashes) < 25 {
			t.Fatalf("ended by itself: %v, %d sessions", err, len(hashes))
		}
		for _, h := range hashes {
			if _, err := s.Get(t.Context(), acme, h); err != nil {
				t.Errorf("session %s: %v", h.SID(), err)
			}
		}
		// No half of a sign-in: each session has its token, its audit row and its user.
		var sessions, whole int
		if err := s.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM sessions").Scan(&sessions); err != nil {
			t.Fatal(err)
		}
		err = s.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM sessions s JOIN session_tokens k ON k.id_hash = s.id_hash
			JOIN users u ON u.id = s.user_id JOIN audit a ON a.action = 'session.sign_in' AND a.target = substr(s.id_hash, 1, 32)`).Scan(&whole)
		if err != nil || whole != sessions {
			t.Errorf("%d of %d sessions are whole, %v", whole, sessions, err)
		}
	})
}

func command(t *testing.T, dsn string, key []byte, more ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), append(more, "STORE_CHILD="+dsn, "STORE_CHILD_KEY="+secret.EncodeKey(key))...)
	return cmd
}

func TestProcessesThatOpenAFreshDatabaseAtOnceShareOneKeyRing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		key := secret.RandomKey()
		var wg sync.WaitGroup
		outs := make([]string, 6)
		for i := range outs {
			wg.Go(func() {
				out, err := command(t, d.dsn, key).CombinedOutput()
				if err != nil {
					t.Errorf("process %d: %v: %s", i, err, out)
				}
				outs[i] = string(out)
			})
		}
		wg.Wait()
		for _, out := range outs {
			if out != outs[0] || len(strings.Fields(out)) != 3 {
				t.Errorf("key rings %q and %q", out, outs[0])
			}
		}
	})
}

func TestSecondGateOnTheSameFileRefusesToServe(t *testing.T) {
	d := sqliteFile(t)
	key := secret.RandomKey()
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	d.sealer = sealer
	s := d.open(t)
	if err := s.LockServing(); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, d.dsn, key, "STORE_CHILD_SERVE=1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another ssogate serves from") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := command(t, d.dsn, key).CombinedOutput(); err != nil { // a command beside it is welcome
		t.Errorf("%v: %s", err, out)
	}
}

func TestSecretsAreNotInTheDatabase(t *testing.T) {
	d := sqliteFile(t)
	s := d.open(t)
	c := seed(t, s, acme)
	in := signIn(identity(c, "alice"))
	if _, _, err := s.SignIn(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	planted := map[string]string{"client secret": plantedSecret, "id token": plantedToken}
	for _, k := range keys {
		planted["key "+string(k.Purpose)] = k.Material.Reveal()
	}
	files, err := filepath.Glob(s.path + "*")
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	seen := false
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		seen = seen || bytes.Contains(text, []byte("alice@acme.example"))
		for name, secret := range planted {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s stands in %s", name, filepath.Base(f))
			}
		}
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", filepath.Base(f), info.Mode(), err)
		}
	}
	if !seen {
		t.Error("the search finds nothing at all")
	}
	realm, err := s.Realm(t.Context(), acme)
	if err != nil || realm.Connections[0].Settings.ClientSecret.Reveal() != plantedSecret {
		t.Errorf("client secret does not come back: %v", err)
	}
}

func TestSealedSecretMovedToAnotherRowDoesNotOpen(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		seed(t, s, acme)
		seed(t, s, "evil")
		q := "UPDATE connections SET client_secret = (SELECT client_secret FROM connections WHERE id = 'acme-okta') WHERE id = 'evil-okta'"
		if _, err := s.db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Realm(t.Context(), "evil"); err == nil {
			t.Error("opened")
		}
	})
}

func TestAnotherRootKeyIsRefusedAtOpen(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		d.open(t)
		other := newDatabase(t, d.dsn)
		s, err := Open(t.Context(), other.options())
		if err == nil || !strings.Contains(err.Error(), "root key") {
			t.Errorf("got %v, %v", s, err)
		}
	})
}

func TestUnusableAddressIsRefusedWithoutItsPassword(t *testing.T) {
	for _, dsn := range []string{"", "sqlite:", "mysql://u:hunter2@h/d", "postgres://u:hunter2@[", "postgres://u:hunter2@127.0.0.1:1/d?connect_timeout=1", "gate.db"} {
		_, err := Open(t.Context(), newDatabase(t, dsn).options())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
}

// TestSchemaIsTheRecordedOne: a migration that is out is never edited, so that every database of one version is the same.
func TestSchemaIsTheRecordedOne(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		q := "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite%' ORDER BY name"
		if s.d.name == "postgres" {
			q = `SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(collation_name, '-')
				FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' ORDER BY table_name, ordinal_position`
		}
		rows, err := s.db.QueryContext(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/schema."+s.d.name+".golden", lines(t, rows))
	})
}

func lines(t *testing.T, rows *sql.Rows) []byte {
	t.Helper()
	var b bytes.Buffer
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		b.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

func TestOpenedAgainItHoldsWhatItHeld(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		first := d.open(t)
		c := seed(t, first, acme)
		s := mustSignIn(t, first, identity(c, "alice"))
		before, err := first.Keys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := d.open(t)
		after, err := second.Keys(t.Context())
		if err != nil || len(after) != len(before) || after[0].ID != before[0].ID || !after[0].Material.Equal(before[0].Material) {
			t.Errorf("keys %v and %v, %v", before, after, err)
		}
		if _, err := second.Get(t.Context(), acme, s.Hash); err != nil {
			t.Error(err)
		}
		if all, err := second.Tenants(t.Context()); err != nil || len(all) != 1 || all[0].ID != tenant.ID("acme") {
			t.Errorf("tenants %v, %v", all, err)
		}
	})
}
