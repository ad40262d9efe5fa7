package oidc

import (
	"context"
	"slices"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

// Report is what a provider says about itself.
type Report struct {
	AuthMethods []string // client authentication it lists
	Keys        int      // usable signature keys
	SendsIssuer bool     // RFC 9207
	Logout      bool     // has a sign-out endpoint
	Warnings    []string // for the admin: what works and could be better
}

// Probe asks a provider for its metadata and keys, past every cache. A connection is saved only after one good
// answer: a mistyped issuer shows now, and not at the first sign-in.
func (c *Connector) Probe(ctx context.Context, conn idp.Connection) (Report, error) {
	source := wellKnown(conn.Settings.Issuer)
	body, err := c.fetch(ctx, kindMetadata, source, maxMetadata)
	if err != nil {
		return Report{}, err
	}
	m, err := parseMetadata(conn.Settings.Issuer, body)
	if err != nil {
		return Report{}, err
	}
	body, err = c.fetch(ctx, kindKeys, m.Keys, jwt.MaxKeySet)
	if err != nil {
		return Report{}, err
	}
	set, err := parseKeys(body)
	if err != nil {
		return Report{}, err
	}
	if set.Len() == 0 {
		return Report{}, fault(idp.CodeMetadata, keysDocHint, "read keys: none can verify a signature")
	}
	return Report{
		AuthMethods: m.AuthMethods, Keys: set.Len(), SendsIssuer: m.SendsIssuer, Logout: m.EndSession != "" || conn.Provider == idp.Auth0,
		Warnings: warnings(conn, m),
	}, nil
}

// ClientAuth picks the client authentication for a connection from what the provider lists; it is never found out by
// trying. A provider that lists nothing takes basic (Discovery §3).
func (r Report) ClientAuth(preferred idp.ClientAuth) idp.ClientAuth {
	order := []idp.ClientAuth{preferred, idp.AuthBasic, idp.AuthPost}
	if len(r.AuthMethods) == 0 {
		r.AuthMethods = []string{string(idp.AuthBasic)}
	}
	for _, m := range order {
		if m != "" && slices.Contains(r.AuthMethods, string(m)) {
			return m
		}
	}
	return firstAuth(preferred)
}

func firstAuth(preferred idp.ClientAuth) idp.ClientAuth {
	if preferred == "" {
		return idp.AuthBasic
	}
	return preferred
}

func warnings(conn idp.Connection, m metadata) []string {
	var out []string
	if len(m.Challenges) > 0 && !slices.Contains(m.Challenges, "S256") {
		out = append(out, "The provider does not list PKCE with S256; the gate sends it all the same.")
	}
	method := Report{AuthMethods: m.AuthMethods}.ClientAuth(conn.Settings.ClientAuth)
	if len(m.AuthMethods) > 0 && !slices.Contains(m.AuthMethods, string(method)) {
		out = append(out, "The provider lists no client authentication the gate speaks; it will use "+string(method)+".")
	}
	if conn.Settings.SharedCallback && !m.SendsIssuer {
		out = append(out, "The provider does not send the iss parameter: give the connection its own callback address.")
	}
	if m.EndSession == "" && conn.Provider != idp.Auth0 {
		out = append(out, "The provider has no sign-out: signing out ends the session at the gate alone.")
	}
	return out
}
