package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestNoAttackReachesWhatItsSenderMayNotSee(t *testing.T) {
	b := besiege(t)
	client := checkClient(t, b.Stack)
	slow := b.slowly(t)
	rows := attacks(t)
	if len(rows) < 500 {
		t.Errorf("the table has only %d rows", len(rows))
	}
	for _, a := range rows {
		t.Run(a.class+"/"+a.name, func(t *testing.T) {
			for _, viewer := range []bool{true, false} {
				m := a.message(t, b.as(viewer))
				if a.form != "h2" {
					c := door(t, b.Stack, "http/1.1")
					b.fire(t, a, viewer, "HTTP/1.1", func(tell func(outcome)) { sendH1(c, m, a.patience(viewer), tell) })
				}
				if a.form == "" || a.form == "h2" {
					c := door(t, b.Stack, "h2")
					b.fire(t, a, viewer, "HTTP/2", func(tell func(outcome)) { sendH2(c, m, a.patience(viewer), tell) })
				}
				for _, mode := range checkModes {
					if m.readable {
						b.askDirectly(t, a, m, viewer, func(m message) *Seen { return check(t, client, m, mode) })
					}
				}
			}
		})
	}
	b.sending.Wait()
	if o := slow(); o.first() != "408" && o.first() != endClosed {
		t.Errorf("a head that takes longer than ten seconds ends %v", o.ends)
	}
	for _, end := range b.late {
		end(t)
	}
	if seen := b.Upstream.take(); len(seen) > 0 {
		t.Errorf("after the last attack the dashboard was reached: %s", seen[0].Line)
	}
}

// slowly sends the head of a request two bytes a second while all else goes on, and returns how that ended.
func (b *besieged) slowly(t *testing.T) func() outcome {
	t.Helper()
	c := door(t, b.Stack, "http/1.1")
	ends := make(chan outcome, 1)
	b.sending.Go(func() {
		tick := time.NewTicker(time.Second / 2)
		defer tick.Stop()
		for _, letter := range "GET /events HTTP/1.1\r\n" {
			if _, err := c.Write([]byte(string(letter))); err != nil {
				break
			}
			<-tick.C
		}
		sendH1(c, message{raw: "Host: x"}, 5*time.Second, func(o outcome) { ends <- o })
	})
	return func() outcome { return <-ends }
}

// patience is how long an answer may take. A row that ends in silence waits for it no longer than it must.
func (a attack) patience(viewer bool) time.Duration {
	if slices.Contains(a.ends[viewer], endWaits) {
		return time.Second / 2
	}
	return 15 * time.Second
}

// fire sends one attack and then holds the whole place to its promises.
func (b *besieged) fire(t *testing.T, a attack, viewer bool, protocol string, send func(tell func(outcome))) {
	t.Helper()
	ends := make(chan outcome, 1)
	b.sending.Go(func() { send(func(o outcome) { ends <- o }) })
	o := b.await(a, viewer, protocol, ends)
	who := "nobody"
	if viewer {
		who = "the Viewer"
	}
	complain := func(format string, args ...any) {
		t.Helper()
		t.Errorf("%s over %s: "+format+"\n\twould have won: %s", append(append([]any{who, protocol}, args...), a.won)...)
	}
	if !slices.Contains(a.ends[viewer], o.first()) {
		complain("ends %v, want one of %v: %s", o.ends, a.ends[viewer], tail(o.body, 300))
	}
	for _, l := range o.location {
		if !b.ours(l) {
			complain("is sent to %s", l)
		}
	}
	if b.Envoy.Exited() || b.Gate.Exited() {
		t.Fatalf("a process died")
	}
	alive := b.viewer.Fetch("GET", "/events?alive")
	if alive.Status != 200 {
		complain("afterwards the Viewer gets %d", alive.Status)
	}
	var seen []Seen
	for _, s := range b.Upstream.take() {
		if s.Line != "GET /events?alive HTTP/1.1" {
			seen = append(seen, s)
		}
	}
	if len(seen) > 1 || len(seen) > 0 && !viewer {
		complain("the dashboard got %d requests: %s", len(seen), seen[len(seen)-1].Raw)
	}
	for _, s := range seen {
		for _, problem := range append(b.wrong(s), misleading(s)...) {
			complain("%s", problem)
		}
	}
}

// await waits for an attack's end. Envoy takes a second to cut a connection that broke HTTP/2: where a row may end that
// way, the end is looked at after the last row.
func (b *besieged) await(a attack, viewer bool, protocol string, ends <-chan outcome) outcome {
	if protocol != "HTTP/2" || !slices.Contains(a.ends[viewer], endClosed) {
		return <-ends
	}
	select {
	case o := <-ends:
		return o
	case <-time.After(time.Second / 50):
		b.late = append(b.late, func(t *testing.T) {
			if o := <-ends; !slices.Contains(a.ends[viewer], o.first()) {
				t.Errorf("%s/%s, viewer %t: ends %v, want one of %v", a.class, a.name, viewer, o.ends, a.ends[viewer])
			}
		})
		return outcome{ends: []string{endClosed}}
	}
}

// askDirectly holds the gate alone, without Envoy's help, to the same promises.
func (b *besieged) askDirectly(t *testing.T, a attack, m message, viewer bool, ask func(message) *Seen) {
	t.Helper()
	seen := ask(m)
	if seen == nil {
		return
	}
	path := reading(seen.Path())
	if !viewer && !under(path, "/scim/v2") {
		t.Errorf("the Check lets nobody in: %s\n\twould have won: %s", seen.Line, a.won)
	}
	if under(path, "/scim/v2") { // another handler's, which authenticates by itself; nothing may be said about who asks
		for _, l := range seen.Lines {
			if name, _ := header(l); isIdentity(name) {
				t.Errorf("the Check vouches for a SCIM call: %s", l)
			}
		}
		return
	}
	for _, problem := range b.wrong(*seen) {
		t.Errorf("the Check alone: %s\n\twould have won: %s", problem, a.won)
	}
}

// ours reports whether a redirect stays here or goes to the provider.
func (b *besieged) ours(location string) bool {
	u, err := url.Parse(location)
	if err != nil {
		return false
	}
	return u.Scheme == "https" && (u.Host == b.Host || b.IdPURL == u.Scheme+"://"+u.Host)
}

// never are headers by which a framework would take the request for another one.
var never = []string{
	"x-original-url", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override", "forwarded",
	"x-forwarded-host", "x-forwarded-prefix", "x-forwarded-user", "x-forwarded-email", "x-forwarded-groups",
	"x-auth-request-user", "x-auth-request-email", "x-auth-request-groups",
	"x-envoy-original-path", "x-envoy-original-host", "x-envoy-internal", "x-envoy-retry-on", "x-envoy-upstream-rq-timeout-ms",
	"x-envoy-upstream-alt-stat-name", "x-envoy-force-trace", "x-envoy-decorator-operation",
}

// misleading lists headers that Envoy should have kept to itself.
func misleading(s Seen) []string {
	var problems []string
	for _, name := range never {
		for _, v := range s.Values(name) {
			problems = append(problems, "the dashboard got "+name+": "+v)
		}
	}
	for _, l := range s.Lines {
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' && r != '\t' }) {
			problems = append(problems, "the dashboard got a control byte: "+strconv.Quote(l))
		}
	}
	return problems
}

// wrong lists what should not have arrived at the dashboard in this form.
func (b *besieged) wrong(s Seen) []string {
	var problems []string
	if protected(s.Path()) {
		problems = append(problems, "the dashboard got a protected path: "+s.Line)
	}
	counts := map[string]int{}
	for _, l := range s.Lines {
		name, value := header(l)
		if strings.Contains(l, b.value) {
			problems = append(problems, "the dashboard got the session: "+l)
		}
		if !isIdentity(name) {
			continue
		}
		name = folded(name)
		if counts[name]++; counts[name] > 1 || !b.vouched(name, value) {
			problems = append(problems, "the dashboard got an identity header that is not the gate's: "+l)
		}
	}
	return problems
}

// vouched reports whether an identity header says of the Viewer what the gate says.
func (b *besieged) vouched(name, value string) bool {
	if name != "x-sso-assertion" {
		return value == b.identity[name] && value != ""
	}
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return false
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	var says struct{ Sub, Role, Tenant string }
	return err == nil && json.Unmarshal(claims, &says) == nil &&
		says.Sub == b.identity["x-sso-user"] && says.Role == "Viewer" && says.Tenant == "acme"
}

func isIdentity(name string) bool { return strings.HasPrefix(folded(name), "x-sso-") }

// folded reads a header name as the most forgiving framework does.
func folded(name string) string {
	out := []byte(strings.ToLower(strings.TrimSpace(name)))
	for i, c := range out {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			out[i] = '-'
		}
	}
	return string(out)
}

// protected reports whether any reader could take a path for one that a Viewer must not reach on the dashboard.
func protected(path string) bool {
	p := reading(path)
	return under(p, "/api/v1/billing") || under(p, "/auth") || under(p, "/scim/v2") || under(p, "/settings")
}

func under(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// reading is the path as a reader takes it who decodes until nothing changes, drops parameters, folds case and
// resolves dots.
func reading(path string) string {
	for range 4 {
		if decoded, err := url.PathUnescape(path); err == nil {
			path = decoded
		}
	}
	var segments []string
	for segment := range strings.SplitSeq(strings.ReplaceAll(strings.ToLower(path), `\`, "/"), "/") {
		segment, _, _ = strings.Cut(segment, ";")
		switch strings.Trim(segment, " \t\x00") {
		case "", ".":
		case "..":
			segments = segments[:max(0, len(segments)-1)]
		default:
			segments = append(segments, strings.Trim(segment, " \t\x00."))
		}
	}
	return "/" + strings.Join(segments, "/")
}
