package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/oidc"
)

// known is what an admin can read off their identity provider's pages.
type known struct {
	Provider idp.Provider
	Domain   string
	TenantID string
	Issuer   string
}

// settings turns it into a connection's settings. A word the provider has no use for is a problem: whoever wrote it
// means something by it.
func (k known) settings() (idp.OIDCSettings, *problem) {
	want := map[idp.Provider]string{
		idp.Okta: "domain", idp.Auth0: "domain", idp.Google: "domain", idp.Entra: "tenant_id", idp.Keycloak: "issuer", idp.Generic: "issuer",
	}[k.Provider]
	for _, given := range []struct{ key, value string }{{"domain", k.Domain}, {"tenant_id", k.TenantID}, {"issuer", k.Issuer}} {
		if given.value != "" && given.key != want {
			return idp.OIDCSettings{}, &problem{
				Message: fmt.Sprintf("%s is not for provider %s", given.key, k.Provider), Hint: fmt.Sprintf("%s wants %s", k.Provider, want),
			}
		}
		if given.value == "" && given.key == want {
			return idp.OIDCSettings{}, &problem{
				Message: fmt.Sprintf("provider %s wants %s", k.Provider, want), Hint: wordHint(k.Provider, want),
			}
		}
	}
	settings, err := oidc.Preset(k.Provider, oidc.Known{Domain: k.Domain, TenantID: k.TenantID, Issuer: k.Issuer})
	if err != nil {
		return settings, &problem{Message: want + ": " + err.Error(), Hint: wordHint(k.Provider, want)}
	}
	if k.Provider == idp.Google {
		// Google answers for everyone in the world: the Workspace domain in the token is what tells the company's people apart.
		settings.Extra = map[string]string{"hd": k.Domain}
	}
	return settings, nil
}

// wordHint says where an admin finds the word.
func wordHint(p idp.Provider, key string) string {
	switch p {
	case idp.Okta:
		return "domain: acme.okta.com, from the menu under your name in Okta"
	case idp.Auth0:
		return "domain: acme.eu.auth0.com, from Applications > your app > Settings > Domain"
	case idp.Google:
		return "domain: acme.example, your Google Workspace domain: Google signs in anyone else, too"
	case idp.Entra:
		return "tenant_id: the Directory (tenant) ID, from App registrations > your app > Overview"
	case idp.Keycloak:
		return "issuer: https://HOST/realms/REALM, from Realm settings > OpenID Endpoint Configuration"
	case idp.ADFS, idp.Generic:
		fallthrough
	default:
		return key + ": exactly as the provider's /.well-known/openid-configuration spells it"
	}
}

// probe asks the provider for metadata and keys, picks the client authentication from what it lists, and returns what
// could be better.
func (a *app) probe(c Config, conn *idp.Connection, timeout time.Duration) ([]string, error) {
	client, err := idp.Egress{Allow: c.Egress.Allow, CAFile: c.Egress.CAFile, Insecure: c.Insecure()}.Client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(a.ctx, timeout)
	defer cancel()
	report, err := (&oidc.Connector{Client: client, Now: a.now}).Probe(ctx, *conn)
	if bad, ok := errors.AsType[*idp.Error](err); ok {
		return nil, hinted(strings.TrimSpace(bad.Hint+"\n\tTo save it without asking the provider, add --no-probe."), "ask %s: %s", conn.Settings.Issuer, bad)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", conn.Settings.Issuer, err)
	}
	if conn.Settings.ClientAuth != idp.AuthNone {
		conn.Settings.ClientAuth = report.ClientAuth(conn.Settings.ClientAuth)
	}
	return report.Warnings, nil
}

// validate finds what is wrong with settings that are otherwise complete.
func validate(s idp.OIDCSettings) problems {
	var found problems
	for _, p := range oidc.Validate(s) {
		found = append(found, problem{Message: p.Error(), Hint: p.Hint})
	}
	return found
}
