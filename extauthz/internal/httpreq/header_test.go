package httpreq

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestHostMustBeTheOneServed(t *testing.T) {
	const ok = ""
	for _, c := range []struct{ public, raw, want string }{
		{"https://dashboard.example", "dashboard.example", ok},
		{"https://dashboard.example", "DASHBOARD.example", ok},
		{"https://dashboard.example", "dashboard.example:443", ok},
		{"https://Dashboard.Example:443/", "dashboard.example", ok},
		{"http://localhost:8080", "localhost:8080", ok},
		{"http://localhost:8080", "localhost", ok},
		{"http://localhost", "localhost:80", ok},
		{"https://[::1]:8443", "[::1]:8443", ok},
		{"https://[::1]:8443", "[::1]", ok},
		{"http://localhost:8080", "localhost:80", ReasonHostOther},
		{"https://dashboard.example", "dashboard.example:8443", ReasonHostOther},
		{"https://dashboard.example", "dashboard.example:80", ReasonHostOther},
		{"https://dashboard.example", "evil.example", ReasonHostOther},
		{"https://dashboard.example", "dashboard.example.evil.example", ReasonHostOther},
		{"https://dashboard.example", "xdashboard.example", ReasonHostOther},
		{"https://dashboard.example", "[::1]", ReasonHostOther},
		{"https://desk.example", "des\u212a.example", ReasonHostForm},
		{"https://dashboard.example", "", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example.", ReasonHostForm},
		{"https://dashboard.example", "dashboard..example", ReasonHostForm},
		{"https://dashboard.example", ".dashboard.example", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example:", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example:0443", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example:443:443", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example:+443", ReasonHostForm},
		{"https://dashboard.example", "user@dashboard.example", ReasonHostForm},
		{"https://dashboard.example", "evil.example:80@dashboard.example", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example,evil.example", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example, dashboard.example", ReasonHostForm},
		{"https://dashboard.example", " dashboard.example", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example/x", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example#", ReasonHostForm},
		{"https://dashboard.example", "dashboard.example\x00", ReasonHostForm},
		{"https://dashboard.example", "[::1", ReasonHostForm},
		{"https://dashboard.example", "::1", ReasonHostForm},
		{"https://dashboard.example", "[fe80::1%25eth0]", ReasonHostForm},
		{"https://dashboard.example", strings.Repeat("a", 256), ReasonHostForm},
	} {
		err := ParseHost(c.raw, mustHost(t, c.public))
		if reason(err) != c.want {
			t.Errorf("host %q for %s: %v, want %q", c.raw, c.public, err, c.want)
		}
		if r, ok := errors.AsType[*Refusal](err); ok && (r.Status == http.StatusMisdirectedRequest) != (c.want == ReasonHostOther) {
			t.Errorf("host %q: status %d", c.raw, r.Status)
		}
	}
}

func TestUnsetHostServesNobody(t *testing.T) {
	for _, raw := range []string{"", "localhost", "dashboard.example"} {
		if ParseHost(raw, Host{}) == nil {
			t.Errorf("%q is served by the zero Host", raw)
		}
	}
}

func TestPublicURLThatIsNoPlainHostIsRefused(t *testing.T) {
	for _, raw := range []string{"https://", "https://u:p@h", "ftp://h", "https://h\u00e9", "https://h:0", "https://h:99999999", "https://h."} {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		if h, err := HostOf(u); err == nil {
			t.Errorf("%s gives %+v", raw, h)
		}
	}
}

func TestGateHeadersAreKnownInEverySpelling(t *testing.T) {
	for _, name := range []string{"x-sso-role", "X-SSO-Role", "x_sso_role", "X_Sso-role", "x-sso_role", "x.sso.role", "x-sso-", "x-sso-anything", " x-sso-role", "\tX-SSO-USER"} {
		if !IsGateHeader(name) {
			t.Errorf("%q is not ours", name)
		}
	}
	for _, name := range []string{"", "x", "x-ssorole", "x-sso", "y-x-sso-role", "xx-sso-role", "x-request-id", "authorization"} {
		if IsGateHeader(name) {
			t.Errorf("%q is ours", name)
		}
	}
}

func TestBearerLineIsOneTokenOrAnError(t *testing.T) {
	for _, c := range []struct {
		line, token string
		ok, fails   bool
	}{
		{"", "", false, false},
		{"Bearer abc.DEF-_~+/==", "abc.DEF-_~+/==", true, false},
		{"bearer abc", "abc", true, false},
		{"BEARER abc", "abc", true, false},
		{" Bearer abc ", "abc", true, false},
		{"Basic dXNlcjpwYXNz", "", false, false},
		{`Digest username="a", realm="bearer b"`, "", false, false},
		{"Bearerx abc", "", false, false},
		{"Bearer", "", false, true},
		{"Bearer ", "", false, true},
		{"Bearer  abc", "", false, true},
		{"Bearer\tabc", "", false, true},
		{"Bearer=abc", "", false, true},
		{"Bearer,abc", "", false, true},
		{"Bearer abc def", "", false, true},
		{"Bearer abc,Bearer def", "", false, true},
		{"Bearer a=b", "", false, true},
		{"Bearer ==", "", false, true},
		{`Bearer "abc"`, "", false, true},
		{"Bearer a\x80", "", false, true},
		{"Basic abc,Bearer def", "", false, true},
		{"Basic abc, bearer def", "", false, true},
		{"Basic abc,\tbearer\tdef", "", false, true},
		{"Bearer " + strings.Repeat("a", MaxBearer+1), "", false, true},
	} {
		token, ok, err := Bearer(c.line)
		if token != c.token || ok != c.ok || (err != nil) != c.fails {
			t.Errorf("Bearer(%.40q) = %q, %v, %v", c.line, token, ok, err)
		}
	}
}

func FuzzBearer(f *testing.F) {
	for _, s := range []string{"Bearer abc", "bearer", "Basic x, Bearer y", "Bearer a b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		token, ok, err := Bearer(line)
		switch {
		case ok && (err != nil || token == "" || strings.ContainsAny(token, " ,\t\"")):
			t.Fatalf("%q gives %q, %v", line, token, err)
		case !ok && token != "":
			t.Fatalf("%q gives a token and not ok", line)
		case ok:
			if again, ok, err := Bearer("Bearer " + token); again != token || !ok || err != nil {
				t.Fatalf("%q is not the same token again", token)
			}
		case err == nil && strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "bearer "):
			t.Fatalf("%q passes for no bearer token", line)
		}
	})
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{"dashboard.example", "dashboard.example:443", "a@dashboard.example", "DASHBOARD.EXAMPLE."} {
		f.Add(s)
	}
	want := Host{Name: "dashboard.example", Port: "443"}
	f.Fuzz(func(t *testing.T, raw string) {
		if ParseHost(raw, want) != nil {
			return
		}
		u, err := url.Parse("https://" + raw + "/")
		if err != nil || u.User != nil || strings.ToLower(u.Hostname()) != want.Name || (u.Port() != "" && u.Port() != want.Port) {
			t.Fatalf("%q is accepted, and net/url reads %v, %v", raw, u, err)
		}
	})
}

func TestReturnPathStaysOnThisHost(t *testing.T) {
	for _, raw := range []string{"/", "/a", "/a/b/?c=d&e=%C3%A9", "/authx", "/x/auth/y", "/?next=https://evil.example/", "/a?b=//evil.example", "/a?b=c%20d", "/my%20file", "/" + strings.Repeat("a", MaxReturnPath-1)} {
		if got := ReturnPath(raw); got != raw {
			t.Errorf("ReturnPath(%q) = %q", raw, got)
		}
	}
	for _, raw := range []string{
		"", "a", "?a", "#a", "https://evil.example", "//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`,
		"/\t/evil.example", "/\n/evil.example", "\t//evil.example", " //evil.example", "/ /evil.example",
		"/%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "/%5Cevil.example", "/%09/evil.example", "/%0a/evil.example", "/%0d%0aLocation:x",
		"/a?b=%5c", "/%20/evil.example", "/a?b=%00", "/a b", `/a\b`, "/a?b=\\", "/.//evil.example", "/..//evil.example", "/a/../../evil", "/a#b", "/a?b#c",
		"/a%", "/a%zz", "/caf\u00e9", "/a?b=%e2%80%a8", "/a?b=%c2%85", "/%ff", "/auth", "/auth/", "/auth/logout", "/%61uth/logout", "/auth/../x",
		"/a;b", "/" + strings.Repeat("a", MaxReturnPath), "javascript:alert(1)", "/%252fevil.example", "http:/evil.example", "/@evil.example//",
	} {
		if got := ReturnPath(raw); got != "/" {
			t.Errorf("ReturnPath(%q) = %q, want /", raw, got)
		}
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/a?b=c", "//evil.example", `/\evil`, "/%2fevil", "/\t/evil", "/auth/x"} {
		f.Add(s)
	}
	base, err := url.Parse("https://dashboard.example/auth/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := ReturnPath(raw)
		if got != "/" && got != raw {
			t.Fatalf("%q was repaired to %q", raw, got)
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != "" || u.Scheme != "" || u.User != nil || u.Opaque != "" || u.Fragment != "" {
			t.Fatalf("%q: net/url reads %+v, %v", got, u, err)
		}
		if got[0] != '/' || strings.HasPrefix(got, "//") || len(got) > MaxReturnPath {
			t.Fatalf("%q does not begin with one slash or is too long", got)
		}
		if landed := base.ResolveReference(u); landed.Host != base.Host || landed.Path == "/auth" || strings.HasPrefix(landed.Path, "/auth/") {
			t.Fatalf("%q lands on %s", got, landed)
		}
		// a browser drops tabs and newlines and takes a backslash for a slash
		browser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(got)
		if strings.HasPrefix(browser, "//") {
			t.Fatalf("%q is another host to a browser", got)
		}
		if _, err := ParseTarget(got); err != nil {
			t.Fatalf("%q would be refused on landing: %v", got, err)
		}
	})
}

func mustHost(t *testing.T, public string) Host {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	h, err := HostOf(u)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
