package oidc

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
	"github.com/tracio-ai/ssogate/idp/secret"
)

var at = time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)

func fixture() (idp.Connection, idp.Attempt) {
	conn := idp.Connection{ID: "acme", Tenant: "acme", Provider: idp.Generic, Settings: idp.OIDCSettings{Issuer: "https://idp.example", ClientID: "gate"}}
	return conn, idp.Attempt{Begun: at, Key: secret.New("key")}
}

// goodClaims is a payload every rule accepts.
func goodClaims(conn idp.Connection, a idp.Attempt) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"alice","aud":["gate"],"exp":%d,"iat":%d,"nonce":%q}`,
		conn.Settings.Issuer, at.Add(5*time.Minute).Unix(), at.Unix(), a.Derive(idp.DeriveNonce))
}

func checkPayload(conn idp.Connection, a idp.Attempt, payload string, now time.Time) (jwt.Claims, error) {
	claims, err := jwt.StrictClaims([]byte(payload))
	if err != nil {
		return jwt.Claims{}, err
	}
	return claims, checker{conn: conn, attempt: a, claims: claims, now: now}.all()
}

func TestGoogleMayLeaveTheSchemeOut(t *testing.T) {
	conn, a := fixture()
	for _, row := range []struct {
		ours, theirs string
		ok           bool
	}{
		{googleIssuer, googleIssuer, true},
		{googleIssuer, googleIssuerBare, true},
		{googleIssuer, googleIssuer + "/", false},
		{"https://idp.example", "idp.example", false},
		{"https://idp.example", googleIssuerBare, false},
	} {
		conn.Settings.Issuer = row.ours
		token := conn
		token.Settings.Issuer = row.theirs
		if _, err := checkPayload(conn, a, goodClaims(token, a), at); (err == nil) != row.ok {
			t.Errorf("iss %s at issuer %s: %v", row.theirs, row.ours, err)
		}
	}
}

func TestDirectoryOfAnotherCompanyIsRefused(t *testing.T) {
	conn, a := fixture()
	conn.Provider = idp.Entra
	conn.Settings.Issuer = entraHost + "6b1f2c52-7e1a-4d36-9a0e-2f9b4b0c7a11/v2.0"
	for tid, ok := range map[string]bool{"6b1f2c52-7e1a-4d36-9a0e-2f9b4b0c7a11": true, "00000000-7e1a-4d36-9a0e-2f9b4b0c7a11": false, "": false} {
		payload := strings.Replace(goodClaims(conn, a), "{", fmt.Sprintf(`{"tid":%q,`, tid), 1)
		if _, err := checkPayload(conn, a, payload, at); (err == nil) != ok {
			t.Errorf("tid %q: %v", tid, err)
		}
	}
}

// TestSkewIsAMinuteEachWay pins both edges of every time rule.
func TestSkewIsAMinuteEachWay(t *testing.T) {
	conn, a := fixture()
	for _, row := range []struct {
		name     string
		iat, exp time.Duration
		ok       bool
	}{
		{"iat a minute ahead", time.Minute, 5 * time.Minute, true},
		{"iat 61 s ahead", 61 * time.Second, 5 * time.Minute, false},
		{"iat a minute before the start", -time.Minute, 5 * time.Minute, true},
		{"iat 61 s before the start", -61 * time.Second, 5 * time.Minute, false},
		{"exp 59 s ago", 0, -59 * time.Second, true},
		{"exp 60 s ago", 0, -60 * time.Second, false},
	} {
		payload := fmt.Sprintf(`{"iss":"https://idp.example","sub":"alice","aud":"gate","iat":%d,"exp":%d,"nonce":%q}`,
			at.Add(row.iat).Unix(), at.Add(row.exp).Unix(), a.Derive(idp.DeriveNonce))
		_, err := checkPayload(conn, a, payload, at)
		if (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
		if err != nil {
			continue
		}
		if _, err := secondOpinion(t.Context(), conn, []string{"ES256"}, at, fakeToken(payload), []byte(payload)); err != nil {
			t.Errorf("%s: go-oidc is stricter: %v", row.name, err)
		}
	}
}

// TestVerifiedMarkBelongsToItsOwnAddress: userinfo vouches for one address, the ID token names another.
func TestVerifiedMarkBelongsToItsOwnAddress(t *testing.T) {
	conn, _ := fixture()
	read := func(s string) jwt.Claims {
		c, err := jwt.StrictClaims([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	h := held{token: read(`{"sub":"s","email":"ceo@acme.example"}`), more: read(`{"sub":"s","email":"mallory@acme.example","email_verified":true}`)}
	id, err := identity(conn, h, "raw")
	if err != nil || id.EmailVerified || id.UserName != "s@acme" {
		t.Errorf("identity %+v, %v", id, err)
	}
	h.token = read(`{"sub":"s"}`)
	if id, err = identity(conn, h, "raw"); err != nil || !id.EmailVerified || id.UserName != "mallory@acme.example" {
		t.Errorf("identity %+v, %v", id, err)
	}
}

// TestErrorsOfTheTransportAreNotRepeated: net/http quotes the other side's first line in its error.
func TestErrorsOfTheTransportAreNotRepeated(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("SSH-2.0-internal-host-7\r\n\r\n"))
		_ = conn.Close()
	}()
	c := &Connector{Client: &http.Client{}, Now: func() time.Time { return at }}
	_, err = c.fetch(t.Context(), kindMetadata, "http://"+l.Addr().String(), 100)
	if idp.CodeOf(err) != idp.CodeUnavailable || strings.Contains(err.Error(), "internal") || strings.Contains(err.Error(), "malformed") {
		t.Errorf("error %v", err)
	}
}

func TestProvidersHeldAreBounded(t *testing.T) {
	now := at
	c := &Connector{Client: &http.Client{}, Now: func() time.Time { now = now.Add(time.Second); return now }}
	first := c.provider(idp.Connection{ID: "first"})
	for i := range maxProviders {
		c.provider(idp.Connection{ID: idp.ConnectionID(fmt.Sprintf("c%d", i))})
	}
	if len(c.providers) != maxProviders || c.providers["first"] == first {
		t.Errorf("%d providers are held; the oldest is still there: %v", len(c.providers), c.providers["first"] == first)
	}
}

func TestProvidersWordsAreCutForTheLog(t *testing.T) {
	long := "code=&error=x&error_description=" + url.QueryEscape(strings.Repeat("é", 300)+"\xff")
	a, err := parseAnswer(long)
	if err != nil || a.Description != strings.Repeat("é", maxDescription) {
		t.Errorf("%d runes, %v", utf8.RuneCountInString(a.Description), err)
	}
	if a, err = parseAnswer("error=x&error_description=%ff%0a"); err != nil || a.Description != "?\n" {
		t.Errorf("%q, %v", a.Description, err)
	}
}

// fakeToken wraps payload in a form go-oidc parses; the signature is taken as checked.
func fakeToken(payload string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"ES256"}`)) + "." + b64([]byte(payload)) + "." + b64(make([]byte, 64))
}

// FuzzClaims: whatever the strict pass and the rules accept means the same to go-oidc's struct. An attacker who finds
// a payload for which this fails is two people at once.
func FuzzClaims(f *testing.F) {
	for _, extra := range []string{
		`"x":1`, `"SUB":"bob"`, `"ſub":"bob"`, `"sub":"bob"`, `"Exp":99999999999`, `"aud":"gate"`, `"nbf":1`, `"azp":"gate"`, `"iss ":"x"`,
		`"at_hash":"x"`, `"s\u0075b":"bob"`, `"exp":1e300`, `"_claim_names":{"a":"b"}`, `"a":{"sub":"bob"}`, `"Nonce":""`, `"":1`,
	} {
		f.Add([]byte(extra))
	}
	conn, a := fixture()
	good := goodClaims(conn, a)
	f.Fuzz(func(t *testing.T, extra []byte) {
		if len(extra) > 4096 {
			return
		}
		for _, payload := range []string{strings.TrimSuffix(good, "}") + "," + string(extra) + "}", "{" + string(extra) + "," + good[1:], string(extra)} {
			claims, err := checkPayload(conn, a, payload, at)
			if err != nil {
				continue
			}
			second, err := secondOpinion(t.Context(), conn, []string{"ES256"}, at, fakeToken(payload), []byte(payload))
			if err != nil {
				continue // go-oidc may be stricter: it looks into _claim_names
			}
			if err := agree(claims, second); err != nil {
				t.Fatalf("two readings of %q: %+v", payload, second)
			}
			if second.Subject != "alice" || !slices.Equal(second.Audience, []string{"gate"}) {
				t.Fatalf("%q became %q for %q", payload, second.Subject, second.Audience)
			}
		}
	})
}

func TestCodeAndTokensAreNotPrinted(t *testing.T) {
	a, err := parseAnswer("code=hunter2")
	if err != nil || a.Code.Reveal() != "hunter2" {
		t.Fatal(err)
	}
	held := tokens{id: secret.New("hunter2"), access: secret.New("hunter2")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, printed := range []string{fmt.Sprintf(verb, a), fmt.Sprintf(verb, held), fmt.Sprintf(verb, &held)} {
			if strings.Contains(printed, "hunter2") || strings.Contains(printed, hex.EncodeToString([]byte("hunter2"))) {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
}

// FuzzAnswer: an accepted callback has one reading, and its words are short enough for a log line.
func FuzzAnswer(f *testing.F) {
	for _, q := range []string{"code=a&state=b&iss=c", "error=access_denied&error_description=x", "code=a&code=b", "code=a;b=c", "code=%zz", "code=a&error=b", "co%64e=a", "=", ""} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		a, err := parseAnswer(q)
		if err != nil {
			if idp.CodeOf(err) != idp.CodeResponse {
				t.Fatalf("%q: %v", q, err)
			}
			return
		}
		if a.Code.Empty() == (a.Error == "") || utf8.RuneCountInString(a.Description) > maxDescription || !utf8.ValidString(a.Description) {
			t.Fatalf("%q: %+v", q, a)
		}
		again := url.Values{"code": {a.Code.Reveal()}, "error": {a.Error}}
		if a.hasIssuer {
			again.Set("iss", a.Issuer)
		}
		b, err := parseAnswer(again.Encode())
		if err != nil || !b.Code.Equal(a.Code) || b.Error != a.Error || b.Issuer != a.Issuer || b.hasIssuer != a.hasIssuer {
			t.Fatalf("%q: printed and read again: %+v, %v; want %+v", q, b, err, a)
		}
	})
}

// FuzzMetadata: an accepted document is the issuer's, and leads to https or this machine alone.
func FuzzMetadata(f *testing.F) {
	const good = `{"issuer":"https://idp.example","authorization_endpoint":"https://idp.example/a","token_endpoint":"https://idp.example/t","jwks_uri":"https://idp.example/k"`
	for _, extra := range []string{`"x":1`, `"issuer":"https://evil.example"`, `"userinfo_endpoint":"http://10.0.0.1/"`, `"end_session_endpoint":"javascript:x"`} {
		f.Add([]byte(good + "," + extra + "}"))
	}
	f.Add([]byte(good + "}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := parseMetadata("https://idp.example", body)
		if err != nil {
			if idp.CodeOf(err) != idp.CodeMetadata {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		for _, address := range []string{m.Authorization, m.Token, m.Keys, m.UserInfo, m.EndSession} {
			u, err := url.Parse(address)
			if err != nil || address != "" && u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
				t.Fatalf("%q leads to %q", body, address)
			}
		}
		if m.Issuer != "https://idp.example" || m.Authorization == "" || m.Token == "" || m.Keys == "" {
			t.Fatalf("%q: %+v", body, m)
		}
	})
}
