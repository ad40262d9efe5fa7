package oidc

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

const (
	metadataSoft = time.Hour
	metadataHard = 7 * 24 * time.Hour
	keysSoft     = 15 * time.Minute
	keysHard     = 24 * time.Hour
	maxProviders = 4096 // connections held at once; a provider weighs some kilobytes
)

// The kinds under which idp.Documents keeps what a provider publishes.
const (
	kindMetadata = "metadata"
	kindKeys     = "jwks"
)

// provider is what one version of a connection's settings has learnt of its provider.
type provider struct {
	version  int64
	issuer   string
	used     time.Time
	metadata *document[metadata]
	keys     *keySet
}

// provider finds or makes the connection's. A change of settings starts anew.
func (c *Connector) provider(conn idp.Connection) *provider {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.providers[conn.ID]
	if p == nil || p.version != conn.Version || p.issuer != conn.Settings.Issuer {
		c.evict()
		p = c.newProvider(conn)
		if c.providers == nil {
			c.providers = map[idp.ConnectionID]*provider{}
		}
		c.providers[conn.ID] = p
	}
	p.used = c.Now()
	return p
}

// evict makes room by dropping whoever was used longest ago.
func (c *Connector) evict() {
	if len(c.providers) < maxProviders {
		return
	}
	var oldest idp.ConnectionID
	for id, p := range c.providers {
		if oldest == "" || p.used.Before(c.providers[oldest].used) {
			oldest = id
		}
	}
	delete(c.providers, oldest)
}

func (c *Connector) newProvider(conn idp.Connection) *provider {
	p := &provider{version: conn.Version, issuer: conn.Settings.Issuer}
	p.metadata = newDocument(&document[metadata]{
		soft: metadataSoft, hard: metadataHard, now: c.Now,
		load: func(ctx context.Context, source string) ([]byte, error) {
			return c.fetch(ctx, kindMetadata, source, maxMetadata)
		},
		parse:  func(body []byte) (metadata, error) { return parseMetadata(conn.Settings.Issuer, body) },
		saved:  func(ctx context.Context) (string, []byte, time.Time, error) { return c.saved(ctx, conn, kindMetadata) },
		save:   func(ctx context.Context, s string, b []byte, at time.Time) { c.save(ctx, conn, kindMetadata, s, b, at) },
		failed: c.staleAlarm(conn, kindMetadata),
	})
	p.keys = newKeySet(c, conn)
	return p
}

// metadata returns the connection's, and tells the log when an endpoint moves to another host: that is either a
// migration the admin knows about or somebody else's doing.
func (c *Connector) metadata(ctx context.Context, conn idp.Connection) (metadata, error) {
	p := c.provider(conn)
	source := wellKnown(conn.Settings.Issuer)
	before := p.metadata.peek(source)
	m, err := p.metadata.get(ctx, source)
	if err == nil && before.ok && moved(before.value, m) {
		c.log().WarnContext(ctx, "identity provider moved an endpoint to another host", "tenant", conn.Tenant, "connection", conn.ID)
	}
	return m, err
}

func moved(a, b metadata) bool {
	return hostOf(a.Authorization) != hostOf(b.Authorization) || hostOf(a.Token) != hostOf(b.Token) || hostOf(a.Keys) != hostOf(b.Keys)
}

// envelope keeps a document together with where it came from: keys of a former provider must not verify the tokens
// of the one a connection trusts now.
type envelope struct {
	Source string          `json:"source"`
	Body   json.RawMessage `json:"body"`
}

func (c *Connector) saved(ctx context.Context, conn idp.Connection, kind string) (source string, body []byte, fetched time.Time, err error) {
	if c.Documents == nil || conn.ID == "" {
		return "", nil, time.Time{}, nil
	}
	kept, fetched, ok, err := c.Documents.Document(ctx, conn.Tenant, conn.ID, kind)
	if err != nil {
		c.log().ErrorContext(ctx, "read saved provider document", "connection", conn.ID, "kind", kind, "err", err)
		return "", nil, time.Time{}, err
	}
	if e, readable := openEnvelope(kept); ok && readable {
		return e.Source, e.Body, fetched, nil
	}
	return "", nil, time.Time{}, nil
}

func openEnvelope(kept []byte) (e envelope, ok bool) {
	err := json.Unmarshal(kept, &e)
	return e, err == nil
}

// save is best effort: without it a restart during the provider's outage cannot sign people in, and nothing else.
func (c *Connector) save(ctx context.Context, conn idp.Connection, kind, source string, body []byte, at time.Time) {
	if c.Documents == nil || conn.ID == "" {
		return
	}
	kept, err := json.Marshal(envelope{Source: source, Body: body})
	if err == nil {
		err = c.Documents.SaveDocument(ctx, conn.Tenant, conn.ID, kind, kept, at)
	}
	if err != nil {
		c.log().ErrorContext(ctx, "save provider document", "connection", conn.ID, "kind", kind, "err", err)
	}
}

func (c *Connector) staleAlarm(conn idp.Connection, kind string) func(context.Context, time.Duration, error) {
	return func(ctx context.Context, age time.Duration, err error) {
		c.log().WarnContext(ctx, "provider document cannot be refreshed, an older copy is used",
			"tenant", conn.Tenant, "connection", conn.ID, "kind", kind, "age", age.Round(time.Second).String(), "err", err)
	}
}
