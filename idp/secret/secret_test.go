package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const planted = "hunter2-planted"

// holder keeps the secret where fmt calls no methods: in an unexported field.
type holder struct {
	text  Text
	inner struct{ deep *Text }
	Pub   Text
}

func TestTextIsNotPrintedFromInsideAStruct(t *testing.T) {
	h := holder{text: New(planted), Pub: New(planted)}
	h.inner.deep = &h.text
	hex := fmt.Sprintf("%x", planted)
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%x", "%X", "%s", "%d"} {
		for _, v := range []any{h, &h, h.text, &h.text, []Text{h.text}, map[string]Text{"k": h.text}} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, planted) || strings.Contains(strings.ToLower(out), hex) {
				t.Errorf("%s of %T prints the secret: %s", verb, v, out)
			}
		}
	}
}

func TestTextIsNotLoggedOrEncoded(t *testing.T) {
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "text", New(planted), "holder", holder{text: New(planted), Pub: New(planted)})
	slog.New(slog.NewTextHandler(&buf, nil)).Info("m", "text", New(planted), "holder", holder{text: New(planted), Pub: New(planted)})
	j, err := json.Marshal(holder{Pub: New(planted)})
	if err != nil {
		t.Fatal(err)
	}
	if all := buf.String() + string(j); strings.Contains(all, planted) || !strings.Contains(all, redacted) {
		t.Errorf("secret printed, or not replaced: %s", all)
	}
}

func TestTextComparesByValue(t *testing.T) {
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("").Equal(New("a")) || !(Text{}).Equal(New("")) {
		t.Error("Equal does not follow the values")
	}
	if New(planted).Reveal() != planted || !New("").Empty() {
		t.Error("Reveal or Empty is wrong")
	}
}

func TestSealedValueOpensOnlyForItsPurposeRowAndRoot(t *testing.T) {
	a, err := NewSealer(RandomKey())
	if err != nil {
		t.Fatal(err)
	}
	b, _ := NewSealer(RandomKey())
	sealed, err := a.Seal("client-secret", "acme/okta", []byte(planted))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := a.Open("client-secret", "acme/okta", sealed); err != nil || string(plain) != planted {
		t.Fatalf("open: %q, %v", plain, err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	for name, try := range map[string]func() ([]byte, error){
		"other purpose": func() ([]byte, error) { return a.Open("key", "acme/okta", sealed) },
		"other row":     func() ([]byte, error) { return a.Open("client-secret", "evil/okta", sealed) },
		"other root":    func() ([]byte, error) { return b.Open("client-secret", "acme/okta", sealed) },
		"changed":       func() ([]byte, error) { return a.Open("client-secret", "acme/okta", flipped) },
		"cut":           func() ([]byte, error) { return a.Open("client-secret", "acme/okta", sealed[:5]) },
	} {
		if _, err := try(); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: got %v, want ErrOpen", name, err)
		}
	}
}

func TestRootKeySurvivesItsFile(t *testing.T) {
	key := RandomKey()
	got, err := ParseKey(EncodeKey(key) + "\n")
	if err != nil || !bytes.Equal(got, key) {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "abc", EncodeKey(key[:31]), strings.Repeat("!", 43)} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("ParseKey(%q) accepted", bad)
		}
	}
}
