package saml

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

const maxRetired = 8 // keys that are remembered to explain a refusal

// missesToRetire is how many fetches in a row must not list a key: one may have met a server that lags behind.
const missesToRetire = 2

// PendingEndpoints stands for the waiting addresses among the names that Confirm takes.
const PendingEndpoints = "endpoints"

// Report says what Merge made of a document.
type Report struct {
	SignedBy  string   // SHA-256 of the active certificate that vouches for the document; empty: none does
	Trusted   bool     // what is new counts at once
	Changed   bool     // something other than the times of fetching
	Activated []string // certificates, by SHA-256, that verify from now on
	Pending   []string // that wait for an admin since this document
	Retired   []string // that verify no longer
	Moved     bool     // addresses changed
	Waiting   bool     // addresses on another host wait for an admin since this document
	Warnings  []string // sentences for an admin
}

// Alarm reports whether an admin has to do something.
func (r Report) Alarm() bool { return len(r.Pending) > 0 || r.Waiting }

// Reason is for the audit row; empty when nothing changed that an admin would look for. It holds none of the provider's
// words.
func (r Report) Reason() string {
	var parts []string
	for _, p := range []struct {
		what string
		keys []string
	}{{"active", r.Activated}, {"pending", r.Pending}, {"retired", r.Retired}} {
		if len(p.keys) > 0 {
			parts = append(parts, fmt.Sprintf("certificate %s: %s", p.what, strings.Join(shorten(p.keys), " ")))
		}
	}
	if r.Moved {
		parts = append(parts, "endpoints changed")
	}
	if r.Waiting {
		parts = append(parts, "endpoints on another host wait")
	}
	if len(parts) == 0 && r.Changed {
		parts = append(parts, "settings changed")
	}
	if len(parts) == 0 {
		return ""
	}
	return "metadata: " + strings.Join(parts, "; ")
}

// Merge takes a freshly fetched document into what is known of a provider. A key or a host that is new counts at once
// only if a key that is active already has signed the document, or if the settings trust the address it was fetched from;
// otherwise it waits for an admin. The first document of all is taken as it is: there is nothing to compare it with.
//
// After an error next is have with the failure noted, to be saved like any other: what was good stays in use, also past
// its validUntil.
func Merge(have idp.SAMLIdP, document []byte, s idp.SAMLSettings, now time.Time) (next idp.SAMLIdP, rep Report, err error) {
	have.Keys = slices.Clone(have.Keys)
	fresh, warnings, by, err := readSigned(have, document, s, now)
	if err != nil {
		return FetchFailed(have, err, now), Report{}, err
	}
	rep = Report{SignedBy: by, Warnings: warnings}
	rep.Trusted = by != "" || s.KeyRollover == idp.RolloverAuto || len(have.Keys) == 0
	next = fresh
	next.Keys = rep.keys(have.Keys, fresh.Keys)
	next.Endpoints, next.Pending = rep.endpoints(have, fresh.Endpoints)
	next.Fetched, next.FetchAttempted = now.UTC(), now.UTC()
	rep.Changed = !sameIdP(have, next)
	return next, rep, nil
}

// FetchFailed notes that a document could not be fetched or read. What is known stays.
func FetchFailed(have idp.SAMLIdP, err error, now time.Time) idp.SAMLIdP {
	have.FetchAttempted = now.UTC()
	have.FetchError = string(cmp.Or(idp.CodeOf(err), idp.CodeUnavailable))
	return have
}

// readSigned reads what an active key has signed if it can, and otherwise the document as it is; by says which.
func readSigned(have idp.SAMLIdP, document []byte, s idp.SAMLSettings, now time.Time) (fresh idp.SAMLIdP, warnings []string, by string, err error) {
	settings := s
	settings.IdP = have
	signed, by := signedMetadata(document, settings, now)
	if by != "" {
		document = signed
	}
	fresh, warnings, err = ParseMetadata(document, have.EntityID, now)
	if err == nil {
		err = sound(s.MetadataURL, &fresh.Endpoints, &warnings)
	}
	return fresh, warnings, by, err
}

// sound keeps addresses without TLS out, which no use of them would accept: what is known works better. Only metadata that
// itself came over http, and so from this machine, may name them. Signing out can be done without; signing in cannot.
func sound(from string, e *idp.SAMLEndpoints, warnings *[]string) error {
	insecure := strings.HasPrefix(from, "http://")
	if err := checkURL(e.SSOURL, insecure); err != nil {
		return unusable("no-sso", "The metadata names no https address to sign on at, by redirect or POST. "+metadataHint, fmt.Errorf("address to sign on at %w", err))
	}
	for _, address := range addresses(idp.SAMLEndpoints{SLOURL: e.SLOURL, SLOResponseURL: e.SLOResponseURL}) {
		if checkURL(address, insecure) != nil {
			e.SLOURL, e.SLOResponseURL, e.SLOBinding = "", "", ""
			*warnings = append(*warnings, noSLO)
		}
	}
	return nil
}

// signedMetadata returns the bytes of a document that an active key vouches for, and the key. A signature that does not
// verify is no fault: many providers sign metadata with another key than messages. It just vouches for nothing.
func signedMetadata(document []byte, s idp.SAMLSettings, now time.Time) (signed []byte, by string) {
	keys, err := activeKeys(s)
	if err != nil {
		return nil, ""
	}
	document = bytes.TrimPrefix(document, byteOrderMark)
	doc, err := xmlguard.Check(document, xmlguard.SignedMetadata, maxMetadata)
	if err != nil {
		return nil, ""
	}
	root, err := parse(doc.Bytes())
	if err != nil {
		return nil, ""
	}
	p, err := verifyElement(root, policyOf(idp.Connection{SAML: s}, keys, now))
	if err != nil {
		return nil, ""
	}
	return p.canonical, p.by.sha256
}

// keys merges what is known with what the document lists.
func (r *Report) keys(have, listed []idp.SAMLKey) []idp.SAMLKey {
	var out []idp.SAMLKey
	for _, k := range listed {
		if i := slices.IndexFunc(have, sameCertificate(k)); i >= 0 {
			k.FirstSeen, k.State = have[i].FirstSeen, have[i].State
		} else {
			k.State = ""
		}
		out = append(out, r.listed(k, have))
	}
	last := !slices.ContainsFunc(out, func(k idp.SAMLKey) bool { return k.State == idp.KeyActive })
	for _, k := range have {
		if !slices.ContainsFunc(listed, sameCertificate(k)) {
			if k, keep := r.missing(k, last); keep {
				out = append(out, k)
			}
		}
	}
	return forgetRetired(out)
}

// listed decides about a key in the document, whose state is the one it has, or none. A retired key that comes back is
// as new as one never seen. A certificate renewed for a key that is active is no new key.
func (r *Report) listed(k idp.SAMLKey, have []idp.SAMLKey) idp.SAMLKey {
	k.Missing = 0
	switch {
	case k.State == idp.KeyActive:
	case r.Trusted || renewed(k, have):
		k.State = idp.KeyActive
		r.Activated = append(r.Activated, k.SHA256)
	case k.State != idp.KeyPending:
		k.State = idp.KeyPending
		r.Pending = append(r.Pending, k.SHA256)
	}
	return k
}

// missing decides about a key the document does not list. What an admin uploaded and no document ever listed is the
// admin's to retire. Where the document lists nothing that counts, what counts stays (last): a document that nobody
// vouches for can let nobody in, and must not lock everybody out either.
func (r *Report) missing(k idp.SAMLKey, last bool) (_ idp.SAMLKey, keep bool) {
	if k.Source == sourceUpload || k.State == idp.KeyRetired {
		return k, true
	}
	k.Missing = min(k.Missing+1, missesToRetire)
	if k.Missing < missesToRetire || last && k.State == idp.KeyActive {
		return k, true
	}
	if k.State == idp.KeyPending {
		return k, false // it never counted
	}
	k.State = idp.KeyRetired
	r.Retired = append(r.Retired, k.SHA256)
	return k, true
}

// renewed reports whether some active certificate holds the same key.
func renewed(k idp.SAMLKey, have []idp.SAMLKey) bool {
	cert, err := parseKey(k.Certificate)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(have, func(old idp.SAMLKey) bool {
		if old.State != idp.KeyActive {
			return false
		}
		c, err := parseKey(old.Certificate)
		return err == nil && bytes.Equal(c.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo)
	})
}

func sameCertificate(k idp.SAMLKey) func(idp.SAMLKey) bool {
	return func(o idp.SAMLKey) bool { return bytes.Equal(o.Certificate, k.Certificate) }
}

// forgetRetired keeps the newest of the retired.
func forgetRetired(keys []idp.SAMLKey) []idp.SAMLKey {
	var retired []idp.SAMLKey
	for _, k := range keys {
		if k.State == idp.KeyRetired {
			retired = append(retired, k)
		}
	}
	if len(retired) <= maxRetired {
		return keys
	}
	slices.SortStableFunc(retired, func(a, b idp.SAMLKey) int { return b.FirstSeen.Compare(a.FirstSeen) })
	old := retired[maxRetired:]
	return slices.DeleteFunc(keys, func(k idp.SAMLKey) bool { return slices.ContainsFunc(old, sameCertificate(k)) })
}

// endpoints merges addresses. They change together, or not at all: half of a move leads nowhere.
func (r *Report) endpoints(have idp.SAMLIdP, fresh idp.SAMLEndpoints) (active, pending idp.SAMLEndpoints) {
	none := idp.SAMLEndpoints{}
	switch {
	case fresh == have.Endpoints:
		return have.Endpoints, none
	case have.Endpoints == none, r.Trusted, sameHosts(have.Endpoints, fresh):
		r.Moved = have.Endpoints != none
		return fresh, none
	default:
		r.Waiting = fresh != have.Pending
		return have.Endpoints, fresh
	}
}

// sameHosts reports that fresh leads nowhere have does not lead. The scheme is part of the place.
func sameHosts(have, fresh idp.SAMLEndpoints) bool {
	var origins []string
	for _, address := range addresses(have) {
		origins = append(origins, origin(address))
	}
	for _, address := range addresses(fresh) {
		if o := origin(address); o == "" || !slices.Contains(origins, o) {
			return false
		}
	}
	return true
}

func addresses(e idp.SAMLEndpoints) []string {
	return slices.DeleteFunc([]string{e.SSOURL, e.SLOURL, e.SLOResponseURL}, func(s string) bool { return s == "" })
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	port := u.Port()
	if u.Scheme == "https" && port == "" {
		port = "443"
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// sameIdP compares all but the times of fetching.
func sameIdP(a, b idp.SAMLIdP) bool {
	return a.EntityID == b.EntityID && a.Endpoints == b.Endpoints && a.Pending == b.Pending && a.WantsSigned == b.WantsSigned &&
		a.ValidUntil.Equal(b.ValidUntil) && slices.EqualFunc(a.Keys, b.Keys, func(x, y idp.SAMLKey) bool {
		return bytes.Equal(x.Certificate, y.Certificate) && x.State == y.State && x.Source == y.Source && x.Missing == y.Missing
	})
}

// Confirm makes what waits count: the keys named by the SHA-256 of their certificates, 16 digits or more of it, and the
// addresses where PendingEndpoints is among the names. Without names it is everything that waits. Whoever confirms has
// compared it with what the provider says elsewhere.
func Confirm(have idp.SAMLIdP, names ...string) (idp.SAMLIdP, error) {
	have.Keys = slices.Clone(have.Keys)
	if len(names) == 0 {
		names = waiting(have)
	}
	if len(names) == 0 {
		return have, errors.New("nothing waits to be confirmed")
	}
	for _, name := range names {
		if err := confirm(&have, strings.ToLower(name)); err != nil {
			return idp.SAMLIdP{}, err
		}
	}
	return have, nil
}

func waiting(p idp.SAMLIdP) []string {
	var names []string
	for _, k := range p.Keys {
		if k.State == idp.KeyPending {
			names = append(names, k.SHA256)
		}
	}
	if p.Pending != (idp.SAMLEndpoints{}) {
		names = append(names, PendingEndpoints)
	}
	return names
}

func confirm(p *idp.SAMLIdP, name string) error {
	if name == PendingEndpoints {
		if p.Pending == (idp.SAMLEndpoints{}) {
			return errors.New("no endpoints wait to be confirmed")
		}
		p.Endpoints, p.Pending = p.Pending, idp.SAMLEndpoints{}
		return nil
	}
	if len(name) < 16 {
		return errors.New("give at least 16 digits of the certificate's SHA-256")
	}
	found := -1
	for i, k := range p.Keys {
		if k.State != idp.KeyPending || !strings.HasPrefix(k.SHA256, name) {
			continue
		}
		if found >= 0 {
			return fmt.Errorf("more than one certificate that waits begins with %.64q", name)
		}
		found = i
	}
	if found < 0 {
		return fmt.Errorf("no certificate %.64q waits to be confirmed", name)
	}
	p.Keys[found].State = idp.KeyActive
	return nil
}

func shorten(sums []string) []string {
	out := make([]string, 0, len(sums))
	for _, s := range sums {
		out = append(out, short(s))
	}
	return out
}
