package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// byNameID is the word for a subject that is the NameID, also where the preset takes an attribute.
const byNameID = "nameid"

// samlFlags are the settings of a SAML connection that an admin may choose, when it is made and later. What is not
// given stays as it is.
type samlFlags struct {
	SignRequests      *string  `name:"sign-requests" group:"saml" help:"SAML: sign requests auto (as the provider asks), always or never." placeholder:"WHEN"`
	WantSigned        *string  `name:"want-signed" group:"saml" help:"SAML: which signatures must be there: either, assertion, response or both." placeholder:"WHICH"`
	WantEncrypted     *bool    `name:"want-encrypted" negatable:"" group:"saml" help:"SAML: refuse assertions that are not encrypted."`
	AllowSHA1Until    *string  `name:"allow-sha1-until" group:"saml" help:"SAML: let SHA-1 signatures pass until this day, 180 days ahead at most; never takes it back." placeholder:"DATE"`
	CertExpiry        *string  `name:"cert-expiry" group:"saml" help:"SAML: what an expired certificate of the provider does: alarm or strict (refuse)." placeholder:"WHAT"`
	NameIDFormat      *string  `name:"nameid-format" group:"saml" help:"SAML: ask for, and require, this NameID format: persistent, email, transient, unspecified or a URI." placeholder:"FORMAT"`
	SubjectFrom       *string  `name:"subject-from" group:"saml" help:"SAML: the attribute that names a person for good, in place of the NameID; nameid goes back to it." placeholder:"NAME"`
	UserNameAttribute []string `name:"user-name-attribute" sep:"none" group:"saml" help:"SAML: attribute with the user name; repeat for more. Default: the provider's usual ones." placeholder:"NAME"`
	EmailAttribute    []string `name:"email-attribute" sep:"none" group:"saml" help:"SAML: attribute with the e-mail address; repeat for more." placeholder:"NAME"`
	GroupsAttribute   []string `name:"groups-attribute" sep:"none" group:"saml" help:"SAML: attribute with the groups; repeat for more." placeholder:"NAME"`
	IdPInitiated      *string  `name:"idp-initiated" group:"saml" help:"SAML: a response nobody asked for is refused (off), or a sign-in begins in its place (bounce)." placeholder:"WHAT"`
	ForceAuthn        *bool    `name:"force-authn" negatable:"" group:"saml" help:"SAML: people prove themselves to the provider at every sign-in."`
	RequestedACR      []string `name:"requested-acr" sep:"none" group:"saml" help:"SAML: authentication context to ask for and require; repeat for more." placeholder:"URI"`
	KeyRollover       *string  `name:"key-rollover" group:"saml" help:"SAML: a new key in fetched metadata counts when a known key signed it (signed), or because of TLS as well (auto)." placeholder:"WHAT"`
}

// given reports whether any of the flags was.
func (f samlFlags) given() bool {
	return f.SignRequests != nil || f.WantSigned != nil || f.WantEncrypted != nil || f.AllowSHA1Until != nil || f.CertExpiry != nil ||
		f.NameIDFormat != nil || f.SubjectFrom != nil || f.UserNameAttribute != nil || f.EmailAttribute != nil || f.GroupsAttribute != nil ||
		f.IdPInitiated != nil || f.ForceAuthn != nil || f.RequestedACR != nil || f.KeyRollover != nil
}

// apply changes settings as the flags say.
func (f samlFlags) apply(s *idp.SAMLSettings, now time.Time) error {
	for _, err := range []error{
		pick("--sign-requests", f.SignRequests, &s.SignRequests, signRequestsWords),
		pick("--want-signed", f.WantSigned, &s.WantSigned, wantSignedWords),
		pick("--cert-expiry", f.CertExpiry, &s.CertExpiry, certExpiryWords),
		pick("--idp-initiated", f.IdPInitiated, &s.IdPInitiated, idpInitiatedWords),
		pick("--key-rollover", f.KeyRollover, &s.KeyRollover, keyRolloverWords),
		f.sha1(s, now),
	} {
		if err != nil {
			return err
		}
	}
	set(&s.WantEncrypted, f.WantEncrypted)
	set(&s.ForceAuthn, f.ForceAuthn)
	if f.NameIDFormat != nil {
		uri, ok := nameIDFormat(*f.NameIDFormat)
		if !ok {
			return misused(formatHint, "--nameid-format %s is not a NameID format", quote(*f.NameIDFormat))
		}
		s.NameIDFormat = uri
	}
	set(&s.SubjectFrom, f.SubjectFrom)
	if s.SubjectFrom == byNameID {
		s.SubjectFrom = ""
	}
	for to, names := range map[*[]string][]string{
		&s.Attributes.UserName: f.UserNameAttribute, &s.Attributes.Email: f.EmailAttribute,
		&s.Attributes.Groups: f.GroupsAttribute, &s.RequestedACR: f.RequestedACR,
	} {
		if names != nil {
			*to = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
		}
	}
	return nil
}

func (f samlFlags) sha1(s *idp.SAMLSettings, now time.Time) error {
	if f.AllowSHA1Until == nil {
		return nil
	}
	if *f.AllowSHA1Until == "never" {
		s.AllowSHA1 = time.Time{}
		return nil
	}
	until, err := endOfDay(*f.AllowSHA1Until)
	if err != nil {
		return misused("write it as 2027-03-31, or never", "--allow-sha1-until %s is not a date", quote(*f.AllowSHA1Until))
	}
	if !until.After(now) {
		return misused("choose a day to come, or never", "--allow-sha1-until %s is over", *f.AllowSHA1Until)
	}
	if bad := saml.ValidateSHA1(until, now.Add(24*time.Hour)); len(bad) > 0 { // the last day counts whole
		return misused(bad[0].Hint, "--allow-sha1-until %s %s", *f.AllowSHA1Until, bad[0].Text)
	}
	s.AllowSHA1 = until
	return nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

// pick sets a choice from a flag.
func pick[T ~string](flag string, word *string, to *T, words []string) error {
	if word == nil {
		return nil
	}
	if !slices.Contains(words, *word) {
		return misused("choose "+strings.Join(words, " or "), "%s %s is not one of its values", flag, quote(*word))
	}
	*to = chosen[T](*word, words)
	return nil
}

// settled finds what is wrong with settings that are otherwise complete, in the words of the flags.
func settled(s idp.SAMLSettings, insecure bool) error {
	var found problems
	for _, p := range saml.Validate(s, insecure) {
		found = append(found, problem{Message: fmt.Sprintf("%s: %s", fieldWord(p.Field), p.Text), Hint: p.Hint})
	}
	return found.err()
}
