package e2e

import (
	"strings"
	"testing"
	"time"
)

// spellings of a name that a framework may take for x-sso-role, and of a value around it.
func spoofs() map[string][][2]string {
	out := map[string][][2]string{
		"twice":          {{"x-sso-role", "Admin"}, {"x-sso-role", "Admin"}},
		"viewer first":   {{"x-sso-role", "Viewer"}, {"x-sso-role", "Admin"}},
		"both spellings": {{"x-sso-role", "Admin"}, {"x_sso_role", "Admin"}},
		"tabs":           {{"x-sso-role", "\tAdmin\t"}},
		"spaces":         {{"x-sso-role", "   Admin   "}},
		"list":           {{"x-sso-role", "Viewer,Admin"}},
		"empty":          {{"x-sso-role", ""}},
		"byte over 0x7f": {{"x-sso-role", "Admin\xff"}},
		"nominated":      {{"connection", "x-sso-role"}, {"x-sso-role", "Admin"}},
		"other dashes":   {{"x.sso.role", "Admin"}, {"x~sso~role", "Admin"}},
		"mixed":          {{"x-sso_role", "Admin"}, {"x_sso-role", "Admin"}},
		"trailing":       {{"x-sso-role-", "Admin"}, {"x-sso-role_", "Admin"}},
	}
	for _, name := range []string{"X-SSO-ROLE", "X-Sso-Role", "x-sso-role", "X-sso-role", "x-SSO-role", "x-sso-ROLE", "X_SSO_ROLE", "x_sso_role", "X_Sso-Role"} {
		out["as "+name] = [][2]string{{name, "Admin"}}
	}
	for _, name := range []string{"user", "email", "tenant", "assertion", "roles", "groups"} {
		out["with "+name] = [][2]string{{"x-sso-" + name, "forged"}, {"X-SSO-" + strings.ToUpper(name), "forged"}, {"X_SSO_" + strings.ToUpper(name), "forged"}}
	}
	return out
}

// A path without a session, an open one, a closed one, and those the gate answers or hands on itself.
var spoofed = []string{"/events", "/api/v1/events", "/api/v1/billing", "/auth/session", "/auth/login", "/scim/v2/Users", "/settings/authentication"}

func TestForgedIdentityNeverReachesTheDashboard(t *testing.T) {
	b := besiege(t)
	client := checkClient(t, b.Stack)
	for name, lines := range spoofs() {
		for _, path := range spoofed {
			for _, viewer := range []bool{true, false} {
				m := message{method: "GET", target: path, host: b.Host, headers: lines, readable: true}
				if viewer {
					m.headers = append(m.headers[:len(lines):len(lines)], [2]string{"cookie", b.name() + "=" + b.value})
				}
				a := attack{class: "spoof", name: name + " on " + path, won: "another role, user or tenant on the dashboard"}
				for _, seen := range b.send(t, m) {
					if !viewer {
						t.Errorf("%s: nobody reached the dashboard: %s", a.name, seen.Line)
					}
					for _, problem := range b.wrong(seen) {
						t.Errorf("%s: %s", a.name, problem)
					}
				}
				for _, mode := range checkModes {
					b.askDirectly(t, a, m, viewer, func(m message) *Seen { return check(t, client, m, mode) })
				}
			}
		}
	}
	b.sending.Wait()
	if seen := b.Upstream.take(); len(seen) > 0 {
		t.Errorf("late at the dashboard: %s", seen[0].Line)
	}
}

// send fires a message in HTTP/1.1 and returns what the dashboard got of it.
func (b *besieged) send(t *testing.T, m message) []Seen {
	t.Helper()
	c := door(t, b.Stack, "http/1.1")
	sendH1(c, m, 10*time.Second, func(o outcome) {
		if o.first() == endWaits || strings.HasPrefix(o.first(), "5") {
			t.Errorf("%s with %q ends %v", m.target, m.headers, o.ends)
		}
		if strings.Contains(o.body, `"Admin"`) {
			t.Errorf("%s with %q is believed: %s", m.target, m.headers, tail(o.body, 300))
		}
	})
	return b.Upstream.take()
}

func TestEveryChangedBitOfTheSessionCookieMakesItNobodys(t *testing.T) {
	b := besiege(t)
	client := checkClient(t, b.Stack)
	ask := func(value string) *Seen {
		return check(t, client, message{method: "GET", target: "/events", host: b.Host, headers: [][2]string{{"cookie", b.name() + "=" + value}}}, "header map")
	}
	if ask(b.value) == nil {
		t.Fatal("the cookie as it is was refused")
	}
	for i := range b.value {
		for bit := range 7 { // the eighth leaves ASCII
			changed := b.value[:i] + string(b.value[i]^1<<bit) + b.value[i+1:]
			if seen := ask(changed); seen != nil {
				t.Errorf("bit %d of letter %d of %d: still let in", bit, i, len(b.value))
			}
		}
	}
	for i := range b.value {
		if ask(b.value[:i]) != nil || ask(b.value[i+1:]) != nil {
			t.Errorf("cut at %d: still let in", i)
		}
	}
}
