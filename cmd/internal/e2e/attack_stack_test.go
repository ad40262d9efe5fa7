package e2e

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp/secret"
)

// besieged is a stack as in production and a Viewer who is signed in to it.
type besieged struct {
	*Stack
	viewer   Person
	identity map[string]string // what the dashboard may be told about the Viewer
	value    string            // of the Viewer's session cookie
	macros   macros
	late     []func(*testing.T) // ends that are looked at last
	sending  sync.WaitGroup
}

// take returns what arrived since the last take; nothing falls between two of them.
func (u *Upstream) take() []Seen {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := u.seen
	u.seen = nil
	return seen
}

// globex is a second company on the same host: what is sealed for it must mean nothing for the first.
const globex = "  - {id: globex, slug: globex}\n"

func besiege(t *testing.T) *besieged {
	t.Helper()
	s := NewStack(t, Options{TLS: NewTLS(t), Extra: globex})
	b := &besieged{Stack: s, viewer: s.As("vic")}
	b.viewer.SignIn("/events")
	b.value = b.cookie(b.viewer)
	got := b.viewer.Fetch("GET", "/api/v1/events")
	b.identity = map[string]string{}
	for name, values := range got.Identity {
		if len(values) != 1 {
			t.Fatalf("%s arrives %d times", name, len(values))
		}
		b.identity[name] = values[0]
	}
	if b.identity["x-sso-role"] != "Viewer" {
		t.Fatalf("the Viewer's identity is %v", b.identity)
	}
	b.macros = b.words(t)
	b.Upstream.Forget()
	return b
}

// cookie is the value of a browser's session cookie.
func (b *besieged) cookie(p Person) string {
	_, value, _ := strings.Cut(p.CookieLine(), b.name()+"=")
	value, _, _ = strings.Cut(value, ";")
	if value == "" {
		b.T.Fatalf("no session cookie in %q", p.CookieLine())
	}
	return value
}

func (b *besieged) name() string { return session.Cookies(false).Session }

// words are the macros that do not depend on who attacks.
func (b *besieged) words(t *testing.T) macros {
	t.Helper()
	host, port, _ := strings.Cut(b.Host, ":")
	m := macros{"host": b.Host, "name": host, "port": port, "session": b.name(), "value": b.value}
	m["flipped"] = flip(b.value, len(b.value)/2)
	m["flipped-first"] = flip(b.value, 0)
	m["cut"] = b.value[:len(b.value)-4]
	left := b.As("vic")
	left.SignIn("/events")
	m["revoked"] = b.cookie(left)
	if page, err := left.Open(t.Context(), b.URL+"/auth/logout"); err != nil || page.Status != 200 {
		t.Fatalf("sign-out: %d, %v", page.Status, err)
	}
	b.forge(t, m)
	return m
}

func flip(s string, at int) string { return s[:at] + string(s[at]^1) + s[at+1:] }

// forge makes cookies that this installation never handed out: with keys an attacker made himself, and with the gate's
// own keys, which he has not got, for another host, cookie name or company. The latter show what the seal alone carries.
func (b *besieged) forge(t *testing.T, m macros) {
	t.Helper()
	ours, theirs := &session.Ring{Now: time.Now}, &session.Ring{Now: time.Now}
	b.openRing(t, ours)
	if err := theirs.Set([]session.Key{session.NewKey(session.ForCookie, time.Now().Add(-time.Hour), time.Now().Add(-time.Hour))}); err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(b.URL)
	bound := session.Bound(b.name(), u.Host)
	token, err := session.OpenToken(ours, bound, b.value)
	if err != nil {
		t.Fatal(err)
	}
	foreign, unknown := token, token
	foreign.Tenant, unknown.ID = "globex", session.NewID()
	for word, f := range map[string]struct {
		ring  *session.Ring
		bound string
		token session.Token
	}{
		"other-installation": {theirs, bound, token},
		"other-host":         {ours, session.Bound(b.name(), "dashboard.example"), token},
		"other-name":         {ours, session.Bound(session.Cookies(false).Flow, u.Host), token},
		"other-tenant":       {ours, bound, foreign},
		"unknown":            {ours, bound, unknown},
	} {
		if m[word], err = session.SealToken(f.ring, f.bound, f.token); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *besieged) openRing(t *testing.T, ring *session.Ring) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(b.Dir, "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.ParseKey(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(b.Dir, "ssogate.db"), Sealer: sealer, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := db.Keys(t.Context())
	if err == nil {
		err = ring.Set(keys)
	}
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
}

// as are the macros of one attacker: with the Viewer's session or with none.
func (b *besieged) as(viewer bool) macros {
	m := maps.Clone(b.macros)
	m["cookie"] = ""
	if viewer {
		m["cookie"] = b.name() + "=" + b.value
	}
	return m
}
