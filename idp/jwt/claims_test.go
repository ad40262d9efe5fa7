package jwt

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPayloadsWithTwoReadingsAreRefused(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{``, ReasonJSON},
		{`{"sub":"a"} x`, ReasonJSON},
		{`{"sub":"a"}{"sub":"b"}`, ReasonJSON},
		{`{"sub":"a",}`, ReasonJSON},
		{`{"sub" "a"}`, ReasonJSON},
		{`{sub:"a"}`, ReasonJSON},
		{`{"exp":01}`, ReasonJSON},
		{`{"exp":NaN}`, ReasonJSON},
		{"\xef\xbb\xbf{}", ReasonJSON},
		{`[]`, ReasonObject},
		{`"sub"`, ReasonObject},
		{`null`, ReasonObject},
		{"{\"sub\":\"a\xff\"}", ReasonUTF8},
		{"{\"s\xed\xa0\x80b\":1}", ReasonUTF8},
		{`{"sub":"a","sub":"b"}`, ReasonDuplicate},
		{`{"sub":"a","s\u0075b":"b"}`, ReasonDuplicate},
		{`{"x":{"y":1,"y":2}}`, ReasonDuplicate},
		{`{"x":[{"y":1},{"y":1,"z":0,"y":2}]}`, ReasonDuplicate},
		{`{"SUB":"a"}`, ReasonFold},
		{`{"sub":"a","SUB":"b"}`, ReasonFold},
		{"{\"\u017fub\":\"a\"}", ReasonFold},
		{`{"\u017fub":"a"}`, ReasonFold},
		{`{"i\u017f\u017f":"a"}`, ReasonFold},
		{`{"Exp":1}`, ReasonFold},
		{`{"Groups":[]}`, ReasonFold},
		{`{"_Claim_Names":{}}`, ReasonFold},
		{`{"email_verIfied":true}`, ReasonFold},
		{`{"sub":"a\ud800"}`, ReasonSurrogate},
		{`{"sub":"a\udc00"}`, ReasonSurrogate},
		{`{"sub":"\ud800\ud800"}`, ReasonSurrogate},
		{`{"sub":"\ud83dx"}`, ReasonSurrogate},
		{`{"\ud800":1,"\ud801":2}`, ReasonSurrogate},
		{`{"sub":"alice\u0000"}`, ReasonNUL},
		{strings.Repeat(`{"a":`, 33) + `1` + strings.Repeat(`}`, 33), ReasonDepth},
		{`{"a":` + strings.Repeat(`[`, 32) + strings.Repeat(`]`, 32) + `}`, ReasonDepth},
		{`{"a":"` + strings.Repeat("x", MaxClaims) + `"}`, ReasonSize},
	} {
		_, err := StrictClaims([]byte(c.payload))
		claims, ok := errors.AsType[*ClaimsError](err)
		if !ok || claims.Reason != c.want || !errors.Is(err, ErrClaims) {
			t.Errorf("%.60q: %v, want %s", c.payload, err, c.want)
		}
	}
}

func TestPlainPayloadsAreRead(t *testing.T) {
	for _, payload := range []string{
		`{}`, ` {"sub":"a"} `, `{"sub":"a\\u0000"}`, `{"sub":"\ud83d\ude00"}`, "{\"sub\":\"\ufffd\"}", `{"sub":"\ufffd"}`,
		`{"https://tracio.ai/groups":["a"],"a.b":1,"subs":2,"Name":"x"}`,
		`{"nested":{"SUB":1,"sub":2}}`, // only the top level fills a struct
		strings.Repeat(`{"a":`, 32) + `1` + strings.Repeat(`}`, 32),
	} {
		if _, err := StrictClaims([]byte(payload)); err != nil {
			t.Errorf("%.60q: %v", payload, err)
		}
	}
}

func TestClaimsAreLookedUpByTheirExactName(t *testing.T) {
	c := mustClaims(t, `{"iss":"https://idp","aud":["a","b"],"exp":1700000000,"iat":1700000000.75,"email_verified":true,
		"https://tracio.ai/groups":["x"],"a":{"b":"c"},"azp":null,"big":12345678901234567890}`)
	if v, err := c.String("iss"); v != "https://idp" || err != nil {
		t.Errorf("iss = %q, %v", v, err)
	}
	if v, err := c.Strings("aud"); !slices.Equal(v, []string{"a", "b"}) || err != nil {
		t.Errorf("aud = %q, %v", v, err)
	}
	if v, err := c.Strings("iss"); !slices.Equal(v, []string{"https://idp"}) || err != nil {
		t.Errorf("iss as list = %q, %v", v, err)
	}
	if v, err := c.Strings("https://tracio.ai/groups"); !slices.Equal(v, []string{"x"}) || err != nil {
		t.Errorf("groups = %q, %v", v, err)
	}
	for _, name := range []string{"exp", "iat"} {
		if v, err := c.Time(name); !v.Equal(time.Unix(1700000000, 0)) || err != nil {
			t.Errorf("%s = %v, %v", name, v, err)
		}
	}
	if v, err := c.Bool("email_verified"); !v || err != nil {
		t.Errorf("email_verified = %v, %v", v, err)
	}
	if v, err := c.String("a.b"); v != "" || err != nil {
		t.Errorf("a.b = %q, %v", v, err)
	}
	if c.Has("azp") || c.Has("absent") || !c.Has("exp") {
		t.Error("null counts as present, or a claim is missing")
	}
	if c.Raw()["big"] != json.Number("12345678901234567890") {
		t.Errorf("big = %v", c.Raw()["big"])
	}
}

func TestAbsentClaimIsEmptyAndWrongTypeIsAnError(t *testing.T) {
	c := mustClaims(t, `{"number":1,"text":"x","list":[1],"object":{},"flag":"true"}`)
	var zero Claims
	for _, claims := range []Claims{c, zero} {
		s, err1 := claims.String("none")
		l, err2 := claims.Strings("none")
		b, err3 := claims.Bool("none")
		n, err4 := claims.Time("none")
		if s != "" || l != nil || b || !n.IsZero() || errors.Join(err1, err2, err3, err4) != nil {
			t.Error("an absent claim is not empty")
		}
	}
	fails := map[string]func() error{
		"String(number)":  func() error { _, err := c.String("number"); return err },
		"String(list)":    func() error { _, err := c.String("list"); return err },
		"Strings(list)":   func() error { _, err := c.Strings("list"); return err },
		"Strings(object)": func() error { _, err := c.Strings("object"); return err },
		"Bool(flag)":      func() error { _, err := c.Bool("flag"); return err },
		"Time(text)":      func() error { _, err := c.Time("text"); return err },
	}
	for name, f := range fails {
		if claims, ok := errors.AsType[*ClaimsError](f()); !ok || claims.Reason != ReasonType {
			t.Errorf("%s: no %s", name, ReasonType)
		}
	}
}

func TestTimesOutsideTheCalendarAreRefused(t *testing.T) {
	for number, ok := range map[string]bool{
		"0": true, "1": true, "1.7e9": true, "1700000000.999": true, "253402300799": true,
		"-1": false, "-0.5": false, "253402300800": false, "1e18": false, "1e400": false, "99999999999999999999": false,
	} {
		c := mustClaims(t, `{"exp":`+number+`}`)
		if _, err := c.Time("exp"); (err == nil) != ok {
			t.Errorf("exp %s: %v", number, err)
		}
	}
}

func TestClaimsErrorsHoldNoValue(t *testing.T) {
	_, err := StrictClaims([]byte(`{"SUB":"planted-secret"}`))
	if err == nil || strings.Contains(err.Error(), "planted-secret") || !strings.Contains(err.Error(), `"SUB"`) {
		t.Fatalf("%v", err)
	}
	_, err = StrictClaims([]byte(`{"` + strings.Repeat("x", 500) + `":1,"` + strings.Repeat("x", 500) + `":1}`))
	if err == nil || len(err.Error()) > 200 {
		t.Fatalf("long key in full: %v", err)
	}
}

type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

func FuzzStrictClaims(f *testing.F) {
	for _, s := range []string{
		`{"iss":"https://idp","sub":"a","aud":["x"],"exp":1700000000,"nonce":"n"}`, `{"iss":"a","ISS":"b"}`, `{"ſub":"x"}`, `{"sub":"a","sub":"b"}`,
		`{"aud":"x","exp":1.5}`, `{"a":[[{"b":{}}]]}`, `{"sub":"\ud83d\ude00"}`, `{"sub":null,"aud":null,"exp":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := StrictClaims(payload)
		if err != nil {
			if !errors.Is(err, ErrClaims) {
				t.Fatalf("error is %v", err)
			}
			return
		}
		var v struct {
			Iss   string      `json:"iss"`
			Sub   string      `json:"sub"`
			Nonce string      `json:"nonce"`
			Aud   audience    `json:"aud"`
			Exp   json.Number `json:"exp"`
		}
		if json.Unmarshal(payload, &v) != nil {
			return // a claim of another type: the struct's reader refuses it
		}
		agree := func(name, want string) {
			if got, err := c.String(name); err != nil || got != want {
				t.Fatalf("%q: %s is %q (%v) to us and %q to a struct", payload, name, got, err, want)
			}
		}
		agree("iss", v.Iss)
		agree("sub", v.Sub)
		agree("nonce", v.Nonce)
		if got, err := c.Strings("aud"); err == nil && !slices.Equal(got, []string(v.Aud)) && c.Has("aud") {
			t.Fatalf("%q: aud is %q to us and %q to a struct", payload, got, v.Aud)
		}
		if number, ok := c.Raw()["exp"].(json.Number); ok && number != v.Exp || !c.Has("exp") && v.Exp != "" {
			t.Fatalf("%q: exp is %v to us and %v to a struct", payload, c.Raw()["exp"], v.Exp)
		}
		again, err := json.Marshal(c.Raw())
		if err != nil {
			t.Fatal(err)
		}
		if len(again) <= MaxClaims {
			if _, err := StrictClaims(again); err != nil {
				t.Fatalf("%q printed as %q is refused: %v", payload, again, err)
			}
		}
	})
}

func mustClaims(t *testing.T, payload string) Claims {
	t.Helper()
	c, err := StrictClaims([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkStrictClaims(b *testing.B) {
	payload := []byte(`{"iss":"https://acme.okta.com","sub":"00u1","aud":"0oa1","exp":1700000000,"iat":1700000000,"nonce":"nnnn","email":"a@acme.example","groups":["Everyone","Security"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := StrictClaims(payload); err != nil {
			b.Fatal(err)
		}
	}
}
