package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/oidc"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// connectionKeys are the words of one declared connection before they mean anything together.
type connectionKeys struct {
	known    known
	protocol string
	enabled  bool
	auth     string
	set      overrides
	saml     samlKeys
}

// overrides is what an admin may say beside the preset. Zero leaves the preset's own.
type overrides struct {
	clientID   string
	clientAuth idp.ClientAuth
	scopes     []string
	claims     idp.ClaimNames
	shared     *bool
	userInfo   *bool
	prompt     string
	acrValues  []string
	audiences  []string
	extra      map[string]string
}

func (o overrides) apply(s *idp.OIDCSettings) {
	s.ClientID = o.clientID
	if o.clientAuth != "" {
		s.ClientAuth = o.clientAuth
	}
	if o.scopes != nil {
		s.Scopes = o.scopes
	}
	for to, name := range map[*string]string{
		&s.Claims.UserName: o.claims.UserName, &s.Claims.Email: o.claims.Email,
		&s.Claims.DisplayName: o.claims.DisplayName, &s.Claims.Groups: o.claims.Groups, &s.Prompt: o.prompt,
	} {
		if name != "" {
			*to = name
		}
	}
	if o.shared != nil {
		s.SharedCallback = *o.shared
	}
	if o.userInfo != nil {
		s.UserInfo = *o.userInfo
	}
	if o.acrValues != nil {
		s.ACRValues = o.acrValues
	}
	if o.audiences != nil {
		s.Audiences = o.audiences
	}
	for k, v := range o.extra {
		if s.Extra == nil {
			s.Extra = map[string]string{}
		}
		s.Extra[k] = v
	}
}

func (c *Config) readConnection(r *reader, path string, n ast.Node, taken claimed) ConnectionConfig {
	cc := ConnectionConfig{path: path, line: n.GetToken().Position.Line}
	k := connectionKeys{protocol: string(idp.OIDC), enabled: true}
	conn := &cc.Connection
	common := fields{
		"id": func(path string, n ast.Node) {
			if id, ok := r.id(path, n); ok {
				taken.claim(r, path, n, "connection", id)
				conn.ID = tenant.ConnectionID(id)
			}
		},
		"name":       r.str(&conn.Name),
		"enabled":    r.flag(&k.enabled),
		"protocol":   r.oneOf(&k.protocol, string(idp.OIDC), string(idp.SAML)),
		"provider":   r.oneOf((*string)(&k.known.Provider), samlProviders()...),
		"join":       r.oneOf((*string)(&conn.Join), joins()...),
		"join_claim": r.str(&conn.JoinClaim),
	}
	ofOIDC, ofSAML := r.oidcFields(c.Folder, &cc, &k), r.samlFields(c.Folder, &k.saml)
	all := maps.Clone(common)
	maps.Copy(all, ofOIDC)
	maps.Copy(all, ofSAML)
	r.mapping(path, n, all)
	conn.Protocol, conn.Provider = idp.Protocol(k.protocol), k.known.Provider
	conn.Enabled, conn.Declared = k.enabled, true
	k.set.clientAuth = idp.ClientAuth(k.auth)
	if conn.ID == "" {
		r.missing(path, n, "id", "id: acme-okta")
	}
	if conn.JoinClaim != "" && conn.Join != idp.JoinExternalID {
		r.problem(n, "write join: external_id beside it, or remove join_claim", "%s: join_claim is for join external_id", path)
	}
	switch conn.Protocol {
	case idp.SAML:
		r.foreign(path, ofOIDC, idp.OIDC, "saml")
		r.completeSAML(path, n, &cc, k.saml)
	case idp.OIDC:
		r.foreign(path, ofSAML, idp.SAML, "oidc")
		r.complete(path, n, &cc, k)
	}
	if conn.Name == "" {
		conn.Name = defaultName(conn.Provider)
	}
	return cc
}

// foreign reports keys that another protocol's connections have: they are settings that somebody believes in force.
func (r *reader) foreign(path string, theirs fields, protocol idp.Protocol, this string) {
	for _, key := range slices.Sorted(maps.Keys(theirs)) {
		if line := r.lines[join(path, key)]; line > 0 {
			r.found = append(r.found, problem{
				File: r.file, Line: line, Message: fmt.Sprintf("%s: not a key of protocol %s", join(path, key), this),
				Hint: fmt.Sprintf("remove it, or write protocol: %s", protocol),
			})
		}
	}
}

// oidcFields are the keys of an OpenID Connect connection.
func (r *reader) oidcFields(folder string, cc *ConnectionConfig, k *connectionKeys) fields {
	return fields{
		"domain":        r.str(&k.known.Domain),
		"tenant_id":     r.str(&k.known.TenantID),
		"issuer":        r.str(&k.known.Issuer),
		"client_id":     r.str(&k.set.clientID),
		"client_secret": r.secret(folder, &cc.Secret),
		"client_auth":   r.oneOf(&k.auth, string(idp.AuthBasic), string(idp.AuthPost), string(idp.AuthNone)),
		"scopes":        r.strs(&k.set.scopes),
		"claims": func(path string, n ast.Node) {
			names := &k.set.claims
			r.mapping(path, n, fields{
				"user_name": r.str(&names.UserName), "email": r.str(&names.Email),
				"display_name": r.str(&names.DisplayName), "groups": r.str(&names.Groups),
			})
		},
		"shared_callback": func(path string, n ast.Node) { r.flag(at(&k.set.shared))(path, n) },
		"userinfo":        func(path string, n ast.Node) { r.flag(at(&k.set.userInfo))(path, n) },
		"prompt":          r.oneOf(&k.set.prompt, "login", "select_account", "consent"),
		"acr_values":      r.strs(&k.set.acrValues),
		"audiences":       r.strs(&k.set.audiences),
		"max_age":         r.maxAge(&cc.Connection),
		"extra":           r.words(&k.set.extra),
	}
}

// at makes room for a value that may be absent.
func at[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// complete turns what the admin knows into settings and reports what is missing.
func (r *reader) complete(path string, n ast.Node, cc *ConnectionConfig, k connectionKeys) {
	conn := &cc.Connection
	if k.set.clientID == "" {
		r.missing(path, n, "client_id", "client_id: the one your identity provider shows")
	}
	if k.known.Provider == "" {
		r.missing(path, n, "provider", "provider: "+strings.Join(providers(), ", "))
		return
	}
	if k.known.Provider == idp.ADFS {
		r.problem(n, "write protocol: saml, or provider: generic with the issuer", "%s: provider adfs is for protocol saml", path)
		return
	}
	settings, err := k.known.settings()
	if err != nil {
		r.problem(n, err.Hint, "%s: %s", path, err.Message)
		return
	}
	settings.MaxAge = conn.Settings.MaxAge
	k.set.apply(&settings)
	conn.Settings = settings
	if conn.Provider == idp.Google && settings.Extra["hd"] == "" {
		r.problem(n, "leave hd out of extra: domain says it", "%s.extra: an empty hd would let in every Google account", path)
	}
	switch none := settings.ClientAuth == idp.AuthNone; {
	case none && cc.Secret.set():
		r.problem(n, "remove client_secret or client_auth", "%s: client_auth none goes without a client_secret", path)
	case !none && !cc.Secret.set():
		r.missing(path, n, "client_secret", "client_secret: {file: PATH} or {env: NAME}")
	}
	r.validate(path, n, settings)
}

// validate looks at settings as a whole. The client secret is read when the gate starts, so one stands in for it.
func (r *reader) validate(path string, n ast.Node, s idp.OIDCSettings) {
	if s.ClientAuth != idp.AuthNone {
		s.ClientSecret = secret.New("read later")
	}
	for _, p := range oidc.Validate(s) {
		if p.Field != "client_id" || s.ClientID != "" { // a missing one is reported already
			r.problem(n, p.Hint, "%s.%s: %s", path, p.Field, p.Text)
		}
	}
}

// defaultName is what the sign-in page calls a provider.
func defaultName(p idp.Provider) string {
	switch p {
	case idp.Okta:
		return "Okta"
	case idp.Auth0:
		return "Auth0"
	case idp.Entra:
		return "Microsoft Entra ID"
	case idp.Google:
		return "Google"
	case idp.Keycloak:
		return "Keycloak"
	case idp.ADFS:
		return "AD FS"
	case idp.Generic:
		return "Single sign-on"
	default:
		return string(p)
	}
}

func (r *reader) maxAge(conn *idp.Connection) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		r.duration(at(&conn.Settings.MaxAge), 0, maxMaxAge)(path, n)
	}
}

// words makes a reader of a mapping from any key to text.
func (r *reader) words(to *map[string]string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		m, ok := n.(*ast.MappingNode)
		if !ok {
			r.problem(n, "write it as {name: value}", "%s: want keys and values", path)
			return
		}
		known := fields{}
		for _, v := range m.Values {
			key := v.Key.GetToken().Value
			known[key] = func(path string, n ast.Node) {
				s, ok := r.text(path, n)
				if !ok {
					return
				}
				if *to == nil {
					*to = map[string]string{}
				}
				(*to)[key] = s
			}
		}
		r.mapping(path, n, known)
	}
}

// joins are how the people of a connection meet those whom SCIM made.
func joins() []string {
	return []string{string(idp.JoinExternalID), string(idp.JoinUserName), string(idp.JoinNone)}
}

// providers are those with a preset for OpenID Connect.
func providers() []string {
	return []string{
		string(idp.Okta), string(idp.Auth0), string(idp.Entra), string(idp.Google), string(idp.Keycloak), string(idp.Generic),
	}
}

// samlProviders are those with a preset for SAML.
func samlProviders() []string {
	return []string{
		string(idp.Okta), string(idp.Auth0), string(idp.Entra), string(idp.ADFS), string(idp.Google), string(idp.Keycloak), string(idp.Generic),
	}
}
