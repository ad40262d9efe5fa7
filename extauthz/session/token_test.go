package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
)

func TestTokenOpensAsItWasSealed(t *testing.T) {
	now := noon
	r := ring(t, &now)
	bound := Bound(Cookies(false).Session, "dashboard.example")
	for _, id := range []tenant.ID{"ac", "acme", tenant.ID(strings.Repeat("a", 40))} {
		in := Token{ID: NewID(), Tenant: id, Issued: noon}
		sealed, err := SealToken(r, bound, in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := OpenToken(r, bound, sealed)
		if err != nil || out.Tenant != id || !out.Issued.Equal(noon) || out.ID.Hash() != in.ID.Hash() {
			t.Errorf("%s: %+v, %v", id, out, err)
		}
		if len(id) > 3 && strings.Contains(sealed, string(id)) || len(sealed) > 160 { // two letters turn up by chance
			t.Errorf("cookie of %d characters: %s", len(sealed), sealed)
		}
		for _, other := range []string{Bound("ssogate", "dashboard.example"), Bound("__Host-ssogate", "evil.example"), Bound("__Host-ssogate-flow", "dashboard.example"), ""} {
			if _, err := OpenToken(r, other, sealed); !errors.Is(err, ErrOpen) {
				t.Errorf("opens for %q: %v", other, err)
			}
		}
	}
}

func TestCookieIsAboutAHundredAndThirtyBytes(t *testing.T) {
	now := noon
	sealed, err := SealToken(ring(t, &now), "b", Token{ID: NewID(), Tenant: "acme", Issued: noon})
	if err != nil || len(sealed) > 130 {
		t.Errorf("%d, %v", len(sealed), err)
	}
}

func TestSealedBytesThatAreNoTokenDoNotOpen(t *testing.T) {
	now := noon
	r := ring(t, &now)
	for _, n := range []int{0, 31, 32, 39, 40, 41} { // too short, or no tenant, or one of a single letter
		sealed, err := r.Seal(ForCookie, "b", []byte(strings.Repeat("a", n)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := OpenToken(r, "b", sealed); !errors.Is(err, ErrOpen) || got.Tenant != "" {
			t.Errorf("%d bytes: %+v, %v", n, got, err)
		}
	}
	for _, bad := range []string{"A_", "acme ", "a/b", strings.Repeat("a", 41), "acme\x00"} {
		sealed, _ := r.Seal(ForCookie, "b", []byte(strings.Repeat("i", 40)+bad))
		if _, err := OpenToken(r, "b", sealed); !errors.Is(err, ErrOpen) {
			t.Errorf("tenant %q: %v", bad, err)
		}
	}
	state, _ := r.Seal(ForState, "b", []byte(strings.Repeat("i", 40)+"acme"))
	if _, err := OpenToken(r, "b", state); !errors.Is(err, ErrOpen) {
		t.Errorf("a state opens as a session: %v", err)
	}
}

func TestTokenWithoutAnIDIsNotSealed(t *testing.T) {
	now := noon
	if sealed, err := SealToken(ring(t, &now), "b", Token{Tenant: tenant.ID(strings.Repeat("a", 40)), Issued: noon}); err == nil {
		t.Errorf("sealed %q", sealed)
	}
}

func TestIDsAreRandomAndNotPrinted(t *testing.T) {
	a, b := NewID(), NewID()
	if a.Hash() == b.Hash() || len(a.text.Reveal()) != idSize {
		t.Error("ids are not fresh")
	}
	token := Token{ID: a, Tenant: "acme"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
		out := fmt.Sprintf(verb, token) + fmt.Sprintf(verb, &token)
		if strings.Contains(out, a.text.Reveal()) || strings.Contains(out, fmt.Sprintf("%x", a.text.Reveal())) {
			t.Errorf("%s prints the id", verb)
		}
	}
}

func TestCookieNamesCarryThePrefixOnHTTPS(t *testing.T) {
	if got := Cookies(false); got != (CookieNames{Session: "__Host-ssogate", Flow: "__Host-ssogate-flow", CrossSite: "__Host-ssogate-saml"}) {
		t.Errorf("%+v", got)
	}
	if got := Cookies(true); got != (CookieNames{Session: "ssogate", Flow: "ssogate-flow", CrossSite: "__Host-ssogate-saml"}) {
		t.Errorf("%+v", got)
	}
}

func FuzzOpenToken(f *testing.F) {
	now := noon
	r := ring(f, &now)
	in := Token{ID: NewID(), Tenant: "acme", Issued: noon}
	good, err := SealToken(r, "b", in)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, []byte("x"))
	f.Add("v1.aaaaaaaa.AAAA", []byte(strings.Repeat("i", 40)+"acme"))
	f.Fuzz(func(t *testing.T, s string, plain []byte) {
		if got, err := OpenToken(r, "b", s); err == nil && (s != good || got.ID.Hash() != in.ID.Hash()) {
			t.Fatalf("forged: %q", s)
		}
		// Sealed bytes of any content: what opens is a token that seals to the same bytes.
		sealed, err := r.Seal(ForCookie, "b", plain)
		if err != nil {
			return
		}
		got, err := OpenToken(r, "b", sealed)
		if err != nil {
			return
		}
		again, err := SealToken(r, "b", got)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := r.Open(ForCookie, "b", again)
		if err != nil || string(back) != string(plain) {
			t.Fatalf("%x opened and sealed is %x, %v", plain, back, err)
		}
	})
}

func BenchmarkOpenToken(b *testing.B) {
	now := noon
	r := ring(b, &now, NewKey(ForCookie, noon, noon.Add(-time.Hour)), NewKey(ForCookie, noon, noon.Add(-2*time.Hour)))
	sealed, err := SealToken(r, "b|host", Token{ID: NewID(), Tenant: "acme", Issued: noon})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenToken(r, "b|host", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
