package store

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// Bounds of a connection's settings. Connectors keep far below them.
const (
	maxSettings = 512 << 10
	maxIdPKeys  = 64
	maxSPKeys   = 4
	maxText     = 2048
)

// prepareSAML refuses settings that would come back as others than they were, or that no program knows. Whether a
// provider can be spoken to with them is the connector's question.
func prepareSAML(s idp.SAMLSettings) (idp.SAMLSettings, error) {
	s = stored(s)
	for _, text := range slices.Concat(s.RequestedACR, names(s.Attributes), []string{
		s.MetadataURL, s.NameIDFormat, s.SubjectFrom, s.IdP.EntityID, s.IdP.FetchError,
		s.IdP.Endpoints.SSOURL, s.IdP.Endpoints.SLOURL, s.IdP.Endpoints.SLOResponseURL,
		s.IdP.Pending.SSOURL, s.IdP.Pending.SLOURL, s.IdP.Pending.SLOResponseURL,
	}) {
		if !storable(text) || len(text) > maxText {
			return s, fmt.Errorf("a setting is not readable text of at most %d bytes", maxText)
		}
	}
	if err := knownChoices(s); err != nil {
		return s, err
	}
	if err := checkIdPKeys(s.IdP.Keys); err != nil {
		return s, err
	}
	if err := checkSPKeys(s.SPKeys); err != nil {
		return s, err
	}
	text, err := encodeSAML(s)
	if err == nil && len(text) > maxSettings {
		err = fmt.Errorf("%d bytes of settings, at most %d", len(text), maxSettings)
	}
	return s, err
}

func names(a idp.SAMLAttributes) []string {
	return slices.Concat(a.UserName, a.Email, a.GivenName, a.FamilyName, a.DisplayName, a.Groups)
}

// one reports a value that is not among those of its kind.
func one[T ~string](what string, v T, of ...T) error {
	if slices.Contains(of, v) {
		return nil
	}
	return fmt.Errorf("%s %.20q is not known", what, v)
}

func knownChoices(s idp.SAMLSettings) error {
	bindings := []idp.SAMLBinding{"", idp.BindingRedirect, idp.BindingPOST}
	return errors.Join(
		one("key rollover", s.KeyRollover, idp.RolloverSigned, idp.RolloverAuto),
		one("choice of signed requests", s.SignRequests, idp.SignAuto, idp.SignAlways, idp.SignNever),
		one("choice of wanted signatures", s.WantSigned, idp.SignedEither, idp.SignedAssertion, idp.SignedResponse, idp.SignedBoth),
		one("certificate expiry", s.CertExpiry, idp.ExpiryAlarm, idp.ExpiryStrict),
		one("IdP-initiated mode", s.IdPInitiated, idp.InitiatedOff, idp.InitiatedBounce),
		one("binding", s.IdP.Endpoints.SSOBinding, bindings...), one("binding", s.IdP.Endpoints.SLOBinding, bindings...),
		one("binding", s.IdP.Pending.SSOBinding, bindings...), one("binding", s.IdP.Pending.SLOBinding, bindings...),
	)
}

// checkIdPKeys holds each certificate to its fingerprint: what an admin compared is what is used.
func checkIdPKeys(keys []idp.SAMLKey) error {
	if len(keys) > maxIdPKeys {
		return fmt.Errorf("%d keys of the provider, at most %d", len(keys), maxIdPKeys)
	}
	seen := map[string]bool{}
	for _, k := range keys {
		sum := sha256.Sum256(k.Certificate)
		switch {
		case len(k.Certificate) == 0 || hex.EncodeToString(sum[:]) != k.SHA256:
			return errors.New("a certificate of the provider has another fingerprint")
		case seen[k.SHA256]:
			return errors.New("a certificate of the provider stands there twice")
		case !storable(k.Source) || len(k.Source) > maxText:
			return errors.New("source of a key is not readable text")
		}
		seen[k.SHA256] = true
		if err := one("state of a key", k.State, idp.KeyActive, idp.KeyPending, idp.KeyRetired); err != nil {
			return err
		}
	}
	return nil
}

// checkSPKeys allows two keys of each use: while they change, the one in use and the next, then the one in use and the
// old, which still decrypts.
func checkSPKeys(keys []idp.SAMLSPKey) error {
	if len(keys) > maxSPKeys {
		return fmt.Errorf("%d own keys, at most %d", len(keys), maxSPKeys)
	}
	all, next := map[string]int{}, map[string]int{}
	for _, k := range keys {
		if err := one("use of an own key", k.Use, idp.UseSigning, idp.UseEncryption); err != nil {
			return err
		}
		all[k.Use]++
		if k.Next {
			next[k.Use]++
		}
		if all[k.Use] > 2 || next[k.Use] > 1 {
			return fmt.Errorf("%d own keys for %s, %d of them next: at most two, one of them next", all[k.Use], k.Use, next[k.Use])
		}
		if k.Key.Empty() || len(k.Certificate) == 0 {
			return errors.New("an own key is without its private key or certificate")
		}
	}
	return nil
}

// stored is s as it comes back: instants in UTC, an empty list as none. Its lists are its own.
func stored(s idp.SAMLSettings) idp.SAMLSettings {
	utc := func(t time.Time) time.Time {
		if t.IsZero() {
			return time.Time{}
		}
		return t.UTC().Round(0)
	}
	s.AllowSHA1 = utc(s.AllowSHA1)
	s.IdP.ValidUntil, s.IdP.Fetched, s.IdP.FetchAttempted = utc(s.IdP.ValidUntil), utc(s.IdP.Fetched), utc(s.IdP.FetchAttempted)
	s.IdP.Keys = some(s.IdP.Keys)
	for i := range s.IdP.Keys {
		s.IdP.Keys[i].FirstSeen = utc(s.IdP.Keys[i].FirstSeen)
	}
	s.SPKeys = some(s.SPKeys)
	for i := range s.SPKeys {
		s.SPKeys[i].Created = utc(s.SPKeys[i].Created)
	}
	s.RequestedACR = some(s.RequestedACR)
	a := &s.Attributes
	for _, list := range []*[]string{&a.UserName, &a.Email, &a.GivenName, &a.FamilyName, &a.DisplayName, &a.Groups} {
		*list = some(*list)
	}
	return s
}

// some copies a list; an empty one becomes none.
func some[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}
