package httpreq

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func reason(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason
	}
	return ""
}

func TestAmbiguousTargetsAreRefusedWithTheirReason(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{"", ReasonPathForm},
		{"*", ReasonPathForm},
		{"?a=1", ReasonPathForm},
		{"admin", ReasonPathForm},
		{"https://dashboard.example/admin", ReasonPathForm},
		{"%2fadmin", ReasonPathForm},
		{"//", ReasonPathEmptySegment},
		{"//admin", ReasonPathEmptySegment},
		{"//evil.example/admin", ReasonPathEmptySegment},
		{"/public//admin", ReasonPathEmptySegment},
		{"/admin//", ReasonPathEmptySegment},
		{"/.", ReasonPathDotSegment},
		{"/..", ReasonPathDotSegment},
		{"/./admin", ReasonPathDotSegment},
		{"/public/../admin", ReasonPathDotSegment},
		{"/public/..", ReasonPathDotSegment},
		{"/public/%2e%2e/admin", ReasonPathDotSegment},
		{"/public/%2E./admin", ReasonPathDotSegment},
		{"/public/.%2e/admin", ReasonPathDotSegment},
		{"/public/..%20/admin", ReasonPathDotSegment},
		{"/public/%20../admin", ReasonPathDotSegment},
		{`/public\..\admin`, ReasonPathBackslash},
		{"/public%5c..%5cadmin", ReasonPathBackslash},
		{"/public%5Cadmin", ReasonPathBackslash},
		{"/admin#x", ReasonPathByte},
		{"/admin x", ReasonPathByte},
		{"/admin\tx", ReasonPathByte},
		{"/admin\x00", ReasonPathByte},
		{"/admin\r\nx: y", ReasonPathByte},
		{"/admin\x7f", ReasonPathByte},
		{"/caf\xc3\xa9", ReasonPathByte},
		{"/caf\xff", ReasonPathByte},
		{"/admin%", ReasonPathEscape},
		{"/admin%2", ReasonPathEscape},
		{"/admin%zz", ReasonPathEscape},
		{"/admin%2/x", ReasonPathEscape},
		{"/admin%u002e", ReasonPathEscape},
		{"/%2fadmin", ReasonPathEncodedSlash},
		{"/public%2fadmin", ReasonPathEncodedSlash},
		{"/public%2Fadmin", ReasonPathEncodedSlash},
		{"/public/..%2fadmin", ReasonPathEncodedSlash},
		{"/%252e%252e/admin", ReasonPathEncodedByte},
		{"/public%252fadmin", ReasonPathEncodedByte},
		{"/admin%00", ReasonPathEncodedByte},
		{"/admin%0a", ReasonPathEncodedByte},
		{"/admin%7f", ReasonPathEncodedByte},
		{"/admin%3fx", ReasonPathEncodedByte},
		{"/admin%23x", ReasonPathEncodedByte},
		{"/caf%e9", ReasonPathUTF8},
		{"/%c0%ae%c0%ae/admin", ReasonPathUTF8},
		{"/%ed%a0%80", ReasonPathUTF8},
		{"/admin;x", ReasonPathSemicolon},
		{"/;/admin", ReasonPathSemicolon},
		{"/public/..;/admin", ReasonPathSemicolon},
		{"/public/%2e%2e;x/admin", ReasonPathSemicolon},
		{"/public/..%3bx/admin", ReasonPathSemicolon},
		{"/admin%3B", ReasonPathSemicolon},
		{"/a?b=%", ReasonQueryEscape},
		{"/a?%zz=1", ReasonQueryEscape},
		{"/a?b=%ff", ReasonQueryUTF8},
		{"/a?%c0%80=1", ReasonQueryUTF8},
		{"/a?b#c", ReasonQueryByte},
		{"/a?b c", ReasonQueryByte},
		{"/a?b\x00", ReasonQueryByte},
		{"/a?\xc3\xa9", ReasonQueryByte},
		{"/a?state=1&state=2", ReasonQueryRepeated},
		{"/a?state&state", ReasonQueryRepeated},
		{"/a?code=1&x=2&%63ode=3", ReasonQueryRepeated},
		{"/a?iss=1&iss=1", ReasonQueryRepeated},
		{"/a?SAMLRequest=1&SAMLRequest=1", ReasonQueryRepeated},
		{"/a?SAMLResponse=1&SAMLResponse=1", ReasonQueryRepeated},
		{"/a?RelayState=1&RelayState=1", ReasonQueryRepeated},
		{"/a?Signature=1&Signature=1", ReasonQueryRepeated},
		{"/a?SigAlg=1&SigAlg=1", ReasonQueryRepeated},
		{"/a?return_to=1&return_to=1", ReasonQueryRepeated},
		{"/a?" + strings.Repeat("b&", MaxQueryPairs), ReasonQueryPairs},
	} {
		got, err := ParseTarget(c.raw)
		if reason(err) != c.want {
			t.Errorf("ParseTarget(%q) = %+v, %v; want %s", c.raw, got, err, c.want)
			continue
		}
		if r, _ := errors.AsType[*Refusal](err); r.Status != http.StatusBadRequest {
			t.Errorf("ParseTarget(%q): status %d, want 400", c.raw, r.Status)
		}
	}
}

func TestPlainTargetsKeepTheirBytes(t *testing.T) {
	for _, c := range []struct {
		raw, path string
		segments  []string
		rawQuery  string
	}{
		{"/", "/", nil, ""},
		{"/?", "/", nil, ""},
		{"/a", "/a", []string{"a"}, ""},
		{"/a/", "/a/", []string{"a"}, ""},
		{"/A/b", "/A/b", []string{"A", "b"}, ""},
		{"/%61dmin", "/%61dmin", []string{"admin"}, ""},
		{"/caf%C3%A9/x%20y", "/caf%C3%A9/x%20y", []string{"café", "x y"}, ""},
		{"/a+b", "/a+b", []string{"a+b"}, ""},
		{"/...", "/...", []string{"..."}, ""},
		{"/.well-known/x", "/.well-known/x", []string{".well-known", "x"}, ""},
		{"/a..b/c%2e%2ed", "/a..b/c%2e%2ed", []string{"a..b", "c..d"}, ""},
		{"/a:b@c/d=e&f,g", "/a:b@c/d=e&f,g", []string{"a:b@c", "d=e&f,g"}, ""},
		{"/a?b=/../c;d//?e", "/a", []string{"a"}, "b=/../c;d//?e"},
		{"/a?Signature=x%2by&b=c+d", "/a", []string{"a"}, "Signature=x%2by&b=c+d"},
	} {
		got, err := ParseTarget(c.raw)
		if err != nil {
			t.Errorf("ParseTarget(%q): %v", c.raw, err)
			continue
		}
		if got.Path != c.path || !slices.Equal(got.Segments, c.segments) || got.RawQuery != c.rawQuery {
			t.Errorf("ParseTarget(%q) = %+v", c.raw, got)
		}
	}
}

func TestTargetOverTheLimitIs414(t *testing.T) {
	if _, err := ParseTarget("/" + strings.Repeat("a", MaxTarget-1)); err != nil {
		t.Fatalf("at the limit: %v", err)
	}
	_, err := ParseTarget("/" + strings.Repeat("a", MaxTarget))
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Status != http.StatusRequestURITooLong {
		t.Fatalf("over the limit: %v", err)
	}
	if _, err := ParseTarget("/a?" + strings.Repeat("b", MaxTarget)); reason(err) != ReasonTargetSize {
		t.Fatalf("the query counts as well: %v", err)
	}
}

func TestQueryKeepsAllValuesInOrder(t *testing.T) {
	target, err := ParseTarget("/a?x=1&y&x=2+3&&z=a%3Db%0a&=q&x=;y=9")
	if err != nil {
		t.Fatal(err)
	}
	want := Query{{"x", "1"}, {"y", ""}, {"x", "2 3"}, {"z", "a=b\n"}, {"", "q"}, {"x", ";y=9"}}
	if !slices.Equal(target.Query, want) {
		t.Fatalf("query = %q", target.Query)
	}
	if got := target.Query.Values("x"); !slices.Equal(got, []string{"1", "2 3", ";y=9"}) {
		t.Errorf("values of x = %q", got)
	}
	if v, ok := target.Query.Get("z"); !ok || v != "a=b\n" {
		t.Errorf("z = %q, %v", v, ok)
	}
	if _, ok := target.Query.Get("absent"); ok {
		t.Error("absent is present")
	}
	if got := target.Query.Map()["x"]; len(got) != 3 {
		t.Errorf("map x = %q", got)
	}
}

func TestUnderComparesWholeSegments(t *testing.T) {
	for raw, want := range map[string]bool{"/auth": true, "/auth/": true, "/auth/x": true, "/%61uth/x": true, "/authx": false, "/": false, "/Auth": false, "/x/auth": false} {
		target, err := ParseTarget(raw)
		if err != nil {
			t.Fatal(err)
		}
		if target.Under("auth") != want {
			t.Errorf("%s under auth = %v", raw, !want)
		}
	}
}

func TestOnlySevenMethodsAreKnown(t *testing.T) {
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if got, err := ParseMethod(m); err != nil || got != m {
			t.Errorf("ParseMethod(%s) = %q, %v", m, got, err)
		}
	}
	for _, m := range []string{"", "get", "Get", "GET ", " GET", "CONNECT", "TRACE", "PROPFIND", "GET,POST", "G\x00ET"} {
		_, err := ParseMethod(m)
		if r, ok := errors.AsType[*Refusal](err); !ok || r.Status != http.StatusMethodNotAllowed {
			t.Errorf("ParseMethod(%q): %v", m, err)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"/", "/a/b/?x=1", "/%61/..;/b", "/a%2fb", "//a", "/a/%2e%2e/b", "/caf%C3%A9", "/a?state=1&state=2", "/a%3fb", "/a%20b/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := ParseTarget(raw)
		if err != nil {
			if _, ok := errors.AsType[*Refusal](err); !ok {
				t.Fatalf("error is a %T", err)
			}
			return
		}
		again, err := ParseTarget(target.String())
		if err != nil || again.String() != target.String() || !slices.Equal(again.Segments, target.Segments) || !slices.Equal(again.Query, target.Query) {
			t.Fatalf("%q printed as %q reads as %+v, %v", raw, target.String(), again, err)
		}
		for name, read := range readers {
			if got := read(raw); !slices.Equal(got, target.Segments) {
				t.Fatalf("%q: ours %q, %s %q", raw, target.Segments, name, got)
			}
		}
		if strings.Contains(target.RawQuery, ";") { // net/url drops such pairs
			return
		}
		values, err := url.ParseQuery(target.RawQuery)
		if err != nil {
			t.Fatalf("%q: net/url: %v", raw, err)
		}
		for name, want := range values {
			if got := target.Query.Values(name); !slices.Equal(got, want) {
				t.Fatalf("%q: %s is %q, net/url %q", raw, name, got, want)
			}
		}
	})
}

// readers are the upstreams we must agree with. Each does something we refuse to do.
var readers = map[string]func(string) []string{
	"net/url": func(raw string) []string {
		u, err := url.ParseRequestURI(raw)
		if err != nil {
			return []string{"error: " + err.Error()}
		}
		return split(u.Path)
	},
	"url.Parse": func(raw string) []string {
		u, err := url.Parse(raw)
		if err != nil || u.Host != "" {
			return []string{"error"}
		}
		return split(u.Path)
	},
	"decode first, then look for a query": func(raw string) []string {
		path, _, _ := strings.Cut(raw, "?")
		decoded, err := url.PathUnescape(path)
		if err != nil {
			return []string{"error: " + err.Error()}
		}
		decoded, _, _ = strings.Cut(decoded, "?")
		decoded, _, _ = strings.Cut(decoded, "#")
		return split(decoded)
	},
	"decode twice, merge slashes, resolve dots": func(raw string) []string {
		path, _, _ := strings.Cut(raw, "?")
		for range 2 {
			decoded, err := url.PathUnescape(path)
			if err != nil {
				return []string{"error: " + err.Error()}
			}
			path = strings.ReplaceAll(decoded, `\`, "/")
		}
		var out []string
		for s := range strings.SplitSeq(path, "/") {
			switch s {
			case "", ".":
			case "..":
				out = out[:max(0, len(out)-1)]
			default:
				out = append(out, s)
			}
		}
		return out
	},
	"strip parameters": func(raw string) []string {
		path, _, _ := strings.Cut(raw, "?")
		var out []string
		for _, s := range split(path) {
			s, _, _ = strings.Cut(s, ";")
			decoded, err := url.PathUnescape(s)
			if err != nil {
				return []string{"error: " + err.Error()}
			}
			decoded, _, _ = strings.Cut(decoded, ";")
			out = append(out, decoded)
		}
		return out
	},
}

func split(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

func BenchmarkParseTarget(b *testing.B) {
	for _, raw := range []string{"/api/v1/events/evt_123", "/api/v1/events?from=2026-01-01&to=2026-02-01&q=a%20b"} {
		b.Run(raw, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseTarget(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
