package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

func samlDeclaration() []Declared {
	v := idp.SAMLSettings{MetadataURL: "https://idp.example/metadata.xml"}
	return []Declared{{Tenant: tenant.Tenant{ID: acme}, Connections: []idp.Connection{{ID: "acme-saml", Protocol: idp.SAML, Enabled: true, SAML: v}}}}
}

func TestDeclarationKeepsWhatTheFileDoesNotHold(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.serve(t)
		declare(t, s, samlDeclaration())
		c := only(t, s)
		fetched := samlIdP("k1")
		err := s.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: c.Version, IdP: &fetched, SPKeys: spKeys(), Actor: "refresh", Reason: "first metadata"})
		if err != nil {
			t.Fatal(err)
		}
		signedIn := mustSignIn(t, s, samlIdentity(only(t, s), "alice"))
		c, events := only(t, s), len(settingsEvents(t, s))

		declare(t, s, samlDeclaration()) // a restart
		got := only(t, s)
		if got.Version != c.Version || got.Epoch != c.Epoch || !reflect.DeepEqual(got.SAML.IdP, c.SAML.IdP) || !sameSPKeys(got.SAML.SPKeys, spKeys()) {
			t.Errorf("a restart made %+v of %+v", got, c)
		}
		if now := len(settingsEvents(t, s)); now != events {
			t.Errorf("%d audit rows became %d", events, now)
		}

		file := samlDeclaration()
		file[0].Connections[0].SAML.WantSigned = idp.SignedAssertion
		declare(t, s, file)
		if got = only(t, s); got.Version != c.Version+1 || got.Epoch != c.Epoch || len(got.SAML.IdP.Keys) != 1 || len(got.SAML.SPKeys) != 3 {
			t.Errorf("another setting: %+v", got)
		}

		// Another URL may be another provider's: nothing of the old one is trusted, and its sessions end. Who they are is
		// known again when it turns out to be the same.
		file[0].Connections[0].SAML.MetadataURL = "https://idp.example/other.xml"
		declare(t, s, file)
		if got = only(t, s); got.SAML.IdP.EntityID != "" || len(got.SAML.IdP.Keys) != 0 || !got.SAML.IdP.Fetched.IsZero() || got.Epoch == c.Epoch || len(got.SAML.SPKeys) != 3 {
			t.Errorf("another URL: %+v", got)
		}
		if n := links(t, s, c.ID); n != 1 {
			t.Errorf("%d links", n)
		}
		err = s.ApplySAML(t.Context(), idp.ConnectionChange{Tenant: acme, Connection: c.ID, Version: got.Version, IdP: &fetched, Actor: "refresh", Reason: "metadata"})
		if err != nil {
			t.Fatal(err)
		}
		if again := mustSignIn(t, s, samlIdentity(only(t, s), "alice")); again.User != signedIn.User {
			t.Error("the same provider's person became somebody else")
		}
	})
}

func TestDeclaringAMetadataFileAgainChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, d *database) {
		s := d.open(t)
		file := func(at time.Time, keys ...string) []Declared {
			f := samlDeclaration()
			f[0].Connections[0].SAML = idp.SAMLSettings{IdP: samlIdP(keys...)}
			p := &f[0].Connections[0].SAML.IdP
			p.Fetched = at
			for i := range p.Keys {
				p.Keys[i].FirstSeen = at
			}
			return f
		}
		start := d.clock.Now()
		declare(t, s, file(start, "k1"))
		c := only(t, s)
		declare(t, s, file(start.Add(time.Hour), "k1"))
		if got := only(t, s); !reflect.DeepEqual(got, c) {
			t.Errorf("a restart made %+v of %+v", got, c)
		}
		declare(t, s, file(start.Add(2*time.Hour), "k1", "k2"))
		got := only(t, s)
		if got.Version != c.Version+1 || got.Epoch != c.Epoch || len(got.SAML.IdP.Keys) != 2 || !got.SAML.IdP.Keys[0].FirstSeen.Equal(start) ||
			!got.SAML.IdP.Keys[1].FirstSeen.Equal(start.Add(2*time.Hour)) {
			t.Errorf("a key more: %+v", got)
		}
		if _, err := s.UpdateConnection(t.Context(), got, "cli"); !errors.Is(err, ErrDeclared) {
			t.Errorf("changed beside the file: %v", err)
		}
	})
}
