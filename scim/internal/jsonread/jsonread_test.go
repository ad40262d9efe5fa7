package jsonread

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

const limit = 1 << 20

func TestDocumentsAreReadAsTheyStand(t *testing.T) {
	for text, want := range map[string]any{
		`null`:                     nil,
		` true `:                   true,
		"\t[false]\r\n":            []any{false},
		`""`:                       "",
		`"a\"\\\/\b\f\n\r\té"`:     "a\"\\/\b\f\n\r\té",
		`"\ud83d\ude00 \uFFFD"`:    "😀 \uFFFD",
		`99999999999999999999`:     json.Number("99999999999999999999"),
		`-0.10E+2`:                 json.Number("-0.10E+2"),
		`{}`:                       map[string]any{},
		`[]`:                       []any{},
		`{"a":[1,{"b":null}]}`:     map[string]any{"a": []any{json.Number("1"), map[string]any{"b": nil}}},
		`{"K":1,"` + "\u212a\":2}": map[string]any{"K": json.Number("1"), "\u212a": json.Number("2")}, // Kelvin sign
		`{"":1}`:                   map[string]any{"": json.Number("1")},
	} {
		got, err := Read([]byte(text), limit)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Read(%s) = %#v, %v; want %#v", text, got, err, want)
		}
	}
}

func TestWhatTwoReadersCouldTakeDifferentlyIsRefused(t *testing.T) {
	many := func(last string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range 40 {
			fmt.Fprintf(&b, `"n%d":1,`, i)
		}
		return b.String() + `"` + last + `":2}`
	}
	for text, want := range map[string]string{
		`{"userName":"a","USERNAME":"b"}`:       `name "USERNAME" repeats "userName" at byte 16`,
		`{"a":1,"a":1}`:                         `name "a" repeats "a"`,
		`{"a":1,"\u0061":1}`:                    `name "a" repeats "a"`,
		`[{"b":{"x x":1,"X x":1}}]`:             `name of an object repeats of an object`,
		many("N17"):                             `name "N17" repeats "n17"`,
		many("N39"):                             `name "N39" repeats "n39"`,
		"\"\xff\"":                              `invalid UTF-8 in a string at byte 1`,
		"{\"a\xc3\":1}":                         `invalid UTF-8`,
		"\"\xed\xa0\x80\"":                      `invalid UTF-8`,
		`"\ud800"`:                              `half of a surrogate pair in a string at byte 1`,
		`"\ud800\ud800"`:                        `half of a surrogate pair`,
		`"\udc00\ud800"`:                        `half of a surrogate pair`,
		`"\ud800x"`:                             `half of a surrogate pair`,
		`"a\u0000"`:                             `U+0000 in a string at byte 2`,
		"\"\x00\"":                              `control character`,
		"\"\n\"":                                `control character`,
		`{} {}`:                                 `after the document at byte 3`,
		`{}` + "\x00":                           `after the document`,
		`1 2`:                                   `after the document`,
		"\xef\xbb\xbf{}":                        `a value should start here`,
		``:                                      `unexpected end`,
		`  `:                                    `unexpected end`,
		`{"a":1`:                                `unexpected end`,
		`{"a":`:                                 `unexpected end`,
		`{"a"`:                                  `a colon`,
		`{a:1}`:                                 `name in quotes`,
		`{"a":1,}`:                              `name in quotes`,
		`[1,]`:                                  `a value should start here`,
		`[1 2]`:                                 `a comma or ']'`,
		`[1`:                                    `unexpected end`,
		`"a`:                                    `unexpected end of a string`,
		`"a\`:                                   `unexpected end of a string`,
		`"\u12`:                                 `unknown escape`,
		`"\u12G4"`:                              `unknown escape`,
		`"\x41"`:                                `unknown escape`,
		`'a'`:                                   `a value should start here`,
		`NaN`:                                   `a value should start here`,
		`nul`:                                   `unknown word`,
		`True`:                                  `a value should start here`,
		`01`:                                    `after the document`,
		`-`:                                     `a digit`,
		`1.`:                                    `a digit`,
		`1e`:                                    `a digit`,
		`+1`:                                    `a value should start here`,
		`.5`:                                    `a value should start here`,
		`1 // one`:                              `after the document`,
		strings.Repeat("[", MaxDepth+1):         `nesting deeper than 32 at byte 32`,
		strings.Repeat(`{"a":`, MaxDepth+1):     `nesting deeper`,
		strings.Repeat(" ", limit+1):            `longer than 1048576 bytes`,
		`[` + strings.Repeat("1,", MaxValues/2): ``,
	} {
		got, err := Read([]byte(text), limit)
		e, ok := errors.AsType[*Error](err)
		if !ok || got != nil || !strings.Contains(e.Error(), want) {
			t.Errorf("Read(%.60q) = %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestDepthAndValuesAreAllowedUpToTheLimit(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	if _, err := Read([]byte(deep), limit); err != nil {
		t.Errorf("nesting of %d: %v", MaxDepth, err)
	}
	list := func(n int) []byte { return []byte(`[` + strings.Repeat("1,", n-1) + `1]`) }
	if _, err := Read(list(MaxValues-1), 1<<24); err != nil {
		t.Errorf("%d values: %v", MaxValues, err)
	}
	_, err := Read(list(MaxValues), 1<<24)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Reason, "values") {
		t.Errorf("%d values: %v, want a refusal", MaxValues+1, err)
	}
}

func TestErrorsQuoteNoValues(t *testing.T) {
	for _, text := range []string{`{"userName":"hunter2",}`, `"hunter2`, `["hunter2" "hunter2"]`, `{"a":"hunter2\u0000"}`} {
		if _, err := Read([]byte(text), limit); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Read(%s): %v", text, err)
		}
	}
}

func TestObjectRefusesOtherDocuments(t *testing.T) {
	for _, text := range []string{`[]`, `null`, `"a"`, `1`, `[{}]`} {
		if got, err := Object([]byte(text), limit); err == nil || got != nil {
			t.Errorf("Object(%s) = %v, %v", text, got, err)
		}
	}
	if got, err := Object([]byte(`{"a":1}`), limit); err != nil || got["a"] != json.Number("1") {
		t.Errorf("Object = %v, %v", got, err)
	}
}

// What is accepted here is accepted by encoding/json, with the same meaning.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"name":{"givenName":"\ud83d\ude00"},"n":-1.5e+3}`,
		`{"a":1,"A":2}`, "\"\xff\"", `"\ud800"`, `[[[]]]`, `"\u0000"`, `{} x`, `1e`, "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Read(data, 1<<16)
		if err != nil {
			if got != nil {
				t.Fatalf("%v beside %v", got, err)
			}
			return
		}
		var want any
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err := decoder.Decode(&want); err != nil {
			t.Fatalf("accepted %q, encoding/json says %v", data, err)
		}
		if !utf8.Valid(data) || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, encoding/json says %#v", data, got, want)
		}
		printed, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Read(printed, 1<<20); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%q printed as %q reads as %#v, %v", data, printed, again, err)
		}
	})
}

func BenchmarkReadMembers(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"members":[`)
	for i := range 100_000 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"value":"23a35c27-23d3-4c03-b4c5-%012d","display":"user%d@example.com"}`, i, i)
	}
	text.WriteString(`]}`)
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read(data, 1<<24); err != nil {
			b.Fatal(err)
		}
	}
}
