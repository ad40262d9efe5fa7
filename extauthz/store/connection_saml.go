package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// samlSettings is how the settings of protocol saml are stored; the gate's own keys stand beside them, sealed.
type samlSettings struct {
	MetadataURL   string               `json:"metadata_url,omitempty"`
	KeyRollover   idp.SAMLKeyRollover  `json:"key_rollover,omitempty"`
	SignRequests  idp.SAMLSignRequests `json:"sign_requests,omitempty"`
	WantSigned    idp.SAMLWantSigned   `json:"want_signed,omitempty"`
	WantEncrypted bool                 `json:"want_encrypted,omitempty"`
	AllowSHA1     time.Time            `json:"allow_sha1"`
	CertExpiry    idp.SAMLCertExpiry   `json:"cert_expiry,omitempty"`
	IdPInitiated  idp.SAMLIdPInitiated `json:"idp_initiated,omitempty"`
	ForceAuthn    bool                 `json:"force_authn,omitempty"`
	RequestedACR  []string             `json:"requested_acr,omitempty"`
	NameIDFormat  string               `json:"name_id_format,omitempty"`
	SubjectFrom   string               `json:"subject_from,omitempty"`
	Attributes    idp.SAMLAttributes   `json:"attributes"`
	IdP           idp.SAMLIdP          `json:"idp"`
}

func encodeSAML(s idp.SAMLSettings) (string, error) {
	return encode("settings", samlSettings{
		MetadataURL: s.MetadataURL, KeyRollover: s.KeyRollover, SignRequests: s.SignRequests, WantSigned: s.WantSigned,
		WantEncrypted: s.WantEncrypted, AllowSHA1: s.AllowSHA1, CertExpiry: s.CertExpiry, IdPInitiated: s.IdPInitiated,
		ForceAuthn: s.ForceAuthn, RequestedACR: s.RequestedACR, NameIDFormat: s.NameIDFormat, SubjectFrom: s.SubjectFrom,
		Attributes: s.Attributes, IdP: s.IdP,
	})
}

// decodeSAML is strict: a setting of a newer program may be one that refuses, and must not be read as absent.
func decodeSAML(text string) (idp.SAMLSettings, error) {
	var v samlSettings
	if err := decodeStrict("settings", text, &v); err != nil {
		return idp.SAMLSettings{}, err
	}
	return idp.SAMLSettings{
		MetadataURL: v.MetadataURL, KeyRollover: v.KeyRollover, SignRequests: v.SignRequests, WantSigned: v.WantSigned,
		WantEncrypted: v.WantEncrypted, AllowSHA1: v.AllowSHA1, CertExpiry: v.CertExpiry, IdPInitiated: v.IdPInitiated,
		ForceAuthn: v.ForceAuthn, RequestedACR: v.RequestedACR, NameIDFormat: v.NameIDFormat, SubjectFrom: v.SubjectFrom,
		Attributes: v.Attributes, IdP: v.IdP,
	}, nil
}

// decodeStrict refuses names it does not know and anything after the value.
func decodeStrict(what, text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("decode %s: %w", what, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("decode %s: more than one value", what)
	}
	return nil
}

// spKey is how a key pair of the gate's is stored, inside of what is sealed.
type spKey struct {
	Use         string    `json:"use"`
	Next        bool      `json:"next,omitempty"`
	Key         []byte    `json:"key"`
	Certificate []byte    `json:"certificate"`
	Created     time.Time `json:"created"`
}

const sealSPKeys = "saml-sp-keys"

func (s *Store) sealSPKeys(c idp.Connection) ([]byte, error) {
	if len(c.SAML.SPKeys) == 0 {
		return nil, nil
	}
	var all []spKey
	for _, k := range c.SAML.SPKeys {
		all = append(all, spKey{Use: k.Use, Next: k.Next, Key: []byte(k.Key.Reveal()), Certificate: k.Certificate, Created: k.Created})
	}
	text, err := encode("own keys", all)
	if err != nil {
		return nil, fmt.Errorf("connection %s: %w", c.ID, err)
	}
	sealed, err := s.o.Sealer.Seal(sealSPKeys, row(c.Tenant, string(c.ID)), []byte(text))
	if err != nil {
		return nil, fmt.Errorf("connection %s: seal own keys: %w", c.ID, err)
	}
	return sealed, nil
}

func (s *Store) openSPKeys(t tenant.ID, c idp.ConnectionID, sealed []byte) ([]idp.SAMLSPKey, error) {
	if sealed == nil {
		return nil, nil
	}
	plain, err := s.o.Sealer.Open(sealSPKeys, row(t, string(c)), sealed)
	if err != nil {
		return nil, fmt.Errorf("own keys: %w: is this the root key they were stored with?", err)
	}
	var stored []spKey
	if err := decodeStrict("own keys", string(plain), &stored); err != nil {
		return nil, err
	}
	var all []idp.SAMLSPKey
	for _, k := range stored {
		all = append(all, idp.SAMLSPKey{Use: k.Use, Next: k.Next, Key: secret.New(string(k.Key)), Certificate: k.Certificate, Created: k.Created})
	}
	return all, nil
}

func sameSPKeys(a, b []idp.SAMLSPKey) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		same := a[i].Use == b[i].Use && a[i].Next == b[i].Next && a[i].Key.Equal(b[i].Key) &&
			string(a[i].Certificate) == string(b[i].Certificate) && a[i].Created.Equal(b[i].Created)
		if !same {
			return false
		}
	}
	return true
}
