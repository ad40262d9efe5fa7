package extauthz

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim"
)

// auth answers what lies under /auth inside the check: Envoy needs no route to the gate for it.
func (s *Server) auth(ctx context.Context, c *inquiry) (Answer, error) {
	if s.BodiesByHTTP && c.request.Method == http.MethodPost && envoy.TakesBody(c.request.Target.Path) {
		var u upstream // to the gate's own listener, cookies and all
		for _, name := range c.request.spoofed {
			u.Remove(name)
		}
		return allow(envoy.OutcomePass, u), nil
	}
	w := newRecorder()
	s.Login.ServeHTTP(w, s.httpRequest(ctx, c.request))
	if login.Faulted(ctx) {
		return w.answer(envoy.OutcomeFault, c.id)
	}
	return w.answer(envoy.OutcomeAuth, c.id)
}

// signIn answers a request without a live session: a page navigation goes to the identity provider, anything else is
// told where to sign in and gets no cookie, because it could not follow a redirect there and back.
func (s *Server) signIn(ctx context.Context, c *inquiry, ask idp.Ask) (Answer, error) {
	c.reason = string(c.who.refusal)
	if !c.request.Navigates {
		return s.refusal(ctx, c, envoy.OutcomeUnauthenticated, login.Refusal{
			Status: http.StatusUnauthorized, Code: "unauthenticated", Message: "Sign in first.", DecisionID: c.id,
		})
	}
	w := newRecorder()
	s.Login.Start(w, s.httpRequest(ctx, c.request), c.who.Visitor, ask)
	if login.Faulted(ctx) {
		return w.answer(envoy.OutcomeFault, c.id)
	}
	return w.answer(envoy.OutcomeSignIn, c.id)
}

// refusal writes a refusal in the form its reader understands.
func (s *Server) refusal(_ context.Context, c *inquiry, outcome envoy.Outcome, r login.Refusal, extra ...header) (Answer, error) {
	w := newRecorder()
	switch form(c.request) {
	case formJSON:
		login.JSON(w, r, s.Login.LoginURL())
	case formPage:
		s.Login.Page(w, r)
	case formSCIM:
		w.Header().Set("Content-Type", "application/scim+json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(r.Status)
		_, _ = w.Write(scim.ErrorBody(r.Status, "", r.Message))
	case formGRPCWeb: // Envoy does not translate for gRPC-Web: the status goes out as headers of a 200
		w.Header().Set("Grpc-Status", grpcWebStatus(r.Status))
		w.Header().Set("Grpc-Message", url.PathEscape(r.Message))
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
	case formGRPC: // Envoy makes grpc-status and grpc-message of status and body
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(r.Status)
		_, _ = w.Write([]byte(r.Message))
	}
	for _, h := range extra {
		w.Header().Set(h.name, h.value)
	}
	return w.answer(outcome, c.id)
}

// httpRequest is the check as an http.Handler reads it, built from canonical parts: nothing of it is parsed again.
func (s *Server) httpRequest(ctx context.Context, r Request) *http.Request {
	path := "/" + strings.Join(r.Target.Segments, "/")
	if len(r.Target.Segments) > 0 && strings.HasSuffix(r.Target.Path, "/") {
		path += "/"
	}
	h := make(http.Header, len(r.headers))
	for _, l := range r.headers {
		if l.name != "" && l.name[0] != ':' && !slices.Contains(r.spoofed, l.name) {
			h.Add(l.name, l.value)
		}
	}
	out := &http.Request{
		Method: r.Method, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		URL:    &url.URL{Path: path, RawQuery: r.Target.RawQuery},
		Header: h, Host: s.PublicURL.Host, RemoteAddr: r.IP, RequestURI: r.Target.String(),
		Body: http.NoBody, ContentLength: int64(len(r.Body)),
	}
	if r.Body != "" {
		out.Body = nopCloser{strings.NewReader(r.Body)}
	}
	return out.WithContext(ctx)
}

type nopCloser struct{ *strings.Reader }

func (nopCloser) Close() error { return nil }

// maxPage bounds what a handler may write into a check's answer.
const maxPage = 256 << 10

// recorder is a http.ResponseWriter that keeps the response for an Answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	over   bool
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(b) > maxPage {
		w.over = true
		return 0, fmt.Errorf("a page of more than %d bytes", maxPage)
	}
	return w.body.Write(b)
}

// answer turns what was recorded into an Answer; what Envoy frames by itself is left out.
func (w *recorder) answer(outcome envoy.Outcome, id string) (Answer, error) {
	if w.status == 0 || w.over {
		return Answer{}, fmt.Errorf("handler wrote status %d, %d bytes, over the limit: %t", w.status, w.body.Len(), w.over)
	}
	w.header.Set(envoy.HeaderDecisionID, id)
	names := make([]string, 0, len(w.header))
	for name := range w.header {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Connection", "Date":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var out []header
	for _, name := range names {
		for _, v := range w.header[name] {
			out = append(out, header{strings.ToLower(name), v})
		}
	}
	a, ok := deny(outcome, w.status, out, w.body.String())
	if !ok {
		return Answer{}, fmt.Errorf("handler wrote an answer that Envoy cannot send (status %d)", w.status)
	}
	return a, nil
}
