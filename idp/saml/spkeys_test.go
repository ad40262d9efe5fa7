package saml_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

// ourKeys are made once: RSA keys are slow to make. Who changes them takes a copy.
var ourKeys = sync.OnceValue(func() []idp.SAMLSPKey {
	keys, err := saml.NewSPKeys("acme", noon)
	if err != nil {
		panic(err)
	}
	return keys
})

func TestOwnKeysAreApartAndLastTenYears(t *testing.T) {
	keys := ourKeys()
	if len(keys) != 2 || keys[0].Use != idp.UseSigning || keys[1].Use != idp.UseEncryption || keys[0].Next || keys[1].Next {
		t.Fatalf("keys %+v", keys)
	}
	serials := map[string]bool{}
	for _, k := range keys {
		cert, err := x509.ParseCertificate(k.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.ParsePKCS8PrivateKey([]byte(k.Key.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		pair, ok := private.(*rsa.PrivateKey)
		if !ok || pair.N.BitLen() != 2048 || !pair.PublicKey.Equal(cert.PublicKey) {
			t.Error("key is not RSA of 2048 bits, or the certificate's is another")
		}
		if cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil || cert.SignatureAlgorithm != x509.SHA256WithRSA {
			t.Error("certificate is not self-signed with SHA-256")
		}
		if !cert.NotBefore.Before(noon) || cert.NotAfter.Before(noon.AddDate(10, 0, -1)) || cert.Subject.CommonName != "acme" || cert.SerialNumber.Sign() <= 0 {
			t.Errorf("certificate %v to %v of %v", cert.NotBefore, cert.NotAfter, cert.Subject)
		}
		serials[cert.SerialNumber.String()] = true
	}
	if len(serials) != 2 || keys[0].Key.Equal(keys[1].Key) {
		t.Error("the two are not apart")
	}
}

func TestRolloverNeverLeavesAGap(t *testing.T) {
	old := ourKeys()
	later := noon.AddDate(9, 0, 0)
	both, err := saml.BeginRollover(old, "acme", later)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := saml.BeginRollover(both, "acme", later); err == nil {
		t.Error("a second rollover begins within the first")
	}
	if _, err := saml.DropOld(both); err == nil {
		t.Error("keys are dropped that nothing has replaced")
	}
	c := newRP(t, idptest.SAMLOptions{}).connector
	order := func(keys []idp.SAMLSPKey) []string { return published(t, c, keys) }
	if want := []string{name(both[0]), name(both[2]), name(both[1]), name(both[3])}; !slices.Equal(order(both), want) {
		t.Errorf("published %v, want the current before the next of each use: %v", order(both), want)
	}
	promoted, err := saml.Promote(both)
	if err != nil {
		t.Fatal(err)
	}
	if len(promoted) != 4 || slices.ContainsFunc(promoted, func(k idp.SAMLSPKey) bool { return k.Next }) {
		t.Fatalf("promoted %+v", promoted)
	}
	if want := []string{name(both[2]), name(both[3])}; !slices.Equal(order(promoted), want) {
		t.Errorf("published %v, want the new alone: %v", order(promoted), want)
	}
	if _, err := saml.Promote(promoted); err == nil {
		t.Error("promoted twice")
	}
	if _, err := saml.BeginRollover(promoted, "acme", later); err == nil {
		t.Error("a rollover begins before the last has ended")
	}
	dropped, err := saml.DropOld(promoted)
	if err != nil {
		t.Fatal(err)
	}
	if len(dropped) != 2 || name(dropped[0]) != name(both[2]) || name(dropped[1]) != name(both[3]) {
		t.Errorf("dropped %+v", dropped)
	}
	slices.Reverse(promoted) // a store may hand them out in another order
	if want := []string{name(both[2]), name(both[3])}; !slices.Equal(order(promoted), want) {
		t.Errorf("published in another order: %v, want %v", order(promoted), want)
	}
}

func name(k idp.SAMLSPKey) string {
	return fmt.Sprintf("%s %x", k.Use, k.Certificate[len(k.Certificate)-8:])
}

func ourMetadata(t *testing.T, c *saml.Connector, s idp.SAMLSettings) string {
	t.Helper()
	doc, err := c.Metadata(t.Context(), idp.Connection{ID: connectionID, SAML: s})
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

// published lists the keys in our metadata.
func published(t *testing.T, c *saml.Connector, keys []idp.SAMLSPKey) []string {
	t.Helper()
	var doc struct {
		Keys []struct {
			Use         string `xml:"use,attr"`
			Certificate []byte `xml:"KeyInfo>X509Data>X509Certificate"`
		} `xml:"SPSSODescriptor>KeyDescriptor"`
	}
	if err := xml.Unmarshal([]byte(ourMetadata(t, c, idp.SAMLSettings{SPKeys: keys})), &doc); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, k := range doc.Keys {
		for _, have := range keys {
			if text := encode(have.Certificate); text == string(k.Certificate) && have.Use == k.Use {
				out = append(out, name(have))
			}
		}
	}
	return out
}

func TestOwnMetadataIsWhatTheSettingsSay(t *testing.T) {
	c := newRP(t, idptest.SAMLOptions{}).connector
	s := idp.SAMLSettings{SPKeys: ourKeys()}
	doc := ourMetadata(t, c, s)
	if again := ourMetadata(t, c, s); again != doc {
		t.Error("the same settings give another document")
	}
	if _, err := xmlguard.Check([]byte(doc), xmlguard.Metadata, 0); err != nil {
		t.Errorf("our own guard refuses it: %v", err)
	}
	for _, want := range []string{
		`entityID="` + entityID + `" cacheDuration="PT24H" validUntil="2036-05-04T12:00:00Z"`, `AuthnRequestsSigned="false" WantAssertionsSigned="true"`,
		`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://dashboard.tracio.example/auth/saml/acme-saml/slo"/>`,
		`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://dashboard.tracio.example/auth/saml/acme-saml/slo"/>`,
		`<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat>`,
		`<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="` + acs + `" index="0" isDefault="true"/>`,
		`xmlenc11#aes256-gcm`, `xmlenc11#aes128-gcm`, `xmlenc#rsa-oaep-mgf1p`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
	if strings.Contains(doc, "cbc") || strings.Contains(doc, "rsa-1_5") {
		t.Error("offers what is not safe")
	}
	s.SignRequests, s.WantSigned, s.NameIDFormat = idp.SignAlways, idp.SignedResponse, `urn:<&">`
	for _, want := range []string{`AuthnRequestsSigned="true" WantAssertionsSigned="false"`, `<md:NameIDFormat>urn:&lt;&amp;&#34;&gt;</md:NameIDFormat>`} {
		if doc := ourMetadata(t, c, s); !strings.Contains(doc, want) {
			t.Errorf("no %s in\n%s", want, doc)
		}
	}
	s.SignRequests, s.IdP.WantsSigned = idp.SignAuto, true
	if doc := ourMetadata(t, c, s); !strings.Contains(doc, `AuthnRequestsSigned="true"`) {
		t.Error("does not sign although the provider wants it")
	}
	s.SignRequests = idp.SignNever
	if doc := ourMetadata(t, c, s); !strings.Contains(doc, `AuthnRequestsSigned="false"`) {
		t.Error("says that it signs although it never does")
	}
}

func TestOwnMetadataIsWellFormed(t *testing.T) {
	c := newRP(t, idptest.SAMLOptions{}).connector
	d := xml.NewDecoder(bytes.NewReader([]byte(ourMetadata(t, c, idp.SAMLSettings{SPKeys: ourKeys()}))))
	for {
		if _, err := d.Token(); err == io.EOF { //nolint:errorlint // Token returns it as it is
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetadataWithoutKeysIsNotPublished(t *testing.T) {
	c := newRP(t, idptest.SAMLOptions{}).connector
	for _, keys := range [][]idp.SAMLSPKey{nil, ourKeys()[:1], ourKeys()[1:]} {
		if _, err := c.Metadata(t.Context(), idp.Connection{ID: connectionID, SAML: idp.SAMLSettings{SPKeys: keys}}); err == nil || idp.CodeOf(err) != "" {
			t.Errorf("%d keys: %v", len(keys), err)
		}
	}
}

func TestExpiriesWarnInTime(t *testing.T) {
	for days, want := range map[int]int{61: -1, 60: 60, 31: 60, 30: 30, 8: 30, 7: 7, 1: 7, 0: 0, -1: 0, -400: 0} {
		k := samlKey(t, "p256", noon.AddDate(0, 0, days))
		s := idp.SAMLSettings{IdP: idp.SAMLIdP{Keys: []idp.SAMLKey{{Certificate: k.Certificate, State: idp.KeyActive}}}}
		got := saml.Expiries(s, noon)
		if len(got) != 1 || got[0].Warn != want || got[0].Days != days || got[0].Ours || got[0].SHA256 != k.SHA256() {
			t.Errorf("%d days: %+v, want %d", days, got, want)
		}
	}
	if got := saml.Expiries(idp.SAMLSettings{IdP: idp.SAMLIdP{Keys: []idp.SAMLKey{{Certificate: samlKey(t, "p256", noon.Add(-time.Minute)).Certificate, State: idp.KeyActive}}}}, noon); got[0].Days != -1 {
		t.Errorf("over for a minute: %+v", got)
	}
}

func TestExpiriesListWhatCountsAndTheFirstFirst(t *testing.T) {
	soon, retired := samlKey(t, "p256", noon.AddDate(0, 0, 5)), samlKey(t, "p256", noon.AddDate(0, 0, 1))
	s := idp.SAMLSettings{SPKeys: ourKeys(), IdP: idp.SAMLIdP{Keys: []idp.SAMLKey{
		{Certificate: retired.Certificate, State: idp.KeyRetired}, {Certificate: soon.Certificate, State: idp.KeyActive}, {Certificate: []byte("no"), State: idp.KeyActive},
	}}}
	got := saml.Expiries(s, noon)
	if len(got) != 3 || got[0].SHA256 != soon.SHA256() || !got[1].Ours || !got[2].Ours || got[1].Use == got[2].Use {
		t.Errorf("%+v", got)
	}
}
