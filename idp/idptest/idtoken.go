package idptest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Auth0Groups is the namespaced claim that the flavor Auth0 carries groups in.
const Auth0Groups = "https://tracio.ai/groups"

// EntraTenant is the directory id that the flavor Entra puts in tid where the issuer has none.
const EntraTenant = "6b1f2c52-7e1a-4d36-9a0e-2f9b4b0c7a11"

// personClaims are the claims that scopes release (OpenID Connect Core §5.4), and groups in the flavor's manner.
func (o *OP) personClaims(g grant, scope []string) map[string]any {
	p, _ := o.person(g.login.sub)
	claims := map[string]any{}
	if slices.Contains(scope, "profile") {
		claims["name"], claims["preferred_username"] = p.Name, p.UserName
	}
	if slices.Contains(scope, "email") {
		claims["email"], claims["email_verified"] = p.Email, true
	}
	o.groupClaims(claims, p, scope)
	maps.Copy(claims, p.Claims)
	return claims
}

func (o *OP) groupClaims(claims map[string]any, p Person, scope []string) {
	overage, hasGroups := o.faulty("overage"), o.faulty("overage-hasgroups")
	switch {
	case overage || o.opts.Flavor == Entra && len(p.Groups) > 200:
		claims["_claim_names"] = map[string]any{"groups": "src1"}
		claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": "https://graph.windows.net/x/users/y/getMemberObjects"}}
	case hasGroups:
		claims["hasgroups"] = true
	case len(p.Groups) == 0 || o.opts.Flavor == Google:
	case o.opts.Flavor == Auth0:
		claims[Auth0Groups] = p.Groups
	case o.opts.Flavor == Okta:
		if slices.Contains(scope, "groups") {
			claims["groups"] = p.Groups[:min(100, len(p.Groups))]
		}
	default:
		claims["groups"] = p.Groups
	}
	if to, on := o.fault("claim-sources", "http://169.254.169.254/"); on {
		claims["_claim_names"] = map[string]any{"department": "src1"}
		claims["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": to}}
	}
}

// idToken makes the ID token of a grant and applies every fault that changes one.
func (o *OP) idToken(g grant, access string) (string, error) {
	claims := o.idClaims(g, access)
	o.claimFaults(claims)
	if _, on := o.fault("logout-token-as-id-token", ""); on {
		for _, name := range []string{"nonce", "at_hash", "auth_time", "acr"} {
			delete(claims, name)
		}
		claims["jti"] = random(12)
		claims["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	token, err := o.signFaulty(g.client, o.rawFaults(payload))
	if err != nil {
		return "", err
	}
	return o.formFaults(token), nil
}

func (o *OP) idClaims(g grant, access string) map[string]any {
	now := o.opts.Now()
	scope := g.scope
	if o.faulty("thin-id-token") {
		scope = nil
	}
	claims := o.personClaims(g, scope)
	if o.faulty("thin-id-token") {
		claims = map[string]any{}
	}
	sum := sha256.Sum256([]byte(access))
	maps.Copy(claims, map[string]any{
		"iss": o.opts.Issuer, "sub": g.login.sub, "aud": g.client.ID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"auth_time": g.login.at.Unix(), "at_hash": b64(sum[:16]), "sid": g.login.sid, "amr": []string{"pwd"},
	})
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	o.flavorClaims(claims, g)
	return claims
}

func (o *OP) flavorClaims(claims map[string]any, g grant) {
	switch o.opts.Flavor {
	case Entra:
		delete(claims, "at_hash")
		tid := EntraTenant
		if parts := strings.Split(strings.Trim(o.base.Path, "/"), "/"); len(parts) == 2 {
			tid = parts[0]
		}
		for name, v := range map[string]any{"tid": tid, "oid": "oid-" + g.login.sub, "ver": "2.0"} {
			if _, set := claims[name]; !set {
				claims[name] = v
			}
		}
	case Auth0:
		if _, set := claims["org_id"]; !set && g.org != "" {
			claims["org_id"] = g.org
		}
	case Keycloak:
		claims["typ"], claims["azp"] = "ID", g.client.ID
	case Plain, Okta, Google:
	}
}

// claimFaults changes claims; each line is one named fault.
func (o *OP) claimFaults(c map[string]any) {
	now := o.opts.Now()
	set := func(fault, claim string, value any) {
		if v, on := o.fault(fault, ""); on {
			if v != "" {
				value = v
			}
			if c[claim] = value; value == nil {
				delete(c, claim)
			}
		}
	}
	set("wrong-iss", "iss", "https://other.example")
	set("wrong-aud", "aud", "another-client")
	set("missing-aud", "aud", nil)
	if o.faulty("extra-aud") {
		c["aud"] = []any{c["aud"], "another-client"}
		c["azp"] = c["aud"].([]any)[0] //nolint:errcheck // made one line above
	}
	set("wrong-azp", "azp", "another-client")
	set("wrong-nonce", "nonce", random(24))
	set("no-nonce", "nonce", nil)
	set("wrong-at-hash", "at_hash", random(16))
	set("no-at-hash", "at_hash", nil)
	set("expired", "exp", now.Add(-time.Hour).Unix())
	set("missing-exp", "exp", nil)
	set("future-iat", "iat", now.Add(time.Hour).Unix())
	set("old-iat", "iat", now.Add(-2*time.Hour).Unix())
	set("missing-iat", "iat", nil)
	set("future-nbf", "nbf", now.Add(time.Hour).Unix())
	set("missing-sub", "sub", nil)
	set("empty-sub", "sub", "")
	set("long-sub", "sub", strings.Repeat("s", 300))
	set("wrong-acr", "acr", "urn:nobody:asked")
	set("no-auth-time", "auth_time", nil)
	set("stale-auth-time", "auth_time", now.Add(-24*time.Hour).Unix())
}

// rawFaults changes the payload's bytes into what no encoder would write.
func (o *OP) rawFaults(payload []byte) []byte {
	add := func(member string) {
		payload = slices.Concat(bytes.TrimSuffix(payload, []byte("}")), []byte(","+member+"}"))
	}
	if o.faulty("dup-claim") {
		add(`"sub":"administrator"`)
	}
	if name, on := o.fault("folded-claim", "SUB"); on {
		add(`"` + name + `":"administrator"`)
	}
	if o.faulty("dup-nested") {
		add(`"address":{"country":"a","country":"b"}`)
	}
	if o.faulty("deep-claims") {
		add(`"deep":` + strings.Repeat("[", 40) + strings.Repeat("]", 40))
	}
	return payload
}

// signFaulty signs payload, or does what a named fault does instead.
func (o *OP) signFaulty(client Client, payload []byte) (string, error) {
	header := map[string]any{"typ": "JWT"}
	if typ, on := o.fault("logout-token-as-id-token", "JWT"); on {
		header["typ"] = typ
	}
	if o.faulty("kid-absent") {
		header["kid"] = nil
	}
	if kid, on := o.fault("unknown-kid", random(9)); on {
		header["kid"] = kid
	}
	switch {
	case o.faulty("alg-none"):
		return o.MintRaw(payload, "none", header)
	case o.faulty("hs256-oct-jwks"):
		return o.MintRaw(payload, "HS256", header)
	case o.faulty("alg-hs256"):
		header["alg"] = "HS256"
		return serialise(header, payload, hs256([]byte(client.Secret)))
	default:
		return o.MintRaw(payload, o.opts.Alg, header)
	}
}

// formFaults changes how the finished token is written down.
func (o *OP) formFaults(token string) string {
	parts := strings.Split(token, ".")
	if o.faulty("invalid-sig") {
		flipped := []byte(parts[2])
		if flipped[4] == 'A' {
			flipped[4] = 'B'
		} else {
			flipped[4] = 'A'
		}
		return parts[0] + "." + parts[1] + "." + string(flipped)
	}
	if o.faulty("json-serialised") {
		return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2])
	}
	if o.faulty("encrypted") {
		return token + "." + parts[2] + "." + parts[2]
	}
	if o.faulty("padded-jws") {
		return parts[0] + ".\n" + parts[1] + "." + parts[2]
	}
	return token
}
