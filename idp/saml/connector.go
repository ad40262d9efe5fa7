package saml

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Connector speaks SAML 2.0 to any connection. Its zero value misses PublicURL, Client and Now; everything else is
// optional. It is safe for concurrent use and must not be copied.
type Connector struct {
	PublicURL   *url.URL         // the gate as browsers see it; entity id and endpoints hang below it, never below a Host header
	Insecure    bool             // also speaks http to a provider on a loopback host
	Client      *http.Client     // fetches metadata: refuses private addresses and bounds time and size; see idp.Egress
	Now         func() time.Time // the clock of every time rule
	Log         *slog.Logger
	MaxResponse int // bytes of a decoded message; 0 is 640 KiB, and 1 MiB the most

	OnOpinion    func(outcome, why string)                      // counts second opinions: agree, skipped, disagree
	OnVerify     func(code idp.Code, took time.Duration)        // counts completed verifications; code is empty after a success
	OnSHA1       func()                                         // counts SHA-1 signatures that an admin let pass
	OnPanic      func()                                         // counts panics, each of which became a refusal
	OnUnknownKey func(t tenant.ID, connection idp.ConnectionID) // hears that a message is signed by a key the connection does not have

	turns turns   // of verifications, which cost CPU
	off   defence // no defence: only tests can switch one off
}

// Skew is how far the provider's clock may be from ours.
const Skew = 90 * time.Second

// Complete implements idp.Connector. Each step takes what the one before it made, so that no byte reaches the identity
// unverified. Only the second opinion sees the original again, and all it can do is refuse.
func (c *Connector) Complete(ctx context.Context, conn idp.Connection, a idp.Attempt, r *http.Request) (id idp.Identity, err error) {
	start := c.Now()
	defer func() {
		if p := recover(); p != nil {
			id, err = idp.Identity{}, c.panicked(ctx, conn, p)
		}
		c.completed(err, c.Now().Sub(start))
	}()
	q, keys, err := c.prepare(conn, a, start)
	if err != nil {
		return idp.Identity{}, err
	}
	m, err := c.form(r)
	if err != nil {
		return idp.Identity{}, err
	}
	leave, err := c.enter(ctx, party(conn.ID))
	if err != nil {
		return idp.Identity{}, err
	}
	defer leave()
	g, err := c.guard(m.xml, xmlguard.Response, c.maxMessage())
	if err != nil {
		return idp.Identity{}, nameless(conn, err)
	}
	v, err := c.verify(ctx, conn, policyOf(conn, keys, q.now), g)
	if err != nil {
		return idp.Identity{}, c.unknownKey(conn, nameless(conn, err))
	}
	ans, err := c.answer(ctx, q, v)
	if err != nil {
		return idp.Identity{}, err
	}
	if err := c.secondOpinion(ctx, q, m, v, ans); err != nil {
		return idp.Identity{}, err
	}
	return c.identity(ctx, q, v, ans)
}

// prepare refuses settings with which nothing could be verified.
func (c *Connector) prepare(conn idp.Connection, a idp.Attempt, now time.Time) (asked, []key, error) {
	if a.Tenant != conn.Tenant || a.Connection != conn.ID || a.ID == [16]byte{} || a.Begun.IsZero() {
		return asked{}, nil, errors.New("complete sign-in: attempt is not the connection's")
	}
	if err := c.usable(conn.SAML); err != nil {
		return asked{}, nil, err
	}
	keys, err := activeKeys(conn.SAML)
	return asked{conn: conn, attempt: a, at: c.endpoints(conn.ID), now: now}, keys, err
}

// form reads the answer's form.
func (c *Connector) form(r *http.Request) (message, error) {
	if c.off.has(offForm) {
		return laxForm(r)
	}
	return c.readForm(r, "SAMLResponse")
}

// answer decodes, and holds against what was asked.
func (c *Connector) answer(ctx context.Context, q asked, v verified) (answer, error) {
	if c.off.has(offSemantics) {
		return decode(v)
	}
	ans, err := q.answer(v)
	if idp.CodeOf(err) == idp.CodeSAMLStatus {
		if res, failed := decodeResponse(v.response, false); failed == nil {
			c.log().WarnContext(ctx, "identity provider refused sign-in", "connection", q.conn.ID, "description", cut(res.status.message))
		}
	}
	return ans, err
}

// endpoints are the addresses of one connection at our side.
type endpoints struct {
	EntityID string // where the metadata is as well (SAML 2.0 Metadata §4.1)
	ACS      string
	SLO      string
}

func (c *Connector) endpoints(id idp.ConnectionID) endpoints {
	return endpoints{
		EntityID: c.PublicURL.JoinPath("auth", "saml", string(id), "metadata").String(),
		ACS:      c.PublicURL.JoinPath("auth", "callback", "saml", string(id)).String(),
		SLO:      c.PublicURL.JoinPath("auth", "saml", string(id), "slo").String(),
	}
}

func (c *Connector) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// fault makes a refusal that is the provider's, the person's, the settings' or an attacker's doing. Neither what nor
// hint may hold a word of theirs.
func fault(code idp.Code, detail, hint, what string) *idp.Error {
	return &idp.Error{Code: code, Detail: detail, Hint: hint, Err: errors.New(what)}
}

// wrapped is fault around a cause that holds none of the provider's words.
func wrapped(code idp.Code, detail, hint string, err error) *idp.Error {
	return &idp.Error{Code: code, Detail: detail, Hint: hint, Err: err}
}
