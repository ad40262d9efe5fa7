package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

const maxUserInfo = 256 << 10

const userInfoHint = "The identity provider's userinfo answer does not fit its ID token. Put the claims into the ID token instead, or tell its support."

// complement asks userinfo for what the ID token left out, where the connection wants that.
func (c *Connector) complement(ctx context.Context, conn idp.Connection, m metadata, claims jwt.Claims, tok tokens) (held, error) {
	h := held{token: claims}
	if !conn.Settings.UserInfo || m.UserInfo == "" || !missing(conn, claims) {
		return h, nil
	}
	body, media, err := c.userInfo(ctx, m, tok.access.Reveal())
	if err != nil {
		return held{}, err
	}
	more, err := c.readUserInfo(ctx, conn, m, body, media)
	if err != nil {
		return held{}, err
	}
	want, err := claims.String("sub")
	if err != nil {
		return held{}, wrapped(idp.CodeSubject, claimsHint, fmt.Errorf("read userinfo: %w", err))
	}
	got, err := more.String("sub")
	if err != nil || got == "" || got != want { // Core §5.3.2: else the answer is somebody else's
		return held{}, fault(idp.CodeUserInfo, userInfoHint, "read userinfo: sub is not the ID token's")
	}
	h.more = more
	return h, nil
}

// missing reports whether a claim the connection maps is not in the ID token.
func missing(conn idp.Connection, claims jwt.Claims) bool {
	n := names(conn.Settings.Claims)
	mapped := []string{n.UserName, n.Email, n.DisplayName}
	if n.Groups != "" {
		mapped = append(mapped, n.Groups)
	}
	return slices.ContainsFunc(mapped, func(name string) bool { return !claims.Has(name) })
}

func (c *Connector) userInfo(ctx context.Context, m metadata, access string) ([]byte, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.UserInfo, nil)
	if err != nil {
		return nil, "", fault(idp.CodeMetadata, metadataHint, "ask userinfo: address is not a URL")
	}
	r.Header.Set("Authorization", "Bearer "+access)
	r.Header.Set("Accept", "application/json")
	body, media, err := c.do(c.oneShot(), r, "userinfo", maxUserInfo)
	if status, answered := errors.AsType[errStatus](err); answered && !status.temporary() {
		return nil, "", wrapped(idp.CodeUserInfo, userInfoHint, fmt.Errorf("ask userinfo: %w", status))
	}
	if err != nil {
		return nil, "", transportFault(ctx, "ask userinfo", err)
	}
	return body, media, nil
}

// readUserInfo reads either form of the answer (Core §5.3.2): plain JSON, or a JWT that must name us and the issuer.
func (c *Connector) readUserInfo(ctx context.Context, conn idp.Connection, m metadata, body []byte, media string) (jwt.Claims, error) {
	switch media {
	case "application/json":
	case "application/jwt":
		payload, err := c.signedUserInfo(ctx, conn, m, string(body))
		if err != nil {
			return jwt.Claims{}, err
		}
		body = payload
	default:
		return jwt.Claims{}, fault(idp.CodeUserInfo, userInfoHint, "read userinfo: neither JSON nor JWT")
	}
	claims, err := jwt.StrictClaims(body)
	if err != nil {
		return jwt.Claims{}, fault(idp.CodeUserInfo, userInfoHint, "read userinfo: not a JSON object with one reading")
	}
	if media == "application/json" {
		return claims, nil
	}
	iss, err1 := claims.String("iss")
	aud, err2 := claims.Strings("aud")
	if err1 != nil || err2 != nil || iss != conn.Settings.Issuer || !slices.Contains(aud, conn.Settings.ClientID) {
		return jwt.Claims{}, fault(idp.CodeUserInfo, userInfoHint, "read userinfo: signed for another client or by another issuer")
	}
	return claims, nil
}

func (c *Connector) signedUserInfo(ctx context.Context, conn idp.Connection, m metadata, raw string) ([]byte, error) {
	t, err := parseToken(raw)
	if err != nil {
		return nil, err
	}
	return c.provider(conn).keys.verify(ctx, m.Keys, t, jwt.Allowed(m.Algorithms))
}
