package httpreq

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const gateCookie = "__Host-ssogate"

func TestCookiePairsComeInOrder(t *testing.T) {
	c := mustCookies(t, ` a=1;b = "2 ; c;;d==4; =5; a=6`)
	var got []string
	for name, value := range c.All() {
		got = append(got, name+"|"+value)
	}
	if want := []string{"a|1", `b|"2`, "c|", "d|=4", "|5", "a|6"}; !slices.Equal(got, want) {
		t.Fatalf("pairs = %q", got)
	}
}

func TestNothingHidesTheGateCookie(t *testing.T) {
	for _, c := range []struct {
		line, value string
		count       int
	}{
		{"", "", 0},
		{"__Host-ssogate=v", "v", 1},
		{"a=1; __Host-ssogate=v; b=2", "v", 1},
		{"a=1;__Host-ssogate=v;b=2", "v", 1},
		{`a="1; __Host-ssogate=v; b=2"`, "v", 1},
		{"a=\x80\xff; __Host-ssogate=v", "v", 1},
		{"a b c; (=); __Host-ssogate=v", "v", 1},
		{"__Host-ssogate =v", "v", 1},
		{"\t__Host-ssogate\t=\tv\t", "v", 1},
		{"__Host-ssogate=v=w", "v=w", 1},
		{"__Host-ssogate=v; __Host-ssogate=w", "v", 2},
		{"__Host-ssogate; __Host-ssogate=w", "", 2},
		{"__Host-ssogate=v; x; __Host-ssogate=v; __Host-ssogate=u", "v", 3},
		{"__host-ssogate=v", "", 0},
		{"__Host-ssogate-flow=v", "", 0},
		{"x__Host-ssogate=v", "", 0},
	} {
		value, count := mustCookies(t, c.line).Get(gateCookie)
		if value != c.value || count != c.count {
			t.Errorf("%q: %q %d, want %q %d", c.line, value, count, c.value, c.count)
		}
	}
}

func TestRestOfTheCookiesPassByteForByte(t *testing.T) {
	names := []string{gateCookie, "__Host-ssogate-flow"}
	for _, c := range []struct{ line, want string }{
		{"", ""},
		{"a=1; b=2", "a=1; b=2"},
		{"a=1;b=2;;", "a=1;b=2;;"},
		{"__Host-ssogate=v", ""},
		{" __Host-ssogate=v ; __Host-ssogate-flow=w", ""},
		{"a=1; __Host-ssogate=v; b=2", "a=1; b=2"},
		{"__Host-ssogate=v; a=1", "a=1"},
		{"a=1; __Host-ssogate=v", "a=1"},
		{"a=1; __Host-ssogate=v; __Host-ssogate=w; __Host-ssogate-flow=f;b", "a=1;b"},
		{`a="x\"y, z"; __Host-ssogate=v; b=` + "\xff", `a="x\"y, z"; b=` + "\xff"},
		{"__Host-ssogated=1; my__Host-ssogate=2; a=__Host-ssogate", "__Host-ssogated=1; my__Host-ssogate=2; a=__Host-ssogate"},
	} {
		if got := mustCookies(t, c.line).Without(names...); got != c.want {
			t.Errorf("%q without ours is %q, want %q", c.line, got, c.want)
		}
	}
}

func TestWhatALenientReaderTakesForTheGateCookieGoesToo(t *testing.T) {
	for _, part := range []string{
		"__Host-ssogate",
		"__Host-ssogate =v",
		"\t__Host-ssogate=v",
		"__host-SSOGATE=v",
		"b=1,__Host-ssogate=v",
		"b=1, __Host-ssogate=v",
		"b=1 __Host-ssogate=v",
		`b="1"__Host-ssogate=v`,
		`"__Host-ssogate"=v`,
		"\u00a0__Host-ssogate=v",
		"\u2003__Host-ssogate\u2003=v",
		"%5f%5fHost-ssogate=v",
		"__Host%2dssogate=v",
		"%20__Host-ssogate=v",
		"..Host-ssogate=v",
		"_[Host-ssogate=v",
		"%zz,__Host-ssogate=v",
	} {
		if got := mustCookies(t, "a=1;"+part+"; c=2").Without(gateCookie); got != "a=1; c=2" {
			t.Errorf("%q stays: %q", part, got)
		}
	}
}

func TestNameThatEndsInADashStandsForAllThatBeginSo(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"a=1; __Host-ssogate-saml=v; __Host-ssogate-saml-0123abcd=w; b=2", "a=1; b=2"},
		{"__Host-ssogate-saml-0123abcd", ""},
		{"a=1;__host-SSOGATE-x =v", "a=1"},
		{"a=1,__Host-ssogate-saml-0123abcd=w;b=2", "b=2"},
		{"%5f%5fHost-ssogate-saml=v;b=2", "b=2"},
		{"__Host-ssogate%2dsaml=v;b=2", "b=2"},
		{"__Host-ssogate=v; __Host-ssogatex-=1; a=__Host-ssogate-x", "__Host-ssogate=v; __Host-ssogatex-=1; a=__Host-ssogate-x"},
	} {
		if got := mustCookies(t, c.line).Without("__Host-ssogate-"); got != c.want {
			t.Errorf("%q is %q, want %q", c.line, got, c.want)
		}
	}
}

func TestCookieLinesWithControlBytesOrTooLongAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"a=1\x00":     ReasonCookieByte,
		"a=1\r\nx: y": ReasonCookieByte,
		"a=\x7f":      ReasonCookieByte,
		"a=" + strings.Repeat("x", MaxCookieLine): ReasonCookieSize,
	} {
		if _, err := ParseCookies(line); reason(err) != want {
			t.Errorf("%.20q: %v, want %s", line, err, want)
		}
	}
	mustCookies(t, "a=\t\x80\xff")
}

func FuzzCookies(f *testing.F) {
	for _, s := range []string{"a=1; __Host-ssogate=v; b=2", `a="; __Host-ssogate="`, "__Host-ssogate = v", "a,__Host-ssogate=x", "__Host-ssogate", "ssogate=1;;"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := ParseCookies(line)
		if err != nil {
			return
		}
		for _, name := range []string{gateCookie, "ssogate"} {
			rest := c.Without(name)
			if got := mustCookies(t, rest).Without(name); got != rest {
				t.Fatalf("%q without %s is %q, then %q", line, name, rest, got)
			}
			for reader, read := range cookieReaders {
				if read(rest, name) {
					t.Fatalf("%q without %s is %q, and %s still finds it", line, name, rest, reader)
				}
			}
			_, count := c.Get(name)
			if _, left := mustCookies(t, rest).Get(name); left != 0 {
				t.Fatalf("%q: %d of %d left", line, left, count)
			}
			if count == 0 && len(rest) != len(line) && !strings.Contains(strings.ToLower(looseUnescape(line)), "ssogate") {
				t.Fatalf("%q lost bytes without reason: %q", line, rest)
			}
		}
		// what net/http reads of other names is the same before and after
		before, after := others(line), others(c.Without("ssogate"))
		if !slices.Equal(before, after) {
			t.Fatalf("%q: other cookies were %q, are %q", line, before, after)
		}
	})
}

var cookieReaders = map[string]func(line, name string) bool{
	"net/http": func(line, name string) bool {
		r := &http.Request{Header: http.Header{"Cookie": {line}}}
		return len(r.CookiesNamed(name)) > 0
	},
	"a splitter on ; and , that folds case": func(line, name string) bool {
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ';' || r == ',' }) {
			n, _, ok := strings.Cut(part, "=")
			if ok && strings.EqualFold(strings.TrimSpace(n), name) {
				return true
			}
		}
		return false
	},
	"a splitter on white space": func(line, name string) bool {
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ';' || r == ' ' || r == '\t' }) {
			if strings.HasPrefix(part, name+"=") {
				return true
			}
		}
		return false
	},
}

// others is what net/http reads, less every part in which the name stands at all.
func others(line string) []string {
	var out []string
	r := &http.Request{Header: http.Header{"Cookie": {line}}}
	for _, c := range r.Cookies() {
		if !strings.Contains(strings.ToLower(looseUnescape(c.Name+"="+c.Value)), "ssogate") {
			out = append(out, c.Name+"="+c.Value)
		}
	}
	return out
}

func mustCookies(t *testing.T, line string) Cookies {
	t.Helper()
	c, err := ParseCookies(line)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func BenchmarkCookies(b *testing.B) {
	line := "_ga=GA1.1.1234567890.1234567890; theme=dark; __Host-ssogate=v1.abcdefgh." + strings.Repeat("x", 100) + "; lang=en"
	b.ReportAllocs()
	for b.Loop() {
		c, err := ParseCookies(line)
		if err != nil {
			b.Fatal(err)
		}
		if _, n := c.Get(gateCookie); n != 1 || c.Without(gateCookie, "__Host-ssogate-flow") == line {
			b.Fatal("wrong")
		}
	}
}
