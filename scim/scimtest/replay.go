// Package scimtest replays what identity providers send to a SCIM service provider: recorded requests, the answer each
// has to get, and what is in the directory afterwards.
//
// A recording is a text file that reads like the conversation it is. It knows the service provider by its URL and a
// token, so the same recordings run against a handler in a test, a gate, and a gate behind Envoy. The package is for
// tests and never checks less than the whole answer: what may differ between runs is named, the rest is compared byte
// by byte.
package scimtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Target is a service provider with an empty directory.
type Target struct {
	URL    string // ends in /scim/v2
	Base   string // what locations begin with, where that is another URL
	Token  string
	Client *http.Client
}

// Run replays every recording in dir, each against a fresh target. With update, answers and directories are written as
// they are instead: read the difference before you commit it.
//
// A recording has sections "request", "response" and "directory". A request is a line "METHOD /path", headers, an empty
// line and the body; one that is an array is the Operations of a PATCH. "As: ann" among the headers names the resource
// that comes back: {ann} stands for its id in everything that follows.
func Run(t *testing.T, dir string, update bool, fresh func(t *testing.T) Target) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { replay(t, file, update, fresh(t)) })
	}
}

type player struct {
	Target
	names map[string]string // id → name
}

func replay(t *testing.T, file string, update bool, target Target) {
	t.Helper()
	recording, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{Target: target, names: map[string]string{}}
	if p.Base == "" {
		p.Base = p.URL
	}
	var answer string
	for i, section := range recording.Files {
		var got string
		switch section.Name {
		case "request":
			answer, err = p.send(t.Context(), string(section.Data))
			if err != nil {
				t.Fatalf("%s: request %d: %v", file, i, err)
			}
			continue
		case "response":
			got = answer
		case "directory":
			if got, err = p.directory(t.Context()); err != nil {
				t.Fatalf("%s: read directory: %v", file, err)
			}
		default:
			t.Fatalf("%s: unknown section %q", file, section.Name)
		}
		if update {
			recording.Files[i].Data = []byte(got)
			continue
		}
		if got != string(section.Data) {
			t.Fatalf("%s: section %d, after %s\ngot:\n%s\nwant:\n%s", file, i+1, firstLine(recording.Files, i), got, section.Data)
		}
	}
	if update {
		if err := os.WriteFile(file, txtar.Format(recording), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func firstLine(files []txtar.File, i int) string {
	for ; i >= 0; i-- {
		if files[i].Name == "request" {
			line, _, _ := strings.Cut(string(files[i].Data), "\n")
			return line
		}
	}
	return "the start"
}

// send makes one request and returns the answer in the words of the recording.
func (p *player) send(ctx context.Context, text string) (string, error) {
	head, body, _ := strings.Cut(p.fill(text), "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, path, ok := strings.Cut(lines[0], " ")
	if !ok {
		return "", fmt.Errorf("%q is no request line", lines[0])
	}
	r, err := p.request(ctx, method, path, body)
	if err != nil {
		return "", err
	}
	as := ""
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		if name == "As" {
			as = value
			continue
		}
		r.Header.Set(name, value)
	}
	resp, err := p.Client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	return p.show(resp, data, as)
}

func (p *player) request(ctx context.Context, method, path, body string) (*http.Request, error) {
	if at, query, ok := strings.Cut(path, "?"); ok {
		path = at + "?" + strings.ReplaceAll(strings.ReplaceAll(query, " ", "%20"), `"`, "%22")
	}
	body = strings.TrimSpace(body)
	if strings.HasPrefix(body, "[") {
		body = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":` + body + `}`
	}
	r, err := http.NewRequestWithContext(ctx, method, p.URL+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+p.Token)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	return r, nil
}

var named = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// fill puts ids where a recording has names.
func (p *player) fill(text string) string {
	return named.ReplaceAllStringFunc(text, func(name string) string {
		for id, known := range p.names {
			if name == "{"+known+"}" {
				return id
			}
		}
		return name
	})
}

// hide puts names where an answer has what differs between runs.
func (p *player) hide(text string) string {
	for _, id := range slices.Sorted(maps.Keys(p.names)) {
		text = strings.ReplaceAll(text, id, "{"+p.names[id]+"}")
	}
	text = strings.ReplaceAll(text, p.Base, "{base}")
	text = unnamed.ReplaceAllString(text, "{base}/$1/{id}")
	text = times.ReplaceAllString(text, `"{time}"`)
	return cursors.ReplaceAllString(text, `"nextCursor": "{cursor}"`)
}

var (
	unnamed = regexp.MustCompile(`\{base\}/(Users|Groups)/[0-9a-f-]{36}`)
	times   = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)
	cursors = regexp.MustCompile(`"nextCursor": "[^"]+"`)
)

func (p *player) show(resp *http.Response, data []byte, as string) (string, error) {
	if as != "" {
		var made struct{ ID string }
		if err := json.Unmarshal(data, &made); err != nil || made.ID == "" {
			return "", fmt.Errorf("status %d, and no resource to call %s: %s", resp.StatusCode, as, data)
		}
		p.names[made.ID] = as
	}
	var out strings.Builder
	fmt.Fprintln(&out, resp.StatusCode)
	for _, name := range []string{"Location", "ETag", "Allow", "Retry-After", "WWW-Authenticate"} {
		if v := resp.Header.Get(name); v != "" {
			fmt.Fprintf(&out, "%s: %s\n", name, p.hide(v))
		}
	}
	if len(data) == 0 {
		return out.String(), nil
	}
	if got := resp.Header.Get("Content-Type"); got != "application/scim+json" {
		return "", fmt.Errorf("content type %q", got)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, bytes.TrimSpace(data), "", "  "); err != nil {
		return "", errors.Join(err, errors.New(string(data)))
	}
	fmt.Fprintf(&out, "\n%s\n", p.hide(pretty.String()))
	return out.String(), nil
}

// directory lists every user and group there is, one a line.
func (p *player) directory(ctx context.Context) (string, error) {
	var out strings.Builder
	for _, kind := range []string{"Users", "Groups"} {
		resources, err := p.all(ctx, kind)
		if err != nil {
			return "", err
		}
		var lines []string
		for _, r := range resources {
			delete(r, "meta")
			delete(r, "schemas")
			line, err := json.Marshal(r)
			if err != nil {
				return "", err
			}
			lines = append(lines, p.hide(string(line)))
		}
		slices.Sort(lines)
		for _, line := range lines {
			fmt.Fprintf(&out, "%s %s\n", strings.ToLower(strings.TrimSuffix(kind, "s")), line)
		}
	}
	return out.String(), nil
}

func (p *player) all(ctx context.Context, kind string) ([]map[string]any, error) {
	r, err := p.request(ctx, http.MethodGet, "/"+kind+"?"+url.Values{"count": {"1000"}}.Encode(), "")
	if err != nil {
		return nil, err
	}
	resp, err := p.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct{ Resources []map[string]any }
	err = json.NewDecoder(resp.Body).Decode(&list)
	for _, item := range list.Resources {
		if members, ok := item["members"].([]any); ok { // in no particular order
			slices.SortFunc(members, func(a, b any) int { return strings.Compare(p.hide(fmt.Sprint(a)), p.hide(fmt.Sprint(b))) })
		}
	}
	return list.Resources, err
}
