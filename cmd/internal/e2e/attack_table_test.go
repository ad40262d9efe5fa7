package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// An attack is one row of testdata/attacks; that folder's README.md says how a row is written.
type attack struct {
	class, name, won string
	ends             map[bool][]string // by whether the Viewer's session comes along
	form             string            // "" (both protocols), "h1", "h2" or "raw"
	request          string            // method and target of a short row
	lines            []string          // what follows, still with its macros and escapes
}

// attacks reads the whole table.
func attacks(t *testing.T) []attack {
	t.Helper()
	files, err := filepath.Glob("testdata/attacks/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no attack table: %v", err)
	}
	var all []attack
	for _, file := range files {
		all = append(all, readAttacks(t, file)...)
	}
	names := map[string]bool{}
	for _, a := range all {
		if names[a.class+"/"+a.name] {
			t.Fatalf("two attacks of %s are called %q", a.class, a.name)
		}
		names[a.class+"/"+a.name] = true
	}
	return all
}

func readAttacks(t *testing.T, file string) []attack {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	class := strings.TrimSuffix(filepath.Base(file), ".txt")
	var all []attack
	won := ""
	for n, line := range strings.Split(string(text), "\n") {
		rest, more := strings.CutPrefix(line, "    ")
		switch {
		case more && len(all) > 0:
			all[len(all)-1].lines = append(all[len(all)-1].lines, rest)
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "won: "):
			won = strings.TrimPrefix(line, "won: ")
		default:
			a, ok := readRow(line)
			if !ok || won == "" {
				t.Fatalf("%s:%d: not a row under a won: line: %s", file, n+1, line)
			}
			a.class, a.won = class, won
			all = append(all, a)
		}
	}
	return all
}

func readRow(line string) (attack, bool) {
	name, rest, ok1 := strings.Cut(line, " | ")
	ends, request, ok2 := strings.Cut(rest, " | ")
	if !ok1 || !ok2 {
		return attack{}, false
	}
	with, without, two := strings.Cut(ends, "/")
	if !two {
		without = with
	}
	a := attack{name: strings.TrimSpace(name), request: request, ends: map[bool][]string{true: words(with), false: words(without)}}
	for _, form := range []string{"raw", "h1", "h2"} {
		if rest, ok := strings.CutPrefix(request, form); ok && (rest == "" || rest[0] == ' ') {
			a.form, a.request = form, strings.TrimPrefix(rest, " ")
		}
	}
	return a, len(a.ends[true]) > 0 && len(a.ends[false]) > 0
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}

// message is a request as a row spells it, before a protocol frames it.
type message struct {
	method, target string
	headers        [][2]string // in order, the Host line apart
	host           string
	body           string
	trailers       [][2]string
	raw            string // the bytes of a raw row; the fields above are then what a plain reader sees, if anything
	readable       bool   // the fields above are filled in
}

// message puts the values of macros into a row.
func (a attack) message(t *testing.T, m macros) message {
	t.Helper()
	if a.form == "raw" {
		return rawMessage(t, a.lines, m)
	}
	method, target, _ := strings.Cut(a.request, " ")
	out := message{method: unescape(t, m.fill(method)), target: unescape(t, m.fill(target)), host: m["host"], readable: true}
	cookie := m["cookie"]
	trailers := false
	for _, line := range repeated(a.lines) {
		line = unescape(t, m.fill(line))
		if body, ok := strings.CutPrefix(line, "> "); ok {
			out.body += body
			continue
		}
		if line == ">>" {
			trailers = true
			continue
		}
		name, value := header(line)
		switch {
		case trailers:
			out.trailers = append(out.trailers, [2]string{name, value})
		case name == "Host":
			out.host = value
		default:
			if strings.EqualFold(name, "cookie") {
				cookie = ""
			}
			out.headers = append(out.headers, [2]string{name, value})
		}
	}
	if cookie != "" {
		out.headers = append(out.headers, [2]string{"Cookie", cookie})
	}
	return out
}

// repeated writes out lines like "120* X-A: b".
func repeated(lines []string) []string {
	var out []string
	for _, line := range lines {
		count, rest, ok := strings.Cut(line, "* ")
		n, err := strconv.Atoi(count)
		if !ok || err != nil {
			n, rest = 1, line
		}
		for range n {
			out = append(out, rest)
		}
	}
	return out
}

// header cuts at the first ": " or ":"; a pseudo-header keeps its own colon.
func header(line string) (name, value string) {
	at := strings.IndexByte(strings.TrimPrefix(line, ":"), ':')
	if at < 0 {
		return line, ""
	}
	at += len(line) - len(strings.TrimPrefix(line, ":"))
	return line[:at], strings.TrimPrefix(line[at+1:], " ")
}

func rawMessage(t *testing.T, lines []string, m macros) message {
	t.Helper()
	var b strings.Builder
	for _, line := range lines {
		if line == "{cookie}" {
			if m["cookie"] == "" {
				continue
			}
			line = "Cookie: {cookie}"
		}
		if line == "." {
			line = ""
		}
		line, open := strings.CutSuffix(unescape(t, m.fill(line)), "\x00…")
		b.WriteString(line)
		if !open {
			b.WriteString("\r\n")
		}
	}
	out := message{raw: b.String()}
	head, body, _ := strings.Cut(out.raw, "\r\n\r\n")
	split := strings.Split(head, "\r\n")
	first := strings.Split(split[0], " ")
	if len(first) != 3 {
		return out
	}
	out.method, out.target, out.body, out.readable = first[0], first[1], body, true
	for _, line := range split[1:] {
		name, value := header(line)
		if strings.EqualFold(name, "host") && out.host == "" {
			out.host = value
			continue
		}
		out.headers = append(out.headers, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return out
}

// macros are the {words} a row may use.
type macros map[string]string

func (m macros) fill(s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	var pairs []string
	for name, value := range m {
		pairs = append(pairs, "{"+name+"}", value)
	}
	s = strings.NewReplacer(pairs...).Replace(s)
	for { // {a:900} is nine hundred times the letter
		before, rest, ok := strings.Cut(s, "{a:")
		if !ok {
			return s
		}
		count, after, _ := strings.Cut(rest, "}")
		n, _ := strconv.Atoi(count)
		s = before + strings.Repeat("a", n) + after
	}
}

// unescape knows \\ \r \n \t \xNN, and a \c at the end of a raw line that keeps CR LF away from it.
func unescape(t *testing.T, s string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch at := slices.Index([]byte(`\rntcx`), s[min(i, len(s)-1)]); {
		case i == len(s) || at < 0:
			t.Fatalf("no such escape: %q", s)
		case s[i] == 'c':
			b.WriteString("\x00…")
		case s[i] == 'x':
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				t.Fatalf("no such escape: %q", s)
			}
			b.WriteByte(byte(v))
			i += 2
		default:
			b.WriteByte("\\\r\n\t"[at])
		}
	}
	return b.String()
}
