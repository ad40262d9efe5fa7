package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// screen is a terminal that can be waited for.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	wait string
	seen chan struct{}
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if s.wait != "" && strings.Contains(s.text.String(), s.wait) {
		close(s.seen)
		s.wait = ""
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// started is a demo that runs in this process.
type started struct {
	t      *testing.T
	screen *screen
	stop   context.CancelFunc
	done   chan struct{}
	code   int // once done is closed
	url    string
}

// start runs the real demo until it says that it is there.
func start(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &started{t: t, screen: &screen{wait: "Ctrl-C ends everything.", seen: make(chan struct{})}, stop: stop, done: make(chan struct{})}
	seen := s.screen.seen
	go func() {
		s.code = run(ctx, args, s.screen, s.screen)
		close(s.done)
	}()
	t.Cleanup(func() { stop(); <-s.done })
	select {
	case <-seen:
	case <-s.done:
		t.Fatalf("the demo ended with %d:\n%s", s.code, s.screen)
	}
	s.url = regexp.MustCompile(`Open +(http://localhost\S*)`).FindStringSubmatch(s.screen.String())[1]
	return s
}

// interrupt is Ctrl-C.
func (s *started) interrupt() {
	s.t.Helper()
	s.stop()
	<-s.done
	if s.code != 0 {
		s.t.Fatalf("ended with %d after Ctrl-C:\n%s", s.code, s.screen)
	}
}

// ports are all those the demo printed.
func (s *started) ports() []string {
	line := regexp.MustCompile(`(?m)^Ports: .*$`).FindString(s.screen.String())
	return regexp.MustCompile(`\d+`).FindAllString(line, -1)
}

// call sends what a button does, and reads the answer.
func (s *started) call(b *idptest.Browser, method, path string) (int, map[string]any) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := b.Client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body map[string]any
	text, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(text, &body) != nil {
		s.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, text)
	}
	return resp.StatusCode, body
}

func (s *started) open(b *idptest.Browser, path string) idptest.Page {
	s.t.Helper()
	page, err := b.Open(s.t.Context(), s.url+path)
	if err != nil {
		s.t.Fatal(err)
	}
	return page
}

// enter gives an address to the sign-in page, and opens a page on the way.
func (s *started) enter(b *idptest.Browser, company, path string) idptest.Page {
	s.t.Helper()
	q := url.Values{"email": {b.Person + "@" + company + ".example"}, "return_to": {path}}
	return s.open(b, "/auth/login?"+q.Encode())
}

func TestWholeStoryRunsAndEndsWithNothingLeft(t *testing.T) {
	tools.Require(t, tools.NameEnvoy)
	dir := filepath.Join(t.TempDir(), "demo")
	s := start(t, "--dir", dir, "--port", "0", "--idp-port", "0")

	vic := idptest.NewBrowser("vic", nil)
	if page := s.open(vic, "/"); page.Status != 200 || !strings.Contains(page.Body, `name="email"`) {
		t.Errorf("nobody is asked which company is theirs: %d %s", page.Status, page.URL)
	}
	home := s.enter(vic, "acme", "/")
	for _, want := range []string{"Hello, Vic Viewer", "vic@acme.example", "verified", "x-sso-role", "Viewer"} {
		if !strings.Contains(home.Body, want) {
			t.Errorf("the dashboard's page for Vic lacks %q", want)
		}
	}
	if status, body := s.call(vic, "GET", "/api/v1/events"); status != 200 || body["role"] != "Viewer" {
		t.Errorf("Vic reads events: %d %v", status, body)
	}
	for _, write := range [][2]string{{"POST", "/api/v1/events"}, {"POST", "/api/v1/api-keys"}, {"PUT", "/api/v1/billing/plan"}} {
		status, body := s.call(vic, write[0], write[1])
		if status != 403 || body["message"] == "" || body["decision_id"] == nil {
			t.Errorf("Vic writes %s: %d %v, want a refusal with message and decision id", write[1], status, body)
		}
	}
	ada := idptest.NewBrowser("ada", nil)
	s.enter(ada, "acme", "/")
	for _, g := range groups {
		for _, b := range g.Try {
			if status, body := s.call(ada, b.Method, b.Path); status/100 != 2 || body["role"] != "Admin" {
				t.Errorf("Ada presses %q: %d %v", b.Label, status, body)
			}
		}
	}
	if page := s.open(ada, "/events"); !strings.Contains(page.Body, "ada@acme.example</td>") {
		t.Error("what Ada wrote is not on the page of events")
	}
	if page := s.enter(idptest.NewBrowser("nia", nil), "acme", "/"); page.Status != 403 {
		t.Errorf("Nia, who has no role, gets %d", page.Status)
	}

	s.visitGlobex()

	ports := s.ports()
	if len(ports) != 6 {
		t.Fatalf("the screen names ports %v, want six", ports)
	}
	s.interrupt()
	for _, port := range ports {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			t.Errorf("somebody still listens on port %s", port)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "admin.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Envoy's admin socket is left: %v", err)
	}

	// The same people are still signed in at the next start, and a command in another terminal shuts one out.
	again := start(t, "--dir", dir, "--port", ports[0], "--idp-port", ports[1])
	if status, body := again.call(vic, "GET", "/api/v1/events"); status != 200 {
		t.Fatalf("after a restart Vic gets %d %v", status, body)
	}
	if page := again.enter(idptest.NewBrowser("ann", nil), "acme", "/rules"); page.Status != 200 {
		t.Errorf("after a restart, with new keys at the provider, Ann signs in and gets %d", page.Status)
	}
	again.watchProvisioning(vic)
	again.visitGlobex()
	again.interrupt()
}

// press sends a button of the provisioning panel, as the panel's own page would, and returns the page that follows.
func (s *started) press(form url.Values) string {
	s.t.Helper()
	panel := regexp.MustCompile(`(http://127\.0\.0\.1:\d+)/panel`).FindStringSubmatch(s.screen.String())
	if panel == nil {
		s.t.Fatalf("the screen names no panel:\n%s", s.screen)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, panel[0], strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", panel[1])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.Contains(string(text), `role="alert"`) {
		s.t.Fatalf("pressed %v: %d %v\n%s", form, resp.StatusCode, err, text)
	}
	return string(text)
}

// watchProvisioning clicks in the panel and in the dashboard by turns.
func (s *started) watchProvisioning(vic *idptest.Browser) {
	s.t.Helper()
	for _, step := range []struct {
		do, group, manner string
		method            string
		want              int
		role              string
	}{
		{"move", "analysts", "okta-oin", "POST", 201, "Analyst"},
		{"move", "", "okta-aiw", "GET", 403, ""},
		{"move", "viewers", "entra", "GET", 200, "Viewer"},
		{"deactivate", "", "okta-oin", "GET", 403, ""},
		{"reactivate", "", "entra-scim062020", "GET", 401, ""}, // the old session stays dead
	} {
		s.press(url.Values{"do": {"manner"}, "manner": {step.manner}})
		page := s.press(url.Values{"do": {step.do}, "person": {"p-vic"}, "group": {step.group}})
		if !strings.Contains(page, "What was sent") || strings.Contains(page, "Nothing yet") {
			s.t.Errorf("%s: the panel does not show the request", step.do)
		}
		status, body := s.call(vic, step.method, "/api/v1/events")
		if role, _ := body["role"].(string); status != step.want || role != step.role {
			s.t.Errorf("%s %s: Vic's next request gets %d %v, want %d as %q", step.do, step.group, status, body, step.want, step.role)
		}
	}
	if page := s.enter(vic, "acme", "/"); page.Status != 200 {
		s.t.Errorf("reactivated, Vic signs in and gets %d", page.Status)
	}
	s.press(url.Values{"do": {"add"}, "name": {"Eve Early"}, "group": {"admins"}})
	eve := idptest.NewBrowser("eve", nil)
	if page := s.enter(eve, "acme", "/"); page.Status != 200 || !strings.Contains(page.Body, "Hello, Eve Early") {
		s.t.Errorf("just added, Eve signs in and gets %d", page.Status)
	}
	s.press(url.Values{"do": {"delete"}, "person": {"p-vic"}})
	if status, _ := s.call(vic, "GET", "/api/v1/events"); status != 401 && status != 403 {
		s.t.Errorf("deleted, Vic gets %d", status)
	}
}

// visitGlobex signs in at the company that speaks SAML, also from its page of applications, and out.
func (s *started) visitGlobex() {
	s.t.Helper()
	portal := regexp.MustCompile(`http://127\.0\.0\.1:\d+/saml/`).FindString(s.screen.String())
	if portal == "" {
		s.t.Fatalf("the screen names no page of applications:\n%s", s.screen)
	}
	ann := idptest.NewBrowser("ann", nil)
	if page := s.enter(ann, "globex", "/rules"); page.Status != 200 || page.URL.Path != "/rules" || !strings.Contains(page.Body, "ann@globex.example") {
		s.t.Fatalf("Ann of Globex lands on %s (%d):\n%s", page.URL, page.Status, page.Body)
	}
	if page := s.open(ann, "/auth/session"); !strings.Contains(page.Body, `"user_name":"ann@globex.example"`) {
		s.t.Errorf("Ann of Globex goes by another name: %s", page.Body)
	}
	if status, body := s.call(ann, "GET", "/api/v1/rules"); status != 200 || body["role"] != "Analyst" {
		s.t.Errorf("Ann of Globex: %d %v", status, body)
	}
	if page, err := ann.Open(s.t.Context(), s.url+"/auth/logout"); err != nil || page.Status != 200 || !strings.Contains(page.Body, "signed out at your identity provider as well") {
		s.t.Errorf("Ann of Globex signs out and lands on %s (%d), %v:\n%s", page.URL, page.Status, err, page.Body)
	}
	tile := regexp.MustCompile(`href="([^"]*/start\?[^"]*)"`)
	ada := idptest.NewBrowser("ada", nil)
	page, err := ada.Open(s.t.Context(), portal)
	if err != nil || !tile.MatchString(page.Body) {
		s.t.Fatalf("the page of applications has no tile: %v\n%s", err, page.Body)
	}
	to, err := page.URL.Parse(html.UnescapeString(tile.FindStringSubmatch(page.Body)[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	if page, err = ada.Open(s.t.Context(), to.String()); err != nil || page.URL.String() != s.url+"/" || !strings.Contains(page.Body, "Hello, Ada Admin") {
		s.t.Errorf("the tile leads to %s (%d), %v", page.URL, page.Status, err)
	}
	if page, err = ada.Open(s.t.Context(), portal[:len(portal)-1]+"/slo?start=1"); err != nil || page.Status != 200 || !strings.Contains(page.Body, "<h1>Signed out</h1>") {
		s.t.Errorf("sign out everywhere ends on %s (%d), %v:\n%s", page.URL, page.Status, err, page.Body)
	}
	if status, _ := s.call(ada, "GET", "/api/v1/events"); status != 401 {
		s.t.Errorf("signed out everywhere, and at the dashboard: %d (ended at %s)", status, page.URL)
	}
}

func TestTakenPortIsNamedWithWhatToDo(t *testing.T) {
	for _, c := range []struct{ network, host, flag, whose string }{
		{"tcp4", "127.0.0.1", "--port", "the dashboard"},
		{"tcp4", "127.0.0.1", "--idp-port", "the demo identity provider"},
		{"tcp6", "::1", "--port", "the dashboard"},
	} {
		t.Run(c.flag+" "+c.host, func(t *testing.T) {
			l, err := net.Listen(c.network, net.JoinHostPort(c.host, "0"))
			if err != nil && c.network == "tcp6" {
				t.Skipf("SKIPPED, NOT PROVEN: no IPv6 here: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			args := map[string]string{"--port": "0", "--idp-port": "0", "--dir": t.TempDir()}
			args[c.flag] = port
			var line []string
			for k, v := range args {
				line = append(line, k, v)
			}
			var out, errs screen
			if code := run(t.Context(), line, &out, &errs); code != 1 {
				t.Errorf("exit %d, want 1", code)
			}
			for _, want := range []string{"port " + port, c.whose, "is taken", whoHas(mustInt(t, port)), "go run ./cmd/demo " + c.flag + " "} {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("the message lacks %q:\n%s", want, errs.String())
				}
			}
		})
	}
}

func mustInt(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSecondDemoInTheSameFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	first, err := newDemo(options{dir: dir}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := first.lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	var out, errs screen
	code := run(t.Context(), []string{"--dir", dir, "--port", "0", "--idp-port", "0"}, &out, &errs)
	if want := strconv.Itoa(os.Getpid()); code != 1 || !strings.Contains(errs.String(), want) || !strings.Contains(errs.String(), "--dir") {
		t.Errorf("exit %d, want 1 and a message with process %s and --dir:\n%s", code, want, errs.String())
	}
}

func TestMisuseIsSaid(t *testing.T) {
	for _, args := range [][]string{{"now"}, {"--port", "70000"}, {"--port", "8090", "--idp-port", "8090"}, {"--what"}} {
		var out, errs screen
		if code := run(t.Context(), args, &out, &errs); code != 2 || errs.String() == "" {
			t.Errorf("%q: exit %d, %q", args, code, errs.String())
		}
	}
}

func TestInterruptDuringTheStartEndsInPeace(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, errs screen
	code := run(ctx, []string{"--dir", t.TempDir(), "--port", "0", "--idp-port", "0"}, &out, &errs)
	if code != 0 || errs.String() != "" {
		t.Errorf("exit %d, %q", code, errs.String())
	}
}

func TestClientSecretIsRandomKeptAndPrivate(t *testing.T) {
	path, other := filepath.Join(t.TempDir(), "client.secret"), filepath.Join(t.TempDir(), "client.secret")
	first, err := clientSecret(path)
	if err != nil || len(first) < 26 {
		t.Fatalf("got %d characters, %v", len(first), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	second, err := clientSecret(path)
	if err != nil || second != first {
		t.Errorf("the second start has another secret, %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if strange, err := clientSecret(other); err != nil || strange == first {
		t.Errorf("two folders share a secret, %v", err)
	}
}
