package oidc

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
	"github.com/tracio-ai/ssogate/idp/secret"
)

const (
	maxGroups = 2000
	maxClaims = 32 << 10 // of what is kept, as JSON
)

// protocolClaims are about the token, not the person. _claim_sources may carry an access token.
var protocolClaims = []string{"iss", "aud", "exp", "iat", "nbf", "nonce", "azp", "at_hash", "c_hash", "jti", "sid", "_claim_names", "_claim_sources"}

// held are the claims of the ID token and, where asked for, of userinfo, with the ID token's in front.
type held struct {
	token jwt.Claims
	more  jwt.Claims
}

// from returns where a claim is to be read: one source for each name.
func (h held) from(name string) jwt.Claims {
	if h.token.Has(name) {
		return h.token
	}
	return h.more
}

// text reads a claim for people; one of another type counts as absent, for it decides nothing.
func (h held) text(name string) string {
	v, err := h.from(name).String(name)
	if err != nil {
		return ""
	}
	return v
}

// names fills in the standard claims where the connection names none (OpenID Connect Core §5.1).
func names(n idp.ClaimNames) idp.ClaimNames {
	n.UserName = firstOf(n.UserName, "preferred_username")
	n.Email = firstOf(n.Email, "email")
	n.DisplayName = firstOf(n.DisplayName, "name")
	return n
}

// identity reduces verified claims to what the gate keeps.
func identity(conn idp.Connection, h held, raw string) (idp.Identity, error) {
	n := names(conn.Settings.Claims)
	id := idp.Identity{
		Tenant: conn.Tenant, Connection: conn.ID, Issuer: conn.Settings.Issuer,
		Email: h.text(n.Email), DisplayName: h.text(n.DisplayName), SID: tokenText(h, "sid"), ACR: tokenText(h, "acr"),
		IDToken: secret.New(raw),
	}
	id.Subject = tokenText(h, "sub")
	id.EmailVerified = emailVerified(h.from(n.Email))
	id.UserName = userName(conn, assertedName(n, h), id)
	id.Joins = joins(conn, n, h)
	at, err := h.token.Time("auth_time")
	if err != nil {
		return idp.Identity{}, wrapped(idp.CodeTime, clockHint, fmt.Errorf("read identity: %w", err))
	}
	id.AuthTime = at
	if id.AMR, err = h.token.Strings("amr"); err != nil {
		id.AMR = nil // a list elsewhere in the shape of an object: no statement about methods
	}
	if id.GroupState, id.Groups, err = groups(conn, h); err != nil {
		return idp.Identity{}, err
	}
	id.Claims, err = keptClaims(n, h)
	return id, err
}

// tokenText reads what only the ID token may say.
func tokenText(h held, name string) string {
	v, err := h.token.String(name)
	if err != nil {
		return ""
	}
	return v
}

// emailVerified reads the claim beside the address it speaks of: userinfo may know another one.
func emailVerified(c jwt.Claims) bool {
	v, err := c.Bool("email_verified")
	return err == nil && v
}

// assertedName reads the user name, unless it is an address the provider says is unproven: a user name can join a
// person to an account, and anybody can sign up with anybody's address.
func assertedName(n idp.ClaimNames, h held) string {
	source := h.from(n.Email)
	if n.UserName == n.Email && source.Has("email_verified") && !emailVerified(source) {
		return ""
	}
	return h.text(n.UserName)
}

// userName is the name a person created at sign-in gets: theirs, else a proven address, else one nobody else has.
func userName(conn idp.Connection, asserted string, id idp.Identity) string {
	switch {
	case asserted != "":
		return asserted
	case id.EmailVerified && id.Email != "":
		return id.Email
	default:
		return id.Subject + "@" + string(conn.ID)
	}
}

// joins reads what can meet a provisioned person. Okta provisions its subject as externalId; Entra's subject is another
// one for each application, so there it is the object id, and the name provisioned is the upn.
func joins(conn idp.Connection, n idp.ClaimNames, h held) idp.Joins {
	j := idp.Joins{UserName: assertedName(n, h), Address: n.UserName == n.Email}
	external := conn.JoinClaim
	switch {
	case external != "":
	case conn.Provider == idp.Okta:
		external = "sub"
	case conn.Provider == idp.Entra:
		external = "oid"
	}
	if external != "" { // sub and oid stand in every ID token, and that is asked first
		j.ExternalID = h.text(external)
	}
	if upn := tokenText(h, "upn"); upn != "" && conn.Provider == idp.Entra && conn.Settings.Claims.UserName == "" {
		j.UserName = upn
	}
	return j
}

// groups tells the three states apart: listed, none, and cut off or withheld.
func groups(conn idp.Connection, h held) (idp.GroupState, []string, error) {
	name := conn.Settings.Claims.Groups
	if name == "" {
		return idp.GroupsNone, nil, nil
	}
	list, err := h.from(name).Strings(name)
	switch {
	case err != nil:
		return idp.GroupsUnknown, nil, wrapped(idp.CodeClaims, "The groups claim must be a list of texts. Correct its mapping at the identity provider.",
			fmt.Errorf("read groups: %w", err))
	case overage(h, name), len(list) > maxGroups, conn.Provider == idp.Okta && len(list) >= oktaGroupCap:
		return idp.GroupsUnknown, nil, nil
	case len(list) == 0:
		return idp.GroupsNone, nil, nil
	default:
		return idp.GroupsListed, list, nil
	}
}

// overage finds the marks of a list that was left out: Entra ID puts a link in its place (_claim_names), or says
// hasgroups. The link is never followed: it stands in a document the other side writes. A mark for another claim than
// the mapped one does not matter: who maps app roles is not stopped by too many groups.
func overage(h held, name string) bool {
	for _, c := range []jwt.Claims{h.token, h.more} {
		sources, _ := c.Raw()["_claim_names"].(map[string]any)
		_, linked := sources[name]
		withheld := name == "groups" && c.Has("hasgroups") && c.Raw()["hasgroups"] != false
		if linked || withheld {
			return true
		}
	}
	return false
}

// keptClaims are what role mappings and policy may look at. The groups go first when they do not fit, since the
// identity holds them already; then everything but the mapped claims.
func keptClaims(n idp.ClaimNames, h held) (map[string]any, error) {
	kept := map[string]any{}
	maps.Copy(kept, h.more.Raw())
	maps.Copy(kept, h.token.Raw())
	for _, name := range protocolClaims {
		delete(kept, name)
	}
	fits, err := fit(kept)
	if err != nil || fits {
		return kept, err
	}
	delete(kept, n.Groups)
	fits, err = fit(kept)
	if err != nil || fits {
		return kept, err
	}
	maps.DeleteFunc(kept, func(name string, _ any) bool {
		return !slices.Contains([]string{"sub", n.UserName, n.Email, n.DisplayName}, name)
	})
	fits, err = fit(kept)
	if err == nil && !fits {
		err = fault(idp.CodeClaims, "The claims of this person are too long. Send fewer of them.", "read identity: claims are larger than 32 KiB")
	}
	return kept, err
}

func fit(claims map[string]any) (bool, error) {
	b, err := json.Marshal(claims)
	if err != nil {
		return false, fmt.Errorf("measure claims: %w", err)
	}
	return len(b) <= maxClaims, nil
}
