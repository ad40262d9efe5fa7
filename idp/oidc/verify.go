package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

// skew is how far the provider's clock may be off.
const skew = time.Minute

const maxSubject = 255 // bytes, OpenID Connect Core §2

const (
	tokenHint  = "The identity provider's ID token is not a signed JWT in its compact form. Switch token encryption off for this application."
	algHint    = "Let the identity provider sign ID tokens with RS256 or ES256: unsigned tokens and shared secrets are not accepted."
	clockHint  = "Compare the clocks of the gate and of the identity provider."
	claimsHint = "The ID token has a claim that two programs would read differently. Look for a claim mapping at the identity provider that writes a standard claim twice or in capitals."
)

// verify checks an ID token (OpenID Connect Core §3.1.3.7) and returns its claims. Everything is checked here on
// claims that have one reading; go-oidc then has to come to the same result from the same bytes.
func (c *Connector) verify(ctx context.Context, conn idp.Connection, m metadata, a idp.Attempt, tok tokens) (jwt.Claims, error) {
	algs := jwt.Allowed(m.Algorithms)
	t, err := parseToken(tok.id.Reveal())
	if err != nil {
		return jwt.Claims{}, err
	}
	payload, err := c.provider(conn).keys.verify(ctx, m.Keys, t, algs)
	if err != nil {
		return jwt.Claims{}, err
	}
	claims, err := jwt.StrictClaims(payload)
	if err != nil {
		return jwt.Claims{}, wrapped(idp.CodeClaims, claimsHint, fmt.Errorf("read ID token: %w", err))
	}
	check := checker{conn: conn, attempt: a, claims: claims, now: c.Now()}
	if err := check.all(); err != nil {
		return jwt.Claims{}, err
	}
	second, err := secondOpinion(ctx, conn, algs, check.now, tok.id.Reveal(), payload)
	if err != nil {
		return jwt.Claims{}, err
	}
	if err := agree(claims, second); err != nil {
		return jwt.Claims{}, err
	}
	return claims, checkAccessToken(claims, second, tok.access.Reveal())
}

// parseToken takes the compact form alone and refuses tokens whose type says they are something else (RFC 8725 §3.11).
func parseToken(raw string) (jwt.Token, error) {
	if strings.Count(raw, ".") == 2 && strings.HasSuffix(raw, ".") {
		return jwt.Token{}, fault(idp.CodeAlgorithm, algHint, "read ID token: it has no signature")
	}
	t, err := jwt.Parse(raw)
	if err != nil {
		return jwt.Token{}, wrapped(idp.CodeResponse, tokenHint, fmt.Errorf("read ID token: %w", err))
	}
	if strings.HasSuffix(strings.ToLower(t.Header.Type), "+jwt") {
		return jwt.Token{}, fault(idp.CodeResponse, tokenHint, "read ID token: its type says that it is another kind of token")
	}
	return t, nil
}

// verified is a go-oidc key set for one token whose signature has been checked.
type verified struct {
	raw     string
	payload []byte
}

// VerifySignature implements oidc.KeySet.
func (v verified) VerifySignature(_ context.Context, raw string) ([]byte, error) {
	if raw != v.raw {
		return nil, errors.New("not the token that was verified")
	}
	return v.payload, nil
}

// secondOpinion runs go-oidc's own checks over the same token. Its clock goes slow by the skew, since it allows
// none on exp.
func secondOpinion(ctx context.Context, conn idp.Connection, algs []string, now time.Time, raw string, payload []byte) (*gooidc.IDToken, error) {
	conf := &gooidc.Config{ClientID: conn.Settings.ClientID, SupportedSigningAlgs: algs, Now: func() time.Time { return now.Add(-skew) }}
	t, err := gooidc.NewVerifier(conn.Settings.Issuer, verified{raw: raw, payload: payload}, conf).Verify(ctx, raw)
	if err != nil {
		return nil, fault(idp.CodeClaims, claimsHint, "verify ID token: go-oidc refuses what the gate would take")
	}
	return t, nil
}

// agree holds the struct go-oidc filled against our reading.
func agree(c jwt.Claims, t *gooidc.IDToken) error {
	iss, err1 := c.String("iss")
	sub, err2 := c.String("sub")
	aud, err3 := c.Strings("aud")
	exp, err4 := c.Time("exp")
	nonce, err5 := c.String("nonce")
	if errors.Join(err1, err2, err3, err4, err5) == nil && iss == t.Issuer && sub == t.Subject && slices.Equal(aud, t.Audience) &&
		exp.Equal(t.Expiry) && nonce == t.Nonce {
		return nil
	}
	return fault(idp.CodeClaims, claimsHint, "verify ID token: go-oidc reads other claims than the gate")
}

// checkAccessToken holds at_hash against the access token, where the provider sends it (Core §3.1.3.8).
func checkAccessToken(c jwt.Claims, t *gooidc.IDToken, access string) error {
	hash, err := c.String("at_hash")
	if err == nil && !c.Has("at_hash") {
		return nil
	}
	if err == nil && hash == t.AccessTokenHash {
		err = t.VerifyAccessToken(access)
	}
	if err != nil {
		return fault(idp.CodeAtHash, "The ID token belongs to another access token. Start again; if it stays so, tell the identity provider's support.", "verify ID token: at_hash")
	}
	return nil
}

// checker holds one token's claims against the connection and the attempt.
type checker struct {
	conn    idp.Connection
	attempt idp.Attempt
	claims  jwt.Claims
	now     time.Time
}

// all runs the rules in the order of OpenID Connect Core §3.1.3.7.
func (c checker) all() error {
	for _, rule := range []func() error{c.issuer, c.audience, c.subject, c.times, c.nonce, c.authTime, c.acr, c.organization} {
		if err := rule(); err != nil {
			return err
		}
	}
	return nil
}

// text reads a claim that must be text where it is present.
func (c checker) text(name string, code idp.Code) (string, error) {
	v, err := c.claims.String(name)
	if err != nil {
		return "", wrapped(code, claimsHint, fmt.Errorf("verify ID token: %w", err))
	}
	return v, nil
}

func (c checker) issuer() error {
	iss, err := c.text("iss", idp.CodeIssuer)
	if err != nil {
		return err
	}
	want := c.conn.Settings.Issuer
	if iss == want || want == googleIssuer && iss == googleIssuerBare {
		return nil
	}
	return fault(idp.CodeIssuer, issuerTokenHint(c.conn.Provider), "verify ID token: iss is not the connection's issuer")
}

func (c checker) audience() error {
	const hint = "The ID token was made for another application. Compare the connection's client id with the one at the identity provider."
	aud, err := c.claims.Strings("aud")
	if err != nil {
		return wrapped(idp.CodeAudience, claimsHint, fmt.Errorf("verify ID token: %w", err))
	}
	azp, err := c.text("azp", idp.CodeAudience)
	if err != nil {
		return err
	}
	client := c.conn.Settings.ClientID
	if client == "" || !slices.Contains(aud, client) {
		return fault(idp.CodeAudience, hint, "verify ID token: aud does not contain our client id")
	}
	if (len(aud) > 1 || c.claims.Has("azp")) && azp != client {
		return fault(idp.CodeAudience, hint, "verify ID token: azp is not our client id")
	}
	for _, other := range aud {
		if other != client && !slices.Contains(c.conn.Settings.Audiences, other) {
			return fault(idp.CodeAudience, "The ID token is also for an audience the connection does not list. Add it there if it is yours.", "verify ID token: unlisted audience")
		}
	}
	return nil
}

func (c checker) subject() error {
	sub, err := c.text("sub", idp.CodeSubject)
	if err != nil {
		return err
	}
	if sub == "" || len(sub) > maxSubject {
		return fault(idp.CodeSubject, "The ID token does not say who signed in. The identity provider must send sub, 1 to 255 bytes.", "verify ID token: sub is empty or too long")
	}
	return nil
}

func (c checker) times() error {
	iat, err := c.claims.Time("iat")
	if err != nil || iat.IsZero() {
		return fault(idp.CodeTime, clockHint, "verify ID token: iat is missing or no time")
	}
	exp, err := c.claims.Time("exp")
	if err != nil || exp.IsZero() {
		return fault(idp.CodeTime, clockHint, "verify ID token: exp is missing or no time")
	}
	nbf, err := c.claims.Time("nbf")
	if err != nil {
		return fault(idp.CodeTime, clockHint, "verify ID token: nbf is no time")
	}
	switch {
	case iat.After(c.now.Add(skew)):
		return fault(idp.CodeTime, clockHint, "verify ID token: iat is in the future")
	case iat.Before(c.attempt.Begun.Truncate(time.Second).Add(-skew)):
		return fault(idp.CodeTime, clockHint, "verify ID token: iat is before the sign-in began")
	case !exp.After(c.now.Add(-skew)):
		return fault(idp.CodeTime, clockHint, "verify ID token: expired")
	case nbf.After(c.now.Add(skew)):
		return fault(idp.CodeTime, clockHint, "verify ID token: not valid yet")
	}
	return nil
}

// nonce ties the token to this attempt. It also keeps logout tokens out, which have none.
func (c checker) nonce() error {
	got, err := c.text("nonce", idp.CodeNonce)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(c.attempt.Derive(idp.DeriveNonce))) != 1 {
		return fault(idp.CodeNonce, "The ID token is not the one this sign-in asked for. Start again.", "verify ID token: nonce is another's")
	}
	return nil
}

// authTime requires what max_age asked for (Core §3.1.2.1): a provider may ignore the parameter, and then only this
// check knows.
func (c checker) authTime() error {
	at, err := c.claims.Time("auth_time")
	if err != nil {
		return fault(idp.CodeTime, clockHint, "verify ID token: auth_time is no time")
	}
	if at.After(c.now.Add(skew)) {
		return fault(idp.CodeTime, clockHint, "verify ID token: auth_time is in the future")
	}
	age := maxAge(c.conn, c.attempt)
	if age == nil {
		return nil
	}
	if at.IsZero() {
		return fault(idp.CodeTime, authTimeHint(c.conn.Provider), "verify ID token: auth_time is missing although max_age was sent")
	}
	if c.now.Sub(at) > *age+skew {
		return fault(idp.CodeTime, "The identity provider did not ask the person to sign in again although max_age asked for it.", "verify ID token: auth_time is too old")
	}
	return nil
}

func (c checker) acr() error {
	want := acrValues(c.conn, c.attempt)
	got, err := c.text("acr", idp.CodeACR)
	if err != nil {
		return err
	}
	if len(want) > 0 && !slices.Contains(want, got) {
		return fault(idp.CodeACR, "The identity provider signed the person in, but not in the way acr_values asks for. Check its authentication policy.", "verify ID token: acr is none that was asked for")
	}
	return nil
}
