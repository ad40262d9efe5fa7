package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// samlRow is what commands print of a SAML connection's settings.
type samlRow struct {
	SSOURL         string             `json:"sso_url"`
	SSOBinding     idp.SAMLBinding    `json:"sso_binding,omitempty"`
	SLOURL         string             `json:"slo_url,omitempty"`
	SLOResponseURL string             `json:"slo_response_url,omitempty"`
	SLOBinding     idp.SAMLBinding    `json:"slo_binding,omitempty"`
	PendingSSOURL  string             `json:"pending_sso_url,omitempty"`
	PendingSLOURL  string             `json:"pending_slo_url,omitempty"`
	MetadataURL    string             `json:"metadata_url,omitempty"`
	Fetched        *time.Time         `json:"fetched,omitempty"`
	FetchError     string             `json:"fetch_error,omitempty"`
	KeyRollover    string             `json:"key_rollover"`
	SignRequests   string             `json:"sign_requests"`
	WantSigned     string             `json:"want_signed"`
	WantEncrypted  bool               `json:"want_encrypted"`
	AllowSHA1      *time.Time         `json:"allow_sha1_until,omitempty"`
	CertExpiry     string             `json:"cert_expiry"`
	NameIDFormat   string             `json:"nameid_format,omitempty"`
	SubjectFrom    string             `json:"subject_from"`
	Attributes     idp.SAMLAttributes `json:"attributes"`
	IdPInitiated   string             `json:"idp_initiated"`
	ForceAuthn     bool               `json:"force_authn"`
	RequestedACR   []string           `json:"requested_acr,omitempty"`
	Keys           []certificateRow   `json:"keys"`
	SPKeys         []certificateRow   `json:"sp_keys"`
}

// certificateRow is a key of the provider's or of ours, never its private part.
type certificateRow struct {
	SHA256    string     `json:"sha256"`
	Use       string     `json:"use,omitempty"` // of ours
	State     string     `json:"state"`
	Kind      string     `json:"kind"`
	Subject   string     `json:"subject,omitempty"`
	Source    string     `json:"source,omitempty"` // of theirs
	FirstSeen *time.Time `json:"first_seen,omitempty"`
	NotAfter  *time.Time `json:"not_after,omitempty"`
	DaysLeft  int        `json:"days_left"`
}

func samlRowOf(s idp.SAMLSettings, now time.Time) *samlRow {
	e, p := s.IdP.Endpoints, s.IdP.Pending
	row := samlRow{
		SSOURL: e.SSOURL, SSOBinding: e.SSOBinding, SLOURL: e.SLOURL, SLOResponseURL: e.SLOResponseURL, SLOBinding: e.SLOBinding,
		PendingSSOURL: p.SSOURL, PendingSLOURL: p.SLOURL,
		MetadataURL: s.MetadataURL, Fetched: stamp(s.IdP.Fetched), FetchError: s.IdP.FetchError,
		KeyRollover: wordOf(s.KeyRollover, keyRolloverWords), SignRequests: wordOf(s.SignRequests, signRequestsWords),
		WantSigned: wordOf(s.WantSigned, wantSignedWords), WantEncrypted: s.WantEncrypted, AllowSHA1: stamp(s.AllowSHA1),
		CertExpiry: wordOf(s.CertExpiry, certExpiryWords), NameIDFormat: s.NameIDFormat, SubjectFrom: s.SubjectFrom,
		Attributes: s.Attributes, IdPInitiated: wordOf(s.IdPInitiated, idpInitiatedWords), ForceAuthn: s.ForceAuthn,
		RequestedACR: s.RequestedACR, Keys: []certificateRow{}, SPKeys: spKeyRows(s.SPKeys, now),
	}
	if row.SubjectFrom == "" {
		row.SubjectFrom = "nameid"
	}
	for _, k := range s.IdP.Keys {
		one := certificateRowOf(k.Certificate, now)
		one.State, one.Source, one.FirstSeen = string(k.State), k.Source, stamp(k.FirstSeen)
		row.Keys = append(row.Keys, one)
	}
	return &row
}

// spKeyRows tells what each key of ours does now. Of a use the newest that is not next is in use, older ones only open.
func spKeyRows(keys []idp.SAMLSPKey, now time.Time) []certificateRow {
	newest := map[string]time.Time{}
	for _, k := range keys {
		if !k.Next && k.Created.After(newest[k.Use]) {
			newest[k.Use] = k.Created
		}
	}
	rows := []certificateRow{}
	for _, k := range keys {
		one := certificateRowOf(k.Certificate, now)
		one.Use, one.FirstSeen = k.Use, stamp(k.Created)
		switch {
		case k.Next:
			one.State = "next"
		case k.Created.Equal(newest[k.Use]):
			one.State = "current"
		default:
			one.State = "old"
		}
		rows = append(rows, one)
	}
	return rows
}

func certificateRowOf(der []byte, now time.Time) certificateRow {
	row := certificateRow{SHA256: fingerprint(der), Kind: "unreadable"}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return row
	}
	row.Subject, row.NotAfter, row.Kind = cert.Subject.String(), stamp(cert.NotAfter), cert.PublicKeyAlgorithm.String()
	row.DaysLeft = daysLeft(cert.NotAfter, now)
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		row.Kind = fmt.Sprintf("RSA %d", pub.N.BitLen())
	case *ecdsa.PublicKey:
		row.Kind = "ECDSA " + pub.Curve.Params().Name
	}
	return row
}

// daysLeft counts whole days, and an expired one as -1 from its first second.
func daysLeft(notAfter, now time.Time) int {
	left := notAfter.Sub(now)
	if left < 0 {
		return min(int(left/(24*time.Hour)), -1)
	}
	return int(left / (24 * time.Hour))
}

// fingerprint names a certificate: SHA-256 of its DER, lower-case hex.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// shortPrint is enough of a fingerprint to tell two keys apart; commands take it back.
func shortPrint(sha256 string) string { return sha256[:min(16, len(sha256))] }

// left says in words how long a certificate lasts.
func (r certificateRow) left() string {
	switch {
	case r.NotAfter == nil:
		return ""
	case r.DaysLeft < 0:
		return "expired"
	}
	return count(r.DaysLeft, "day", "days")
}

// matches reports whether a person may mean this key by a prefix of its fingerprint, colons allowed.
func matches(sha256, prefix string) bool {
	prefix = strings.ToLower(strings.ReplaceAll(prefix, ":", ""))
	return len(prefix) >= 8 && strings.HasPrefix(sha256, prefix)
}
