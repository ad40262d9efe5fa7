package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func whole() Decision {
	return Decision{
		ID: "8c1f0000-0000-8000-8000-000000000000", At: time.Date(2026, 11, 23, 8, 15, 30, 123456789, time.UTC),
		Path: "ssogate/authz/decision", Revision: "sha256:9f", RequestedBy: "203.0.113.9", Method: "GET", RawPath: "/api/v1/rules",
		Segments: []string{"api", "v1", "rules"}, Host: "dashboard.tracio.ai", QueryNames: []string{"page"}, IP: "203.0.113.9",
		UserAgent: "curl/8", Tenant: "acme", TenantSlug: "acme", Connection: "acme-okta", Protocol: "oidc", Provider: "okta",
		User: "u1", UserName: "alice", Source: "jit", Roles: []string{"Viewer"}, Decided: true, Allowed: true, Role: "Viewer",
		Permission: "rules:read", Outcome: "allow", Reason: "granted by role", Status: 200, Took: 21 * time.Microsecond, EvalTook: 8 * time.Microsecond,
	}
}

func TestLineHasOPAsEventNames(t *testing.T) {
	l := &Log{Instance: "gate-1", Version: "1.0.0"}
	var line map[string]any
	if err := json.Unmarshal(l.appendLine(nil, whole()), &line); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"labels", "decision_id", "timestamp", "path", "bundles", "requested_by", "input", "result", "erased", "metrics", "custom"} {
		if _, ok := line[name]; !ok {
			t.Errorf("no %q in the line", name)
		}
	}
	if got := line["timestamp"]; got != "2026-11-23T08:15:30.123456789Z" {
		t.Errorf("timestamp %v", got)
	}
	if custom, ok := line["custom"].(map[string]any); !ok || custom["outcome"] != "allow" || custom["http_status"] != 200.0 {
		t.Errorf("custom %v", custom)
	}
}

func TestCheckWithoutDecisionHasNoResult(t *testing.T) {
	d := whole()
	d.Decided = false
	line := string((&Log{}).appendLine(nil, d))
	for _, name := range []string{`"path":"ssogate`, `"result"`, `"bundles"`} {
		if strings.Contains(line, name) {
			t.Errorf("line says %s though no policy was asked: %s", name, line)
		}
	}
}

func TestLongLineIsCutAndStillNamesItsDecision(t *testing.T) {
	d := whole()
	for _, field := range []*string{&d.UserName, &d.RawPath, &d.Reason, &d.User, &d.Tenant, &d.Method, &d.IP, &d.Role, &d.Permission, &d.Connection} {
		*field = strings.Repeat("\x01", 2000)
	}
	d.Segments = make([]string, 1000)
	for i := range d.Segments {
		d.Segments[i] = strings.Repeat("\x01", 2000)
	}
	line := (&Log{}).appendLine(nil, d)
	if len(line) > maxLine || !json.Valid(line) || !bytes.Contains(line, []byte(d.ID)) {
		t.Errorf("%d bytes, valid %t", len(line), json.Valid(line))
	}
}

type failing struct {
	bytes.Buffer
	err error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Buffer.Write(b)
}

func TestLinesSurviveADiskThatFailsForAWhile(t *testing.T) {
	out := &failing{err: errors.New("disk full")}
	l := &Log{Out: out}
	if err := l.Write(whole()); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(); err == nil {
		t.Fatal("Flush hid the disk's error")
	}
	out.err = nil
	if err := l.Write(whole()); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
}

func TestFullLogRefusesAndCounts(t *testing.T) {
	drops := 0
	l := &Log{Out: &failing{err: errors.New("disk full")}, OnDrop: func() { drops++ }}
	var err error
	for range bufferCap/len(l.appendLine(nil, whole())) + 2 {
		if err = l.Write(whole()); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) || drops != 1 {
		t.Errorf("err %v, drops %d", err, drops)
	}
}

// hanging is a disk that takes its time and then fails; meanwhile is what happens in that time.
type hanging struct{ meanwhile func() }

func (h hanging) Write([]byte) (int, error) {
	h.meanwhile()
	return 0, errors.New("input/output error")
}

func TestDiskThatHangsAndFailsCostsBoundedMemory(t *testing.T) {
	l := &Log{}
	fill := func() {
		for l.Write(whole()) == nil {
		}
	}
	l.Out = hanging{meanwhile: fill}
	for range 4 {
		fill()
		_ = l.Flush() // its error is what this is about
	}
	if len(l.buffer) > bufferCap+maxLine {
		t.Errorf("%d bytes are kept, at most %d", len(l.buffer), bufferCap)
	}
}

func TestRunWritesWhatIsLeft(t *testing.T) {
	out := &failing{}
	l := &Log{Out: out}
	ctx, cancel := context.WithCancel(t.Context())
	if err := l.Write(whole()); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := l.Run(ctx); err != nil || out.Len() == 0 {
		t.Errorf("err %v, %d bytes", err, out.Len())
	}
}

func FuzzLineIsOneValidJSONLine(f *testing.F) {
	f.Add("a", "b\n", "\xff", "\u2028\x7f")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		x := whole()
		x.RawPath, x.UserAgent, x.UserName, x.Reason = a, b, c, d
		x.Segments, x.QueryNames, x.Error = []string{a, b}, []string{c, d}, a+b
		line := (&Log{}).appendLine(nil, x)
		if !json.Valid(line) || bytes.Count(line, []byte("\n")) != 1 || len(line) > maxLine+1 || !utf8.Valid(line) {
			t.Fatalf("not one JSON line: %q", line)
		}
		var back struct {
			Input struct {
				Resource struct{ Path string }
			}
		}
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatal(err)
		}
		if utf8.ValidString(a) && len(a) <= 200 && back.Input.Resource.Path != a {
			t.Fatalf("path %q came back as %q", a, back.Input.Resource.Path)
		}
	})
}

func BenchmarkDecisionLog(b *testing.B) {
	l := &Log{Instance: "gate-1", Version: "1.0.0"}
	d, buf := whole(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = l.appendLine(buf[:0], d)
	}
}
