package session

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ring returns a ring whose clock is *now, with one key for cookies and one for states.
func ring(t testing.TB, now *time.Time, more ...Key) *Ring {
	t.Helper()
	r := &Ring{Now: func() time.Time { return *now }}
	keys := append([]Key{NewKey(ForCookie, noon, noon), NewKey(ForState, noon, noon)}, more...)
	if err := r.Set(keys); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealedValueOpensOnlyForItsPurposeBoundAndRing(t *testing.T) {
	now := noon
	r, other := ring(t, &now), ring(t, &now)
	sealed, err := r.Seal(ForCookie, "a|host", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	plain, id, err := r.Open(ForCookie, "a|host", sealed)
	if err != nil || string(plain) != "plain" || id != r.Keys(ForCookie)[0].ID {
		t.Fatalf("%q, %s, %v", plain, id, err)
	}
	for name, try := range map[string]func() ([]byte, string, error){
		"other purpose": func() ([]byte, string, error) { return r.Open(ForState, "a|host", sealed) },
		"other name":    func() ([]byte, string, error) { return r.Open(ForCookie, "b|host", sealed) },
		"other host":    func() ([]byte, string, error) { return r.Open(ForCookie, "a|evil", sealed) },
		"other ring":    func() ([]byte, string, error) { return other.Open(ForCookie, "a|host", sealed) },
		"empty ring":    func() ([]byte, string, error) { return new(Ring).Open(ForCookie, "a|host", sealed) },
		"assertion":     func() ([]byte, string, error) { return r.Open(ForAssertion, "a|host", sealed) },
	} {
		if plain, id, err := try(); !errors.Is(err, ErrOpen) || plain != nil || id != "" {
			t.Errorf("%s: %q, %q, %v", name, plain, id, err)
		}
	}
}

// A key of the same id for another purpose must not open it either: the purposes' keys differ, not only their names.
func TestPurposesHaveDifferentKeys(t *testing.T) {
	now := noon
	k := NewKey(ForCookie, noon, noon)
	same := k
	same.Purpose = ForState
	r := &Ring{Now: func() time.Time { return now }}
	if err := r.Set([]Key{k, same}); err != nil {
		t.Fatal(err)
	}
	sealed, err := r.Seal(ForCookie, "b", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Open(ForState, "b", sealed); !errors.Is(err, ErrOpen) {
		t.Errorf("a cookie opens as a state: %v", err)
	}
	a, errA := r.Derived(ForCookie, k.ID, "l")
	b, errB := r.Derived(ForState, k.ID, "l")
	c, errC := r.Derived(ForState, k.ID, "m")
	if errA != nil || errB != nil || errC != nil || bytes.Equal(a, b) || bytes.Equal(b, c) || len(a) != secret.KeySize {
		t.Error("derived keys are not separate")
	}
	again, _ := r.Derived(ForState, k.ID, "m")
	if !bytes.Equal(c, again) {
		t.Error("a derived key changes")
	}
	if _, err := r.Derived(ForState, "nosuchid", "m"); !errors.Is(err, ErrOpen) {
		t.Errorf("key that is gone: %v", err)
	}
}

func TestEveryChangedByteClosesAValue(t *testing.T) {
	now := noon
	r := ring(t, &now)
	sealed, err := r.Seal(ForCookie, "b", []byte("some plain text"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) {
		for _, c := range []byte{'A', 'z', '.', '=', '\n', sealed[i] ^ 1} {
			if c == sealed[i] {
				continue
			}
			if _, _, err := r.Open(ForCookie, "b", sealed[:i]+string(rune(c))+sealed[i+1:]); !errors.Is(err, ErrOpen) {
				t.Fatalf("byte %d as %q: %v", i, c, err)
			}
		}
		if _, _, err := r.Open(ForCookie, "b", sealed[:i]); !errors.Is(err, ErrOpen) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	// Base64 decoders skip newlines and may take padding: each would be a second spelling.
	for _, other := range []string{sealed + "\n", sealed + "=", sealed + ".", " " + sealed, "v1." + sealed, strings.Replace(sealed, "v1.", "v2.", 1), strings.ToUpper(sealed), sealed[:20] + "\r\n" + sealed[20:]} {
		if _, _, err := r.Open(ForCookie, "b", other); !errors.Is(err, ErrOpen) {
			t.Errorf("%q: %v", other, err)
		}
	}
}

func TestSealedValuesDiffer(t *testing.T) {
	now := noon
	r := ring(t, &now)
	a, _ := r.Seal(ForState, "b", []byte("same"))
	b, _ := r.Seal(ForState, "b", []byte("same"))
	if a == b {
		t.Error("the same plain text is sealed alike: the nonce repeats")
	}
}

func TestRotationOpensOldValuesAndSealsWithTheNewKey(t *testing.T) {
	now := noon
	old := NewKey(ForCookie, noon, noon)
	next := NewKey(ForCookie, noon, noon.Add(10*time.Minute))
	r := &Ring{Now: func() time.Time { return now }}
	if err := r.Set([]Key{old, next}); err != nil {
		t.Fatal(err)
	}
	before, err := r.Seal(ForCookie, "b", []byte("x"))
	if err != nil || !strings.HasPrefix(before, "v1."+old.ID+".") {
		t.Fatalf("a key that is not active yet seals: %s, %v", before, err)
	}
	now = noon.Add(10 * time.Minute)
	after, err := r.Seal(ForCookie, "b", []byte("x"))
	if err != nil || !strings.HasPrefix(after, "v1."+next.ID+".") {
		t.Fatalf("the new key does not seal: %s, %v", after, err)
	}
	if k, err := r.Active(ForCookie); err != nil || k.ID != next.ID || r.Keys(ForCookie)[0].ID != next.ID {
		t.Errorf("active %s, %v", k.ID, err)
	}
	if _, id, err := r.Open(ForCookie, "b", before); err != nil || id != old.ID {
		t.Errorf("rotation closed an old value: %v", err)
	}
	if err := r.Set([]Key{next}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Open(ForCookie, "b", before); !errors.Is(err, ErrOpen) {
		t.Errorf("a key that is gone still opens: %v", err)
	}
	if _, _, err := r.Open(ForCookie, "b", after); err != nil {
		t.Errorf("the key that stayed: %v", err)
	}
}

func TestOtherReplicasNewKeyOpensBeforeItSeals(t *testing.T) {
	now := noon
	next := NewKey(ForCookie, noon, noon.Add(time.Minute))
	r := ring(t, &now, next)
	ahead := noon.Add(2 * time.Minute)
	fast := &Ring{Now: func() time.Time { return ahead }}
	if err := fast.Set([]Key{next}); err != nil {
		t.Fatal(err)
	}
	sealed, err := fast.Seal(ForCookie, "b", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Open(ForCookie, "b", sealed); err != nil {
		t.Error(err)
	}
}

func TestRingWithoutAnActiveKeySealsNothing(t *testing.T) {
	now := noon
	r := &Ring{Now: func() time.Time { return now }}
	if _, err := r.Seal(ForCookie, "b", nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("no keys: %v", err)
	}
	if err := r.Set([]Key{NewKey(ForCookie, noon, noon.Add(time.Second)), {ID: "pem", Purpose: ForAssertion, Material: secret.New("pem")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seal(ForCookie, "b", nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("none active yet: %v", err)
	}
	if _, err := r.Seal(ForAssertion, "b", nil); err == nil {
		t.Error("an assertion key sealed")
	}
}

func TestRingKeepsItsKeysWhenNewOnesDoNotFit(t *testing.T) {
	now := noon
	r := ring(t, &now)
	sealed, err := r.Seal(ForCookie, "b", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	twin := NewKey(ForCookie, noon, noon)
	for name, keys := range map[string][]Key{
		"no material":    {{ID: "aaaaaaaa", Purpose: ForCookie}},
		"short material": {{ID: "aaaaaaaa", Purpose: ForState, Material: secret.New(strings.Repeat("k", 31))}},
		"no id":          {{Purpose: ForCookie, Material: secret.New(strings.Repeat("k", 32))}},
		"dotted id":      {{ID: "a.b", Purpose: ForCookie, Material: secret.New(strings.Repeat("k", 32))}},
		"twice":          {twin, twin},
	} {
		if err := r.Set(keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := r.Open(ForCookie, "b", sealed); err != nil {
		t.Errorf("the ring lost its keys: %v", err)
	}
}

func TestNothingIsSealedThatWouldNotOpen(t *testing.T) {
	now := noon
	r := ring(t, &now)
	opened, refused := 0, 0
	for n := 2900; n < 3200; n++ {
		sealed, err := r.Seal(ForState, "b", make([]byte, n))
		if err != nil {
			refused++
			continue
		}
		opened++
		if _, _, err := r.Open(ForState, "b", sealed); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if opened == 0 || refused == 0 {
		t.Errorf("the limit is elsewhere: %d opened, %d refused", opened, refused)
	}
}

func TestKeysAreNotPrinted(t *testing.T) {
	now := noon
	material := "planted-material-planted-material"
	r := ring(t, &now, Key{ID: "planted1", Purpose: ForState, Material: secret.New(material)})
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		if out := fmt.Sprintf(verb, r.Keys(ForState)); strings.Contains(out, material) {
			t.Errorf("%s: %s", verb, out)
		}
	}
}

func FuzzOpen(f *testing.F) {
	now := noon
	r := ring(f, &now)
	good, err := r.Seal(ForCookie, "b", []byte("plain"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, "", "v1.", "v1..", "v1.aaaaaaaa.", strings.Repeat("v1.", 9), good + "A", good[:len(good)-1]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, id, err := r.Open(ForCookie, "b", s)
		if err != nil {
			if !errors.Is(err, ErrOpen) || plain != nil || id != "" {
				t.Fatalf("%q, %q, %v", plain, id, err)
			}
			return
		}
		// Nobody without the key makes a value that opens, and none has two spellings.
		if s != good || string(plain) != "plain" {
			t.Fatalf("forged: %q opens as %q", s, plain)
		}
		if _, err := base64.RawURLEncoding.Strict().DecodeString(s[strings.LastIndexByte(s, '.')+1:]); err != nil {
			t.Fatal(err)
		}
	})
}
