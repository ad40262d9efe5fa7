package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp/secret"
)

func (k *keptSecrets) fromURL(u *url.URL) {
	for _, name := range []string{"code", "state", "nonce", "id_token_hint"} {
		k.add(name, u.Query().Get(name))
	}
}

// tap notes the secrets that pass through a browser.
type tap struct {
	http.RoundTripper
	kept *keptSecrets
}

func (t tap) RoundTrip(r *http.Request) (*http.Response, error) {
	t.kept.fromURL(r.URL)
	resp, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	for _, c := range resp.Cookies() {
		t.kept.add("cookie "+c.Name, c.Value)
	}
	if to, err := resp.Location(); err == nil {
		t.kept.fromURL(to)
	}
	return resp, nil
}

// tapIdP puts a recorder of its answers in front of the provider.
func (s *Stack) tapIdP(kept *keptSecrets) {
	s.T.Helper()
	s.StopIdP()
	l := listen(s.T, s.idpAddr)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			s.IdP.ServeHTTP(w, r)
			return
		}
		recorder := httptest.NewRecorder()
		s.IdP.ServeHTTP(recorder, r)
		kept.add("authorization header", strings.TrimPrefix(r.Header.Get("Authorization"), "Basic "))
		kept.add("code", r.PostForm.Get("code"))
		kept.add("PKCE verifier", r.PostForm.Get("code_verifier"))
		var answer struct {
			Access string `json:"access_token"`
			ID     string `json:"id_token"`
		}
		if json.Unmarshal(recorder.Body.Bytes(), &answer) == nil {
			kept.add("access token", answer.Access)
			kept.add("id token", answer.ID)
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	})}
	s.idp = server
	go func() { _ = server.Serve(l) }()
}

// The secrets that reach the gate from its operator.
const (
	plantedFile   = "planted cli/secret:+é-77"
	plantedInline = "planted-inline-secret-91"
	plantedBearer = "planted-bearer-token-4411"
	plantedCookie = "v1.planted0.planted-cookie-value-2218"
	plantedDSN    = "planted-database-password-3"
)

func TestNoSecretIsEverWrittenDown(t *testing.T) {
	s := NewStack(t, Options{})
	kept := &keptSecrets{all: map[string]string{}}
	for _, planted := range []string{clientSecret, plantedFile, plantedInline, plantedBearer, plantedCookie, plantedDSN} {
		kept.add("planted secret", planted)
	}
	kept.add("client authentication", clientID+":"+clientSecret)
	s.tapIdP(kept)
	as := func(name string) Person {
		p := s.As(name)
		p.Client.Transport = tap{p.Client.Transport, kept}
		return p
	}
	var cookies []string
	keep := func(p Person) { cookies = append(cookies, p.CookieLine()) }

	ordinaryDay(t, s, as, keep)
	brokenSignIns(t, s, as)
	strangers(s)
	said := operator(t, s)
	for _, seen := range s.Upstream.Seen() {
		kept.add("assertion", first(seen.Values("x-sso-assertion")))
	}
	rootKey := strings.TrimSpace(readFile(t, filepath.Join(s.Dir, "root.key")))
	kept.add("root key", rootKey)
	for _, id := range s.sessionIDs(cookies, rootKey) {
		kept.add("session id", id)
	}

	written := map[string]string{
		"the gate's output": s.Gate.Output(), "Envoy's output": s.Envoy.Output(), "the decision log": s.decisions(),
		"what commands said": said,
	}
	kinds := map[string]int{}
	for _, kind := range kept.all {
		kinds[kind]++
	}
	for _, kind := range []string{
		"code", "state", "nonce", "id token", "access token", "PKCE verifier", "cookie ssogate", "cookie ssogate-flow",
		"assertion", "authorization header", "root key", "session id",
	} {
		if kinds[kind] == 0 {
			t.Errorf("no %s passed by: this run proves nothing about it", kind)
		}
	}
	for where, text := range written {
		if len(text) < 200 {
			t.Errorf("%s is %d bytes long: nothing was written there", where, len(text))
		}
		for _, leak := range kept.leaks(where, text) {
			t.Error(leak)
		}
	}
	for _, file := range []string{"ssogate.db", "ssogate.db-wal"} {
		for _, leak := range kept.leaks(file, readFile(t, filepath.Join(s.Dir, file))) {
			t.Error(leak)
		}
	}
	kept.finds(t, tail(written["the gate's output"], 4000))
	t.Logf("%d secrets of %d kinds", len(kept.all), len(kinds))
}

// ordinaryDay is people at work: signing in, being refused, signing out.
func ordinaryDay(t *testing.T, s *Stack, as func(string) Person, keep func(Person)) {
	t.Helper()
	for _, name := range []string{"ada", "ann", "vic"} {
		p := as(name)
		p.SignIn("/events?q=mine")
		p.Fetch(http.MethodGet, "/api/v1/api-keys")
		p.Fetch(http.MethodPost, "/api/v1/rules")
		p.Fetch(http.MethodGet, "/auth/session")
		keep(p)
	}
	vic := as("vic")
	vic.SignIn("/")
	keep(vic)
	if page, err := vic.Open(t.Context(), s.URL+"/auth/logout"); err != nil || page.Status != http.StatusOK {
		t.Errorf("sign-out: %d, %v", page.Status, err)
	}
	if page, err := as("nia").Open(t.Context(), s.URL+"/"); err != nil || page.Status != http.StatusForbidden {
		t.Errorf("somebody without a role: %d, %v", page.Status, err)
	}
}

// brokenSignIns is what makes the gate complain: providers that misbehave and answers that do not belong.
func brokenSignIns(t *testing.T, s *Stack, as func(string) Person) {
	t.Helper()
	for _, fault := range []string{
		"wrong-iss", "wrong-aud", "wrong-nonce", "wrong-at-hash", "alg-none", "alg-hs256", "invalid-sig", "expired", "dup-claim",
		"json-serialised", "encrypted", "padded-jws", "unknown-kid", "token-500", "token-error", "token-html", "token-redirect",
		"no-id-token", "error=access_denied", "wrong-iss-param", "dup-param", "overage", "thin-id-token",
	} {
		s.IdP.Fault(fault)
		if _, err := as("ada").Open(t.Context(), s.URL+"/events"); err != nil {
			t.Errorf("%s: %v", fault, err)
		}
		s.IdP.Clear()
	}
	for _, change := range []func(url.Values){
		func(q url.Values) { q.Set("code", q.Get("code")+"x") },
		func(q url.Values) { q.Set("state", q.Get("state")+"A") },
		func(q url.Values) { q.Set("state", strings.Replace(q.Get("state"), "v1.", "v2.", 1)) },
		func(q url.Values) { q.Del("code") },
		func(q url.Values) { q.Add("state", q.Get("state")) },
		func(q url.Values) { q.Set("error", "server_error"); q.Set("error_description", "no") },
	} {
		p := as("ann")
		back := p.held(s.URL + "/events")
		q := back.Query()
		change(q)
		back.RawQuery = q.Encode()
		if _, err := p.Open(t.Context(), back.String()); err != nil {
			t.Error(err)
		}
		elsewhere := *back
		elsewhere.Path = "/events" // a code on a page that is none of ours
		p.Send(http.MethodGet, elsewhere.RequestURI(), http.Header{"Referer": {back.String()}, "X-Forwarded-Uri": {back.String()}})
	}
	half := as("ann")
	back := half.held(s.URL + "/events")
	if _, err := as("vic").Open(t.Context(), back.String()); err != nil { // of another browser
		t.Error(err)
	}
	s.StopIdP()
	if _, err := half.Open(t.Context(), back.String()); err != nil { // the code cannot be redeemed
		t.Error(err)
	}
}

// strangers send secrets of their own, or somebody's.
func strangers(s *Stack) {
	host := "Host: " + s.Host + "\r\n"
	for _, request := range []string{
		"GET /api/v1/events HTTP/1.1\r\n" + host + "Authorization: Bearer " + plantedBearer + "\r\n\r\n",
		"GET /api/v1/events HTTP/1.1\r\n" + host + "Authorization: Bearer " + plantedBearer + "\r\nAuthorization: Bearer " + plantedBearer + "\r\n\r\n",
		"GET /api/v1/events HTTP/1.1\r\n" + host + "Cookie: ssogate=" + plantedCookie + "\r\n\r\n",
		"GET /api/v1/events HTTP/1.1\r\n" + host + "Cookie: ssogate=" + plantedCookie + "; ssogate=" + plantedCookie + "\r\n\r\n",
		"GET /api/v1/events HTTP/1.1\r\n" + host + "Cookie: ssogate=" + plantedCookie + "\r\nAuthorization: Bearer " + plantedBearer + "\r\n\r\n",
		"GET /auth/callback/oidc/acme-idp?state=" + plantedCookie + "&code=" + plantedBearer + " HTTP/1.1\r\n" + host + "Accept: text/html\r\n\r\n",
		"GET /auth/logout?state=" + plantedCookie + " HTTP/1.1\r\n" + host + "Accept: text/html\r\n\r\n",
		"GET /auth/login?login_hint=" + plantedBearer + "&return_to=//" + plantedBearer + " HTTP/1.1\r\n" + host + "Accept: text/html\r\n\r\n",
	} {
		s.Raw(request)
	}
}

// operator runs the commands that read secrets, and some that go wrong, and returns all they said.
func operator(t *testing.T, s *Stack) string {
	t.Helper()
	file := filepath.Join(s.Dir, "cli-secret")
	write := func(name, text string) string {
		path := filepath.Join(s.Dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("cli-secret", plantedFile+"\n")
	config := readFile(t, s.Config)
	inline := write("inline.yaml", strings.ReplaceAll(config, "{env: E2E_SECRET}", `"`+plantedInline+`"`))
	dsn := write("dsn.yaml", config+"store: postgres://ssogate:"+plantedDSN+"@127.0.0.1:1/ssogate\n")
	t.Setenv("E2E_DSN", "postgres://ssogate:"+plantedDSN+"@127.0.0.1:1/ssogate")
	downDSN := write("down-dsn.yaml", config+"store: {env: E2E_DSN}\n")
	t.Setenv("E2E_BAD_DSN", "postgre://ssogate:"+plantedDSN+"@127.0.0.1:1/ssogate")
	badDSN := write("bad-dsn.yaml", config+"store: {env: E2E_BAD_DSN}\n")
	t.Setenv("E2E_ROOT", plantedInline)
	badRoot := write("bad-root.yaml", config+"root_key: {env: E2E_ROOT}\n")
	var said strings.Builder
	for _, tc := range []struct {
		args  []string
		fails bool
	}{
		{[]string{"tenant", "create", "-c", s.Config, "globex"}, false},
		{[]string{"connection", "create", "-c", s.Config, "--tenant", "globex", "--provider", "generic", "--issuer", "https://idp.globex.example", "--client-id", "x", "--client-secret-file", file, "--no-probe"}, false},
		{[]string{"connection", "create", "-c", s.Config, "--tenant", "globex", "--provider", "generic", "--issuer", "https://idp.globex.example", "--client-id", "x", "--client-secret", plantedInline, "--no-probe"}, true},
		{[]string{"connection", "create", "-c", s.Config, "--tenant", "globex", "--provider", "generic", "--issuer", "https://idp.globex.example", "--client-id", "x", "--client-secret=" + plantedInline}, true},
		{[]string{"connection", "list", "-c", s.Config, "--tenant", "globex", "-o", "json"}, false},
		{[]string{"connection", "list", "-c", s.Config, "--tenant", "acme"}, false},
		{[]string{"session", "list", "-c", s.Config, "--tenant", "acme", "-o", "json"}, false},
		{[]string{"user", "list", "-c", s.Config, "--tenant", "acme", "-o", "json"}, false},
		{[]string{"keys", "rotate", "-c", s.Config}, false},
		{[]string{"check-config", "--insecure", "-c", s.Config}, false},
		{[]string{"check-config", "--insecure", "-c", inline}, true},
		{[]string{"check-config", "--insecure", "-c", badDSN}, true},
		{[]string{"user", "list", "-c", dsn, "--tenant", "acme"}, true},
		{[]string{"user", "list", "-c", badDSN, "--tenant", "acme"}, true},
		{[]string{"user", "list", "-c", downDSN, "--tenant", "acme"}, true},
		{[]string{"serve", "--insecure", "-c", downDSN}, true},
		{[]string{"user", "list", "-c", badRoot, "--tenant", "acme"}, true},
		{[]string{"envoy", "config", "-c", s.Config, "--plain"}, false},
		{[]string{"audit", "list", "-c", s.Config, "--tenant", "acme", "--limit", "1000", "-o", "json"}, false},
		{[]string{"audit", "list", "-c", s.Config, "--limit", "1000", "-o", "json"}, false},
	} {
		out, err := s.TryCLI(tc.args...)
		if (err != nil) != tc.fails {
			t.Errorf("ssogate %s: %v\n%s", strings.Join(tc.args[:2], " "), err, out)
		}
		said.WriteString(out)
	}
	return said.String()
}

// sessionIDs opens session cookies as the gate does: what is inside is what the database must not hold.
func (s *Stack) sessionIDs(cookieLines []string, rootKey string) (ids []string) {
	s.T.Helper()
	key, err := secret.ParseKey(rootKey)
	if err != nil {
		s.T.Fatal(err)
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		s.T.Fatal(err)
	}
	db, err := store.Open(s.T.Context(), store.Options{DSN: "sqlite:" + filepath.Join(s.Dir, "ssogate.db"), Sealer: sealer, Now: time.Now})
	if err != nil {
		s.T.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ring := &session.Ring{}
	keys, err := db.Keys(s.T.Context())
	if err == nil {
		err = ring.Set(keys)
	}
	if err != nil {
		s.T.Fatal(err)
	}
	for _, line := range cookieLines {
		for pair := range strings.SplitSeq(line, "; ") {
			value, ok := strings.CutPrefix(pair, "ssogate=")
			if !ok {
				continue
			}
			token, _, err := ring.Open(session.ForCookie, session.Bound("ssogate", s.Host), value)
			if err != nil {
				s.T.Fatal(err)
			}
			ids = append(ids, string(token[:32]))
		}
	}
	return ids
}
