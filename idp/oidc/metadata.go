package oidc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/jwt"
)

const maxMetadata = 256 << 10

// metadata is what the gate reads of a discovery document (OpenID Connect Discovery 1.0 §3).
type metadata struct {
	Issuer        string
	Authorization string
	Token         string
	Keys          string
	UserInfo      string
	EndSession    string
	PAR           string
	RequirePAR    bool
	SendsIssuer   bool
	Algorithms    []string
	AuthMethods   []string
	Challenges    []string
}

// wellKnown is where an issuer publishes its metadata (Discovery §4).
func wellKnown(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

const metadataHint = "Open the issuer's /.well-known/openid-configuration in a browser: it must be the identity provider's discovery document."

// parseMetadata reads a document and holds it against the connection's issuer, byte for byte: the issuer is what
// tells one provider's people from another's.
func parseMetadata(issuer string, body []byte) (metadata, error) {
	doc, err := jwt.StrictClaims(body)
	if err != nil {
		return metadata{}, fault(idp.CodeMetadata, metadataHint, "read metadata: not a JSON object with one reading")
	}
	m, err := readMetadata(doc)
	if err != nil {
		return metadata{}, wrapped(idp.CodeMetadata, metadataHint, fmt.Errorf("read metadata: %w", err))
	}
	if m.Issuer != issuer {
		return metadata{}, fault(idp.CodeMetadata, issuerHint(issuer, m.Issuer), "read metadata: issuer is not the connection's")
	}
	if err := m.check(); err != nil {
		return metadata{}, wrapped(idp.CodeMetadata, metadataHint, fmt.Errorf("read metadata: %w", err))
	}
	return m, nil
}

func readMetadata(doc jwt.Claims) (metadata, error) {
	var m metadata
	var errs []error
	text := func(name string, to *string) {
		v, err := doc.String(name)
		*to, errs = v, append(errs, err)
	}
	list := func(name string, to *[]string) {
		v, err := doc.Strings(name)
		*to, errs = v, append(errs, err)
	}
	flag := func(name string, to *bool) {
		v, err := doc.Bool(name)
		*to, errs = v, append(errs, err)
	}
	text("issuer", &m.Issuer)
	text("authorization_endpoint", &m.Authorization)
	text("token_endpoint", &m.Token)
	text("jwks_uri", &m.Keys)
	text("userinfo_endpoint", &m.UserInfo)
	text("end_session_endpoint", &m.EndSession)
	text("pushed_authorization_request_endpoint", &m.PAR)
	flag("require_pushed_authorization_requests", &m.RequirePAR)
	flag("authorization_response_iss_parameter_supported", &m.SendsIssuer)
	list("id_token_signing_alg_values_supported", &m.Algorithms)
	list("token_endpoint_auth_methods_supported", &m.AuthMethods)
	list("code_challenge_methods_supported", &m.Challenges)
	return m, errors.Join(errs...)
}

// issuerHint guesses what the admin meant. It quotes the document only where it differs by a slash.
func issuerHint(want, got string) string {
	if got != "" && strings.TrimSuffix(want, "/") == strings.TrimSuffix(got, "/") {
		return fmt.Sprintf("The issuer differs by the slash at its end: did you mean %s?", got)
	}
	if strings.Contains(got, "{tenantid}") {
		return "Entra ID's common address signs in people of every company. Use your own directory: https://login.microsoftonline.com/{tenant id}/v2.0."
	}
	return "The document at this address names another issuer. Copy the issuer from the identity provider exactly, the path included."
}

// check refuses endpoints that a browser or the gate should not be sent to.
func (m metadata) check() error {
	for _, e := range []struct {
		name, address string
		required      bool
	}{
		{"authorization_endpoint", m.Authorization, true},
		{"token_endpoint", m.Token, true},
		{"jwks_uri", m.Keys, true},
		{"userinfo_endpoint", m.UserInfo, false},
		{"end_session_endpoint", m.EndSession, false},
		{"pushed_authorization_request_endpoint", m.PAR, m.RequirePAR},
	} {
		if e.address == "" && !e.required {
			continue
		}
		if err := checkURL(e.address); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := checkQuery(e.address); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// checkURL wants https, or http to this very machine, which the gate's client reaches with --insecure alone.
func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return errors.New("missing")
	case len(address) > 2048:
		return errors.New("longer than 2048 bytes")
	case err != nil || u.Host == "" || u.Opaque != "":
		return errors.New("not an absolute URL")
	case u.User != nil:
		return errors.New("contains a user name")
	case strings.Contains(address, "#"):
		return errors.New("contains a fragment")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	default:
		return errors.New("not https")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkQuery refuses an endpoint that brings protocol parameters of its own: with two client_ids in one request the
// provider chooses which to believe.
func checkQuery(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a URL")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("malformed query")
	}
	for name := range q {
		if isProtocolParam(name) || strings.EqualFold(name, "post_logout_redirect_uri") {
			return errors.New("query contains a protocol parameter")
		}
	}
	return nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
