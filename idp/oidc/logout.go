package oidc

import (
	"context"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// maxLocation is the longest URL that every proxy and browser on the way takes; a longer one becomes a form.
const maxLocation = 2000

// Logout implements idp.Logouter (OpenID Connect RP-Initiated Logout 1.0 §2).
func (c *Connector) Logout(ctx context.Context, conn idp.Connection, l idp.Logout) (idp.Redirect, error) {
	ctx = idp.For(ctx, conn.ID)
	m, err := c.metadata(ctx, conn)
	if err != nil {
		return idp.Redirect{}, err
	}
	if m.EndSession == "" && conn.Provider == idp.Auth0 {
		return auth0Logout(conn, l), nil
	}
	if m.EndSession == "" || conn.Provider == idp.Okta && l.IDToken.Empty() { // Okta shows an error page without a hint
		return idp.Redirect{}, idp.ErrNoLogout
	}
	v := url.Values{"client_id": {conn.Settings.ClientID}}
	if !l.IDToken.Empty() {
		v.Set("id_token_hint", l.IDToken.Reveal())
	}
	if l.ReturnTo != "" {
		v.Set("post_logout_redirect_uri", l.ReturnTo)
		if l.Relay != "" {
			v.Set("state", l.Relay)
		}
	}
	return redirect(m.EndSession, v), nil
}

func redirect(endpoint string, v url.Values) idp.Redirect {
	join := "?"
	if strings.Contains(endpoint, "?") {
		join = "&"
	}
	if to := endpoint + join + v.Encode(); len(to) <= maxLocation {
		return idp.Redirect{URL: to}
	}
	return idp.Redirect{URL: endpoint, Form: v}
}
