package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// transport sends what is for the dashboard to this stack's own Envoy.
func (s *Stack) transport() http.RoundTripper {
	return &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == s.Host {
				address = s.Door
			}
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
}

// Person is a browser without a screen that signs in as one of the people.
type Person struct {
	s *Stack
	*idptest.Browser
}

// As returns a browser with an empty cookie jar whose user picks the named person (ada, ann, vic, nia) at the provider.
func (s *Stack) As(name string) Person {
	return Person{s, idptest.NewBrowser(name, s.transport())}
}

// At is the same browser, cookies included, at another Envoy of the dashboard.
func (p Person) At(s *Stack) Person {
	b := *p.Browser
	c := *p.Client
	c.Transport = s.transport()
	b.Client = &c
	return Person{s, &b}
}

// SignIn opens a page and signs in on the way; the test fails unless it lands on that page.
func (p Person) SignIn(path string) idptest.Page {
	p.s.T.Helper()
	page, err := p.Open(p.s.T.Context(), p.s.URL+path)
	if err != nil {
		p.s.T.Fatalf("sign in as %s: %v", p.Person, err)
	}
	if page.URL.RequestURI() != path {
		p.s.T.Fatalf("%s asked for %s and landed on %s (%d): %s", p.Person, path, page.URL, page.Status, tail(page.Body, 600))
	}
	return page
}

// Answer is what came back for one request.
type Answer struct {
	Status   int
	Header   http.Header
	Body     string
	Identity map[string][]string // the identity headers the dashboard received; nil when it was not reached
}

// Fetch sends what a page's script would: no navigation, cookies included, no redirect followed.
func (p Person) Fetch(method, path string) Answer {
	p.s.T.Helper()
	return p.Send(method, path, nil)
}

// Send is Fetch with further headers.
func (p Person) Send(method, path string, header http.Header) Answer {
	p.s.T.Helper()
	r, err := http.NewRequestWithContext(p.s.T.Context(), method, p.s.URL+path, nil)
	if err != nil {
		p.s.T.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	maps.Copy(r.Header, header)
	c := *p.Client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(r)
	if err != nil {
		p.s.T.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return readAnswer(resp)
}

func readAnswer(resp *http.Response) Answer {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	var echoed struct{ Identity map[string][]string }
	if resp.StatusCode == http.StatusOK && json.Unmarshal(body, &echoed) == nil {
		a.Identity = echoed.Identity
	}
	return a
}

// CookieLine is the browser's Cookie header for the dashboard, for requests written byte by byte.
func (p Person) CookieLine() string {
	u, _ := url.Parse(p.s.URL)
	var pairs []string
	for _, c := range p.Client.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// Raw writes bytes to Envoy as they are and reads one response. Status 0 means that Envoy closed the connection.
func (s *Stack) Raw(request string) Answer {
	s.T.Helper()
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(s.T.Context(), "tcp", s.Door)
	if err != nil {
		s.T.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		return Answer{}
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		return Answer{}
	}
	defer func() { _ = resp.Body.Close() }()
	return readAnswer(resp)
}
