package saml

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tracio-ai/ssogate/idp"
)

// The bounds of what an admin may set.
const (
	maxEntityID   = 1024 // SAML 2.0 Core §8.3.6
	maxWord       = 256  // bytes of an attribute's name or a class
	maxNames      = 16   // names for one target
	maxRequested  = 16
	maxSPKeys     = 6 // two slots of each use, and what was just replaced
	maxStoredKeys = 2 * maxKeys
	maxURL        = 2048
	maxSHA1       = 180 * 24 * time.Hour
)

// Problem is one thing wrong with settings: the field as the configuration file spells it, and what to do.
type Problem struct {
	Field string
	Text  string
	Hint  string
}

// Error implements error.
func (p Problem) Error() string { return p.Field + ": " + p.Text }

// problems collects them.
type problems []Problem

func (p *problems) add(field, text, hint string) { *p = append(*p, Problem{field, text, hint}) }

// Validate looks at settings without asking the provider. No problem means that Begin can work with them, or that it
// will be able to once the metadata has been fetched. insecure lets http be spoken to this machine.
//
// How long AllowSHA1 may lie ahead depends on the day it is set, so that is ValidateSHA1's.
func Validate(s idp.SAMLSettings, insecure bool) []Problem {
	var out problems
	out.source(s, insecure)
	out.endpoints("", s.IdP.Endpoints, insecure)
	out.endpoints("pending ", s.IdP.Pending, insecure)
	out.keys(s)
	out.choices(s)
	out.names(s)
	return out
}

// ValidateSHA1 looks at the day until which SHA-1 signatures pass, when it is set. It is meant for the weeks a provider
// needs to change its algorithm.
func ValidateSHA1(until, now time.Time) []Problem {
	if until.IsZero() || !until.After(now.Add(maxSHA1)) {
		return nil
	}
	return []Problem{{"allow_sha1_until", "is more than 180 days ahead", "give a nearer day, and have the provider sign with RSA-SHA256 until then"}}
}

// source wants to know who the provider is: from its metadata, or from what was entered.
func (p *problems) source(s idp.SAMLSettings, insecure bool) {
	fetched := s.MetadataURL != ""
	if fetched {
		if err := checkURL(s.MetadataURL, insecure); err != nil {
			p.add("metadata_url", err.Error(), "copy the address of the provider's metadata, or upload the file")
		}
	}
	if s.IdP.EntityID == "" {
		if !fetched {
			p.add("entity_id", "missing", "give the provider's metadata, or its entity ID (issuer)")
		}
	} else if err := checkText(s.IdP.EntityID, maxEntityID); err != nil {
		p.add("entity_id", err.Error(), "copy the entity ID (issuer) from the provider's metadata")
	}
	known := len(s.IdP.Keys) > 0 || s.IdP.Endpoints != (idp.SAMLEndpoints{})
	if fetched && !known {
		return // nothing was read yet
	}
	if s.IdP.Endpoints.SSOURL == "" {
		p.add("sso_url", "missing", "give the provider's metadata, or its sign-on URL")
	}
	if !slices.ContainsFunc(s.IdP.Keys, func(k idp.SAMLKey) bool { return k.State == idp.KeyActive }) {
		p.add("certificates", "none is active", "give the provider's metadata or its signing certificate, or confirm the one that waits")
	}
}

func (p *problems) endpoints(which string, e idp.SAMLEndpoints, insecure bool) {
	p.endpoint(which+"sso_url", e.SSOURL, insecure)
	p.endpoint(which+"slo_url", e.SLOURL, insecure)
	p.endpoint(which+"slo_response_url", e.SLOResponseURL, insecure)
	if e.SSOURL != "" && !known(e.SSOBinding, idp.BindingRedirect, idp.BindingPOST) {
		p.add(which+"sso_binding", "is neither redirect nor post", "choose one of them")
	}
	if e.SLOURL != "" && !known(e.SLOBinding, idp.BindingRedirect, idp.BindingPOST) {
		p.add(which+"slo_binding", "is neither redirect nor post", "choose one of them")
	}
	if e.SLOResponseURL != "" && e.SLOURL == "" {
		p.add(which+"slo_response_url", "stands without a slo_url", "give both, or neither")
	}
}

func (p *problems) endpoint(field, address string, insecure bool) {
	if address == "" {
		return
	}
	if err := checkURL(address, insecure); err != nil {
		p.add(field, err.Error(), "give the https address from the provider's metadata")
	}
}

func (p *problems) keys(s idp.SAMLSettings) {
	if len(s.IdP.Keys) > maxStoredKeys {
		p.add("certificates", "too many", fmt.Sprintf("keep at most %d", maxStoredKeys))
	}
	for _, k := range s.IdP.Keys {
		if _, err := parseKey(k.Certificate); err != nil {
			p.add("certificates", fmt.Sprintf("%s: %v", short(fingerprint(k.Certificate)), err), "upload a certificate with an RSA key of 2048 bits or more, or one on a NIST curve")
		} else if k.SHA256 != fingerprint(k.Certificate) {
			p.add("certificates", "a fingerprint is another certificate's", "upload the certificate again")
		}
		if !known(k.State, idp.KeyActive, idp.KeyPending, idp.KeyRetired) {
			p.add("certificates", "a certificate's state is not known", "upload the certificate again")
		}
	}
	if len(s.SPKeys) > maxSPKeys {
		p.add("sp_keys", "too many", "drop the old ones")
	}
	for _, k := range s.SPKeys {
		if _, err := parseSPKey(k); err != nil || k.Use != idp.UseSigning && k.Use != idp.UseEncryption {
			p.add("sp_keys", "a key cannot be used", "make new keys")
		}
	}
}

func (p *problems) choices(s idp.SAMLSettings) {
	if !known(s.KeyRollover, idp.RolloverSigned, idp.RolloverAuto) {
		p.add("key_rollover", "is not known", "choose auto, or leave it out")
	}
	if !known(s.SignRequests, idp.SignAuto, idp.SignAlways, idp.SignNever) {
		p.add("sign_requests", "is not known", "choose always or never, or leave it out")
	}
	if !known(s.WantSigned, idp.SignedEither, idp.SignedAssertion, idp.SignedResponse, idp.SignedBoth) {
		p.add("want_signed", "is not known", "choose assertion, response or both, or leave it out")
	}
	if !known(s.CertExpiry, idp.ExpiryAlarm, idp.ExpiryStrict) {
		p.add("cert_expiry", "is not known", "choose strict, or leave it out")
	}
	if !known(s.IdPInitiated, idp.InitiatedOff, idp.InitiatedBounce) {
		p.add("idp_initiated", "is not known", "choose bounce, or leave it out")
	}
}

// names checks what is compared with the provider's words, or sent to it.
func (p *problems) names(s idp.SAMLSettings) {
	if s.NameIDFormat != "" {
		p.text("nameid_format", s.NameIDFormat)
	}
	if s.SubjectFrom != "" {
		p.text("subject_from", s.SubjectFrom)
	}
	if s.NameIDFormat == idp.NameIDTransient && s.SubjectFrom == "" {
		p.add("nameid_format", "transient names are others at every sign-in", "name the attribute that identifies a person in subject_from, or ask for persistent")
	}
	if len(s.RequestedACR) > maxRequested {
		p.add("requested_acr", "too many", fmt.Sprintf("give at most %d", maxRequested))
	}
	for _, class := range s.RequestedACR {
		p.text("requested_acr", class)
	}
	a := s.Attributes
	for _, target := range []struct {
		field string
		names []string
	}{
		{"user_name", a.UserName},
		{"email", a.Email},
		{"given_name", a.GivenName},
		{"family_name", a.FamilyName},
		{"display_name", a.DisplayName},
		{"groups", a.Groups},
	} {
		if len(target.names) > maxNames {
			p.add("attributes."+target.field, "too many names", fmt.Sprintf("give at most %d", maxNames))
		}
		for _, name := range target.names {
			p.text("attributes."+target.field, name)
		}
	}
}

func (p *problems) text(field, text string) {
	if err := checkText(text, maxWord); err != nil {
		p.add(field, err.Error(), "copy it from the provider as it is, without spaces around it")
	}
}

func known[T comparable](value T, choices ...T) bool { return slices.Contains(choices, value) }

// checkText wants text that is the same before and after XML and trimming, or comparing it would not be exact.
func checkText(text string, limit int) error {
	switch {
	case text == "":
		return errors.New("is empty")
	case len(text) > limit:
		return fmt.Errorf("is longer than %d bytes", limit)
	case !utf8.ValidString(text), strings.ContainsFunc(text, unicode.IsControl), strings.ContainsAny(text, "\ufffd\ufffe\uffff"):
		return errors.New("contains control characters or is not text")
	case strings.TrimSpace(text) != text:
		return errors.New("begins or ends with a space")
	}
	return nil
}

// checkURL wants an absolute https address that brings no SAML parameter of its own: with two SAMLRequests in one query
// the provider chooses which to believe. insecure lets http to this machine pass.
func checkURL(address string, insecure bool) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return errors.New("missing")
	case len(address) > maxURL:
		return fmt.Errorf("is longer than %d bytes", maxURL)
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || strings.ContainsFunc(address, unprintable):
		return errors.New("is not an absolute URL")
	case u.User != nil:
		return errors.New("contains a user name")
	case strings.Contains(address, "#"):
		return errors.New("contains a fragment")
	case u.Scheme != "https" && u.Scheme != "http", u.Scheme == "http" && (!insecure || !loopback(u.Hostname())):
		return errors.New("is not https")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has a query that does not parse")
	}
	for name := range query {
		if protocolField(name) {
			return errors.New("has a SAML parameter in its query")
		}
	}
	return nil
}

// unprintable is what has no place in an address: what is not ASCII has to be escaped there.
func unprintable(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"<>\^{|}`+"`", r) }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
