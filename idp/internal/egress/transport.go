package egress

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// transport holds every rule, so that they go wherever the RoundTripper goes, whatever client a library puts around it.
type transport struct {
	limits limits
	reads  *http.Transport // GET and HEAD over https
	writes *http.Transport // anything else over https: a connection each
	plain  *http.Transport // http to this machine; nil unless insecure
	slots  *slots
}

// RoundTrip sends one request and follows what redirects may be followed. All hops and the reading of the body share one deadline.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.checkURL(r.URL); err != nil {
		closeBody(r)
		return nil, err
	}
	host := strings.ToLower(r.URL.Hostname())
	ctx, cancel := context.WithTimeout(r.Context(), t.limits.total)
	release, err := t.slots.acquire(ctx, share(r.Context(), host))
	if err != nil {
		closeBody(r)
		cancel()
		return nil, busy(host, err)
	}
	// The slot is given back when the body is closed or read to its end, and at the deadline for those who forget.
	context.AfterFunc(ctx, release)
	resp, err := t.follow(outgoing(ctx, r), host)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &capped{body: resp.Body, left: t.limits.body, host: host, ctx: ctx, done: cancel}
	return resp, nil
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (t *transport) CloseIdleConnections() {
	t.reads.CloseIdleConnections()
	if t.plain != nil {
		t.plain.CloseIdleConnections()
	}
}

func (t *transport) follow(r *http.Request, host string) (*http.Response, error) {
	for hop := 0; ; hop++ {
		resp, err := t.choose(r).RoundTrip(r)
		if err != nil {
			if ctxErr := r.Context().Err(); ctxErr != nil {
				err = ctxErr // net/http may report the closed connection instead
			}
			return nil, explain(host, err)
		}
		location := resp.Header.Get("Location")
		if !redirects(resp.StatusCode) || location == "" {
			return t.sized(r, resp, host)
		}
		if err := resp.Body.Close(); err != nil {
			return nil, explain(host, err)
		}
		next, err := t.next(r, location, hop)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.URL, r.Host = next, ""
		r.Body, r.ContentLength = nil, 0
	}
}

// next is where a redirect leads if it may be followed.
func (t *transport) next(r *http.Request, location string, hop int) (*url.URL, error) {
	host := r.URL.Hostname()
	if !reading(r.Method) {
		return nil, &Error{Code: CodeRedirect, Host: host, Detail: "a " + r.Method + " was answered by a redirect"}
	}
	if hop >= t.limits.redirects {
		return nil, &Error{Code: CodeRedirect, Host: host, Detail: "too many redirects"}
	}
	next, err := r.URL.Parse(location)
	if err != nil {
		return nil, &Error{Code: CodeRedirect, Host: host, Detail: "to something that is no address"}
	}
	if next.Scheme != r.URL.Scheme || next.User != nil || authority(next) != authority(r.URL) {
		return nil, &Error{Code: CodeRedirect, Host: host, Detail: "to another host, port or scheme"}
	}
	return next, nil
}

// sized refuses an announced body over the limit before a byte of it is read.
func (t *transport) sized(r *http.Request, resp *http.Response, host string) (*http.Response, error) {
	if r.Method == http.MethodHead || resp.ContentLength <= t.limits.body {
		return resp, nil
	}
	if err := resp.Body.Close(); err != nil {
		return nil, explain(host, err)
	}
	return nil, tooLarge(host)
}

func (t *transport) choose(r *http.Request) *http.Transport {
	switch {
	case r.URL.Scheme != "https":
		return t.plain
	case reading(r.Method):
		return t.reads
	default:
		return t.writes
	}
}

func (t *transport) checkURL(u *url.URL) error {
	switch {
	case u.Hostname() == "":
		return &Error{Code: CodeURL, Detail: "the address names no host"}
	case u.User != nil:
		return &Error{Code: CodeURL, Host: u.Hostname(), Detail: "the address holds credentials"}
	case u.Scheme == "https", u.Scheme == "http" && t.plain != nil:
		return nil
	default:
		return &Error{Code: CodeScheme, Host: u.Hostname(), Detail: "only https is used"}
	}
}

// outgoing is the request as sent. Without GetBody net/http has no second copy of the body to send.
func outgoing(ctx context.Context, r *http.Request) *http.Request {
	out := r.Clone(ctx)
	out.GetBody = nil
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "ssogate")
	}
	return out
}

func reading(method string) bool {
	return method == "" || method == http.MethodGet || method == http.MethodHead
}

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	default:
		return false
	}
}

// authority is host and port, the scheme's own port left out.
func authority(u *url.URL) string {
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	return strings.ToLower(u.Hostname()) + ":" + port
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close() //nolint:errcheck // the caller's own body, and we report a better error
	}
}

func tooLarge(host string) *Error {
	return &Error{Code: CodeSize, Host: host, Detail: "the answer is too large"}
}

func busy(host string, err error) *Error {
	e := explain(host, err)
	if e.Code == CodeTimeout {
		e.Detail = "too many requests to this host at once"
	}
	return e
}

// capped is a body that fails when it is too large. It does not end early: half a key set may still be JSON.
type capped struct {
	body io.ReadCloser
	left int64
	host string
	ctx  context.Context //nolint:containedctx // the body outlives the call; its deadline explains a broken read
	done context.CancelFunc
}

// Read reads on until the limit has been passed, which it reports as an *[Error].
func (c *capped) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, tooLarge(c.host)
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.body.Read(p)
	c.left -= int64(n)
	if c.left < 0 {
		c.done()
		return n - 1, tooLarge(c.host)
	}
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		c.done()
		return n, io.EOF
	}
	if ctxErr := c.ctx.Err(); ctxErr != nil {
		err = ctxErr
	}
	c.done()
	return n, explain(c.host, err)
}

// Close ends the request.
func (c *capped) Close() error {
	c.done()
	if err := c.body.Close(); err != nil {
		return explain(c.host, err)
	}
	return nil
}

type callerKey struct{}

// For returns a context whose requests count against a caller's own share of each host. Thousands of tenants sign in at
// one host of Microsoft's: what one of them wastes there must not keep the others waiting.
func For(ctx context.Context, caller string) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// share names what a caller's requests to a host are counted under.
func share(ctx context.Context, host string) string {
	caller, _ := ctx.Value(callerKey{}).(string)
	return host + " " + caller
}

// slots bounds what one host gets of one caller at once, so that a slow one does not take every goroutine.
type slots struct {
	perHost int

	mu    sync.Mutex
	hosts map[string]*slot
}

type slot struct {
	tokens chan struct{}
	users  int // holders and waiters; the entry goes with the last
}

func newSlots(perHost int) *slots {
	return &slots{perHost: perHost, hosts: map[string]*slot{}}
}

// acquire waits for a slot until ctx ends. release is to be called once.
func (s *slots) acquire(ctx context.Context, host string) (release func(), err error) {
	s.mu.Lock()
	h := s.hosts[host]
	if h == nil {
		h = &slot{tokens: make(chan struct{}, s.perHost)}
		s.hosts[host] = h
	}
	h.users++
	s.mu.Unlock()
	select {
	case h.tokens <- struct{}{}:
		return func() { <-h.tokens; s.leave(host, h) }, nil
	case <-ctx.Done():
		s.leave(host, h)
		return nil, ctx.Err()
	}
}

func (s *slots) leave(host string, h *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.users--
	if h.users == 0 {
		delete(s.hosts, host)
	}
}
