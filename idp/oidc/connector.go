package oidc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

var (
	_ idp.Connector = (*Connector)(nil)
	_ idp.Logouter  = (*Connector)(nil)
)

// Connector speaks OpenID Connect to any connection. Its zero value misses Client and Now; everything else is optional.
// It is safe for concurrent use.
type Connector struct {
	Client    *http.Client     // refuses private addresses and bounds time and size; see idp.Egress
	Now       func() time.Time // the clock of every time rule
	Documents idp.Documents    // keeps metadata and keys over restarts; nil keeps them in memory alone
	Log       *slog.Logger
	OnRequest func(kind, result string) // counts requests: metadata, jwks, token, par, userinfo; ok, error

	mu        sync.Mutex
	providers map[idp.ConnectionID]*provider
}

// Begin implements idp.Connector.
func (c *Connector) Begin(ctx context.Context, conn idp.Connection, a idp.Attempt) (idp.Redirect, error) {
	ctx = idp.For(ctx, conn.ID)
	m, err := c.metadata(ctx, conn)
	if err != nil {
		return idp.Redirect{}, err
	}
	params, err := authorizeParams(conn, a)
	if err != nil {
		return idp.Redirect{}, err
	}
	if m.RequirePAR {
		params, err = c.push(ctx, conn, m, params)
		if err != nil {
			return idp.Redirect{}, err
		}
	}
	return idp.Redirect{URL: authorizeURL(m.Authorization, params)}, nil
}

// Complete implements idp.Connector. The order is that of the protocol: who answers (RFC 9207), what they answer,
// the code against tokens, the ID token, and only where a claim is missing, userinfo.
func (c *Connector) Complete(ctx context.Context, conn idp.Connection, a idp.Attempt, r *http.Request) (idp.Identity, error) {
	ctx = idp.For(ctx, conn.ID)
	m, err := c.metadata(ctx, conn)
	if err != nil {
		return idp.Identity{}, err
	}
	ans, err := parseAnswer(r.URL.RawQuery)
	if err != nil {
		return idp.Identity{}, err
	}
	if err := ans.checkIssuer(conn, m); err != nil {
		return idp.Identity{}, err
	}
	if ans.Error != "" {
		c.log().WarnContext(ctx, "identity provider refused sign-in", "connection", conn.ID, "description", ans.Description)
		return idp.Identity{}, ans.refusal(conn)
	}
	tok, err := c.exchange(ctx, conn, m, a, ans.Code)
	if err != nil {
		return idp.Identity{}, err
	}
	claims, err := c.verify(ctx, conn, m, a, tok)
	if err != nil {
		return idp.Identity{}, err
	}
	held, err := c.complement(ctx, conn, m, claims, tok)
	if err != nil {
		return idp.Identity{}, err
	}
	return identity(conn, held, tok.id.Reveal())
}

func (c *Connector) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// fault makes a sign-in's end that is the provider's, the person's or the settings' doing.
func fault(code idp.Code, hint, what string) error {
	return &idp.Error{Code: code, Err: errors.New(what), Hint: hint}
}

// wrapped is fault around a cause that holds none of the provider's words.
func wrapped(code idp.Code, hint string, err error) error {
	return &idp.Error{Code: code, Err: err, Hint: hint}
}
