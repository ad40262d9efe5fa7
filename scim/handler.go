package scim

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// Credentials tells whose token one is.
type Credentials interface {
	// Tenant returns the tenant that a bearer token belongs to, and the token's public id. directory.ErrToken: it is
	// no live token. Any other error is a fault, answered with 503.
	Tenant(ctx context.Context, token secret.Text) (tenant.ID, directory.TokenID, error)
}

// Handler is the service provider. It serves Base and everything below it.
type Handler struct {
	Store       directory.Store
	Credentials Credentials
	Seal        Sealer
	PublicURL   *url.URL             // where clients reach the gate; every location begins with it
	Calls       func(directory.Call) // takes every call for the provisioning log; must not block; nil: nobody does
	Rate        Rate
	Timeout     time.Duration // of a whole call; 25 s when zero
	Now         func() time.Time
	Log         *slog.Logger

	once  sync.Once
	alarm alarm
	turn  *turnstile
}

// call is one request at work.
type call struct {
	h       *Handler
	tenant  tenant.ID
	place   place
	query   string // raw
	header  http.Header
	entry   directory.Call
	dropped []string // attributes of the body that nobody keeps
	pending int      // members that nobody knows
}

// answer is what a call ends in.
type answer struct {
	status   int
	location string
	etag     string
	body     func(*encoder) // nil: none
}

const defaultTimeout = 25 * time.Second

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.once.Do(func() { h.turn = newTurnstile(h.Rate, h.Now) })
	timeout := h.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	c := &call{h: h, place: route(r.URL.EscapedPath()), query: r.URL.RawQuery, header: r.Header}
	c.entry = directory.Call{
		At: h.Now(), UserAgent: clip(r.UserAgent(), 200), Method: clip(r.Method, 20), Path: c.place.template(),
		Target: clip(c.place.id, 200), RequestID: requestID(r.Header),
	}
	out := &reply{w: w, head: r.Method == http.MethodHead}
	err := c.safely(func() error {
		a, err := c.serve(ctx, w, r)
		if err != nil {
			return err
		}
		return out.send(a)
	})
	c.end(ctx, out, err)
}

// safely turns a panic into an error: a fault of ours must not reach the client as a broken connection.
func (c *call) safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return f()
}

// end sends the error there is, and writes the call down.
func (c *call) end(ctx context.Context, out *reply, err error) {
	c.entry.Status = out.status
	if err != nil {
		e := asError(err)
		c.entry.Status, c.entry.SCIMType, c.entry.Detail = e.Status, e.Type, e.Detail
		c.entry.Hint = hint(e)
		if e.Status >= http.StatusInternalServerError && e.Status != http.StatusNotImplemented {
			c.h.Log.ErrorContext(ctx, "scim call ended in a fault", "tenant", c.tenant, "method", c.entry.Method,
				"path", c.entry.Path, "request_id", c.entry.RequestID, "err", err)
		}
		if !out.started {
			e.write(out.w)
		}
	} else {
		c.notes()
	}
	if c.tenant != "" {
		c.entry.Tenant = c.tenant
		c.h.alarm.note(ctx, c.h.Log, c.entry)
		if c.h.Calls != nil && (c.writes() || err != nil) {
			c.h.Calls(c.entry)
		}
	}
	if err != nil && out.started {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
}

// writes reports whether a call changes anything. Reads that succeed are too many to write down.
func (c *call) writes() bool {
	changes := c.entry.Method != http.MethodGet && c.entry.Method != http.MethodHead
	return changes && (c.place.writable() || c.place.endpoint == atBulk)
}

// serve is a call from its credential to its answer.
func (c *call) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error) {
	if err := c.authenticate(ctx); err != nil {
		return answer{}, err
	}
	leave, err := c.h.turn.enter(ctx, c.tenant)
	if err != nil {
		return answer{}, err
	}
	defer leave()
	ctx = directory.WithActor(ctx, directory.Actor{Name: "scim:" + string(c.entry.Token), RequestID: c.entry.RequestID})
	if e := c.place.admit(r.Method); e != nil {
		return answer{}, e
	}
	var body map[string]any
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		if body, err = readBody(w, r, limitOf(c.place)); err != nil {
			return answer{}, err
		}
		c.entry.Shape = shape(body)
	default:
	}
	return c.dispatch(ctx, r.Method, body)
}

func (c *call) dispatch(ctx context.Context, method string, body map[string]any) (answer, error) {
	switch c.place.endpoint {
	case atProviderConfig, atResourceTypes, atResourceType, atSchemas, atSchemaByID:
		doc, err := c.h.discover(c.place, c.query)
		return answer{status: http.StatusOK, body: func(e *encoder) { e.value(doc) }}, err
	case atBulk:
		return c.bulk(ctx, body)
	case atUsersSearch, atGroupsSearch, atSearch:
		p, err := searchParams(body)
		if err != nil {
			return answer{}, err
		}
		return c.list(ctx, p)
	case atRoot:
		return c.listQuery(ctx)
	case atUsers, atGroups:
		if method == http.MethodPost {
			return c.change(ctx, method, body)
		}
		return c.listQuery(ctx)
	case atUser, atGroup:
		if method == http.MethodGet || method == http.MethodHead {
			return c.get(ctx)
		}
		return c.change(ctx, method, body)
	case atNowhere, atMe: // refused by admit
		return answer{}, notFound()
	default:
		return answer{}, notFound()
	}
}

func (c *call) listQuery(ctx context.Context) (answer, error) {
	p, err := queryParams(c.query)
	if err != nil {
		return answer{}, err
	}
	return c.list(ctx, p)
}

const maxToken = 512

// authenticate finds the tenant. Nothing else in a request names one.
func (c *call) authenticate(ctx context.Context) error {
	lines := c.header.Values("Authorization")
	if len(lines) > 1 || len(lines) == 1 && strings.Contains(lines[0], ",") {
		return badRequest(typeInvalidValue, "Send one Authorization header.")
	}
	refused := &Error{Status: http.StatusUnauthorized, Detail: "The bearer token is missing, unknown, expired or revoked. Make a new one and paste it into the identity provider's SCIM settings."}
	if len(lines) == 0 {
		return refused
	}
	scheme, token, ok := strings.Cut(lines[0], " ")
	token = strings.Trim(token, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxToken {
		return refused
	}
	t, id, err := c.h.Credentials.Tenant(ctx, secret.New(token))
	if errors.Is(err, directory.ErrToken) {
		return refused
	}
	if err != nil {
		return fault(fmt.Errorf("look token up: %w", err))
	}
	if t == "" {
		return fault(errors.New("token of no tenant"))
	}
	c.tenant, c.entry.Token = t, id
	return nil
}

// reply sends an answer. Its header goes out with the first bytes of the body, so that an error before them can still
// be an answer of its own.
type reply struct {
	w       http.ResponseWriter
	head    bool
	a       answer
	status  int
	started bool
}

func (r *reply) send(a answer) error {
	r.a, r.status = a, a.status
	if a.body == nil || r.head {
		r.start()
		return nil
	}
	e := &encoder{w: bufio.NewWriterSize(r, 32<<10)}
	a.body(e)
	e.raw("\n")
	if e.err == nil {
		e.err = e.w.Flush()
	}
	return e.err
}

// Write implements io.Writer.
func (r *reply) Write(p []byte) (int, error) {
	r.start()
	return r.w.Write(p)
}

func (r *reply) start() {
	if r.started {
		return
	}
	r.started = true
	h := r.w.Header()
	h.Set("Cache-Control", "no-store")
	if r.a.body != nil {
		h.Set("Content-Type", mediaType)
	}
	if r.a.location != "" {
		h.Set("Location", r.a.location)
	}
	if r.a.etag != "" {
		h.Set("ETag", r.a.etag)
	}
	r.w.WriteHeader(r.a.status)
}

// requestID is Envoy's name for a request. It is copied into logs only when it looks like one.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if len(id) > 64 {
		return ""
	}
	for i := range len(id) {
		c := id[i]
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return ""
		}
	}
	return id
}

func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
