package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	entity     = "https://idp.example/metadata"
	plantedKey = "planted-private-key-5d0e"
)

func samlKey(name string, state idp.SAMLKeyState) idp.SAMLKey {
	sum := sha256.Sum256([]byte(name))
	return idp.SAMLKey{Certificate: []byte(name), SHA256: hex.EncodeToString(sum[:]), State: state, Source: "metadata", FirstSeen: newClock().Now()}
}

func samlIdP(keys ...string) idp.SAMLIdP {
	p := idp.SAMLIdP{EntityID: entity, Endpoints: idp.SAMLEndpoints{SSOURL: "https://idp.example/sso", SSOBinding: idp.BindingRedirect}, Fetched: newClock().Now()}
	for _, k := range keys {
		p.Keys = append(p.Keys, samlKey(k, idp.KeyActive))
	}
	return p
}

func spKeys() []idp.SAMLSPKey {
	at := newClock().Now()
	return []idp.SAMLSPKey{
		{Use: idp.UseSigning, Key: secret.New(plantedKey + "-s"), Certificate: []byte("s"), Created: at},
		{Use: idp.UseSigning, Next: true, Key: secret.New(plantedKey + "-n"), Certificate: []byte("n"), Created: at},
		{Use: idp.UseEncryption, Key: secret.New(plantedKey + "-e"), Certificate: []byte("e"), Created: at},
	}
}

// wholeSAML has every setting, each another than its zero.
func wholeSAML() idp.SAMLSettings {
	at := newClock().Now()
	p := samlIdP("k1")
	p.Keys = append(p.Keys, samlKey("k2", idp.KeyPending))
	p.Keys[1].Missing = 1
	p.Endpoints = idp.SAMLEndpoints{SSOURL: "https://a", SSOBinding: idp.BindingPOST, SLOURL: "https://b", SLOResponseURL: "https://c", SLOBinding: idp.BindingRedirect}
	p.Pending = idp.SAMLEndpoints{SSOURL: "https://d", SSOBinding: idp.BindingRedirect, SLOURL: "https://e", SLOResponseURL: "https://f", SLOBinding: idp.BindingPOST}
	p.WantsSigned, p.ValidUntil, p.FetchError, p.FetchAttempted = true, at.Add(time.Hour), "idp-unavailable", at
	return idp.SAMLSettings{
		MetadataURL: "https://idp.example/metadata.xml", KeyRollover: idp.RolloverAuto, SignRequests: idp.SignAlways, WantSigned: idp.SignedBoth,
		WantEncrypted: true, AllowSHA1: at, CertExpiry: idp.ExpiryStrict, IdPInitiated: idp.InitiatedBounce, ForceAuthn: true,
		RequestedACR: []string{"urn:mfa"}, NameIDFormat: "urn:f", SubjectFrom: "uid",
		Attributes: idp.SAMLAttributes{UserName: []string{"u"}, Email: []string{"e"}, GivenName: []string{"g"}, FamilyName: []string{"f"}, DisplayName: []string{"d"}, Groups: []string{"a", "b"}},
		IdP:        p, SPKeys: spKeys(),
	}
}

func seedSAML(t testing.TB, s *Store, id tenant.ID, settings idp.SAMLSettings) idp.Connection {
	t.Helper()
	if _, err := s.CreateTenant(t.Context(), tenant.Tenant{ID: id}, "cli"); err != nil {
		t.Fatal(err)
	}
	c, err := s.CreateConnection(t.Context(), idp.Connection{ID: idp.ConnectionID(id + "-saml"), Tenant: id, Protocol: idp.SAML, Enabled: true, SAML: settings}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func samlIdentity(c idp.Connection, sub string) idp.Identity {
	i := identity(c.ID, sub)
	i.Issuer, i.NameID = c.SAML.IdP.EntityID, idp.NameID{Value: sub}
	return i
}

func only(t testing.TB, s *Store) idp.Connection {
	t.Helper()
	r := realm(t, s, acme)
	if len(r.Connections) != 1 {
		t.Fatalf("%d connections", len(r.Connections))
	}
	return r.Connections[0]
}

// filled reports a field that is still zero, by its path.
func filled(t *testing.T, path string, v reflect.Value) {
	t.Helper()
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[secret.Text]() {
		if v.IsZero() {
			t.Errorf("%s is zero: the round trip would not show that it was lost", path)
		}
		return
	}
	for f, value := range v.Fields() {
		filled(t, path+"."+f.Name, value)
	}
}

func TestSAMLSettingsComeBackWhole(t *testing.T) {
	filled(t, "SAMLSettings", reflect.ValueOf(wholeSAML()))
	each(t, func(t *testing.T, d *database) {
		a, b := d.serve(t), d.serve(t)
		made := seedSAML(t, a, acme, wholeSAML())
		for name, s := range map[string]*Store{"writer": a, "other": b} {
			got := only(t, s)
			if !sameSPKeys(got.SAML.SPKeys, spKeys()) {
				t.Errorf("%s: own keys differ", name)
			}
			got.SAML.SPKeys = made.SAML.SPKeys
			if !reflect.DeepEqual(got, made) {
				t.Errorf("%s: got %+v\nwant %+v", name, got, made)
			}
			want := wholeSAML()
			want.SPKeys = made.SAML.SPKeys
			if !reflect.DeepEqual(got.SAML, want) {
				t.Errorf("%s: got %+v\nwant %+v", name, got.SAML, want)
			}
		}
	})
}

func TestWhatSAMLKeepsSecretIsNotInTheDatabase(t *testing.T) {
	d := newDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "gate.db"))
	s := d.open(t)
	c := seedSAML(t, s, acme, wholeSAML())
	i := samlIdentity(c, "alice")
	i.Subject, i.NameID = "subject-of-alice", idp.NameID{Value: "planted-name-id-7f", Format: "planted-format-2c"}
	mustSignIn(t, s, i)
	id := [16]byte{1}
	if err := s.CreateTest(t.Context(), acme, c.ID, id, d.clock.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if ok, err := s.BeginTest(t.Context(), acme, c.ID, id); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := s.FinishTest(t.Context(), acme, c.ID, id, []byte("planted-result-91")); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(s.path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if !bytes.Contains(all, []byte("subject-of-alice")) {
		t.Error("the search finds nothing at all")
	}
	for _, planted := range []string{plantedKey, "cGxhbnRlZC1wcml2YXRl", "planted-name-id", "planted-format", "planted-result"} {
		if bytes.Contains(all, []byte(planted)) {
			t.Errorf("%s stands there", planted)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		if out := fmt.Sprintf(verb, only(t, s)); strings.Contains(out, plantedKey) {
			t.Errorf("%s prints a private key", verb)
		}
	}
}

func TestSealedOfSAMLMovedToAnotherRowDoesNotOpen(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		c := seedSAML(t, s, acme, wholeSAML())
		seedSAML(t, s, "evil", wholeSAML())
		alice, bob := mustSignIn(t, s, samlIdentity(c, "alice")), mustSignIn(t, s, samlIdentity(c, "bob"))
		for _, q := range []string{
			"UPDATE connections SET sp_keys = (SELECT sp_keys FROM connections WHERE id = 'acme-saml') WHERE id = 'evil-saml'",
			"UPDATE session_name_ids SET name_id = (SELECT name_id FROM session_name_ids WHERE id_hash = '" + alice.Hash.String() + "') WHERE id_hash = '" + bob.Hash.String() + "'",
		} {
			if _, err := s.db.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Realm(t.Context(), "evil"); err == nil {
			t.Error("own keys opened")
		}
		if _, err := s.Tokens(t.Context(), acme, bob.Hash); err == nil {
			t.Error("a NameID opened")
		}
		// Whoever keeps metadata fresh goes on with the others, and hears of it.
		all, err := s.SAMLConnections(t.Context())
		if err == nil || len(all) != 1 || all[0].ID != c.ID {
			t.Errorf("%d connections, %v", len(all), err)
		}
	})
}

func TestSettingsOfANewerProgramAreNotReadAsAbsent(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		seedSAML(t, s, acme, wholeSAML())
		for _, text := range []string{`{"want_rotated":true}`, `{} {}`, `{"idp":{"keys":[{"trusted":true}]}}`, ``, `null x`} {
			if _, err := s.db.ExecContext(t.Context(), "UPDATE connections SET settings = '"+text+"' WHERE id = 'acme-saml'"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Realm(t.Context(), acme); err == nil {
				t.Errorf("%s was read", text)
			}
		}
	})
}

func TestSAMLSettingsThatCannotBeStoredAreRefused(t *testing.T) {
	d := newDatabase(t, "sqlite:"+filepath.Join(t.TempDir(), "gate.db"))
	s := d.open(t)
	if _, err := s.CreateTenant(t.Context(), tenant.Tenant{ID: acme}, "cli"); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*idp.SAMLSettings){
		"entity id not UTF-8":      func(v *idp.SAMLSettings) { v.IdP.EntityID = "a\xff" },
		"entity id with NUL":       func(v *idp.SAMLSettings) { v.IdP.EntityID = "a\x00" },
		"entity id too long":       func(v *idp.SAMLSettings) { v.IdP.EntityID = strings.Repeat("a", maxText+1) },
		"attribute name not UTF-8": func(v *idp.SAMLSettings) { v.Attributes.Groups = []string{"\xff"} },
		"unknown rollover":         func(v *idp.SAMLSettings) { v.KeyRollover = "always" },
		"unknown signing":          func(v *idp.SAMLSettings) { v.SignRequests = "maybe" },
		"unknown wanted":           func(v *idp.SAMLSettings) { v.WantSigned = "none" },
		"unknown expiry":           func(v *idp.SAMLSettings) { v.CertExpiry = "ignore" },
		"unknown initiated":        func(v *idp.SAMLSettings) { v.IdPInitiated = "accept" },
		"unknown binding":          func(v *idp.SAMLSettings) { v.IdP.Endpoints.SSOBinding = "soap" },
		"unknown key state":        func(v *idp.SAMLSettings) { v.IdP.Keys[0].State = "" },
		"another fingerprint":      func(v *idp.SAMLSettings) { v.IdP.Keys[0].SHA256 = strings.Repeat("0", 64) },
		"one key twice":            func(v *idp.SAMLSettings) { v.IdP.Keys = append(v.IdP.Keys, v.IdP.Keys[0]) },
		"no certificate":           func(v *idp.SAMLSettings) { v.IdP.Keys[0].Certificate = nil },
		"too many keys":            func(v *idp.SAMLSettings) { v.IdP.Keys = make([]idp.SAMLKey, maxIdPKeys+1) },
		"own key of no use":        func(v *idp.SAMLSettings) { v.SPKeys[0].Use = "" },
		"own key without secret":   func(v *idp.SAMLSettings) { v.SPKeys[0].Key = secret.Text{} },
		"two next keys of a use":   func(v *idp.SAMLSettings) { v.SPKeys[0].Next = true },
		"three keys of a use":      func(v *idp.SAMLSettings) { v.SPKeys = append(v.SPKeys[:2:2], v.SPKeys[0]) },
		"too many own keys":        func(v *idp.SAMLSettings) { v.SPKeys = make([]idp.SAMLSPKey, maxSPKeys+1) },
		"too much":                 func(v *idp.SAMLSettings) { v.RequestedACR = make([]string, maxSettings) },
	} {
		v := wholeSAML()
		change(&v)
		_, err := s.CreateConnection(t.Context(), idp.Connection{ID: "acme-saml", Tenant: acme, Protocol: idp.SAML, SAML: v}, "cli")
		if err == nil {
			t.Errorf("%s: stored", name)
		}
	}
	seedAgain := idp.Connection{ID: "acme-saml", Tenant: acme, Protocol: idp.SAML, SAML: wholeSAML()}
	seedAgain.SAML.SPKeys[1].Next = false // the old one of a rollover: it decrypts until it is dropped
	if _, err := s.CreateConnection(t.Context(), seedAgain, "cli"); err != nil {
		t.Errorf("the whole one: %v", err)
	}
}
