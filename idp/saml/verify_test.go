package saml_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

func newKey(t testing.TB, kind string, until time.Time) idptest.SAMLKey {
	t.Helper()
	k, err := idptest.NewSAMLKey(kind, "other", noon.Add(-24*time.Hour), until)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestUnsignedAnswersAreRefused(t *testing.T) {
	newRP(t, idptest.SAMLOptions{}).refuse("saml-signature/missing", func(o *idptest.RespondOptions) { o.Sign = idptest.SignNothing })
}

func TestChangedAnswersAreRefused(t *testing.T) {
	for _, what := range []idptest.SAMLSign{idptest.SignAssertion, idptest.SignResponse, idptest.SignBoth} {
		for from, to := range map[string]string{
			">00u1alice<": ">00u1bobby<", "Security": "Insecurity", `Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"`: `Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity"`,
		} {
			t.Run(string(what)+from, func(t *testing.T) {
				newRP(t, idptest.SAMLOptions{}).refuse("saml-signature/digest", func(o *idptest.RespondOptions) {
					o.Sign = what
					o.AfterSigning = func(xml string) string { return mustReplace(xml, from, to) }
				})
			})
		}
	}
}

func TestASignedEnvelopeDoesNotExcuseAFalseAssertion(t *testing.T) {
	newRP(t, idptest.SAMLOptions{}).refuse("saml-signature/digest", func(o *idptest.RespondOptions) {
		o.Sign = idptest.SignBoth
		o.AfterSigning = func(xml string) string { return mustReplace(xml, ">Security<", ">Billing<") }
	})
}

func TestTheConnectionSaysWhatIsSigned(t *testing.T) {
	for _, tc := range []struct {
		want   idp.SAMLWantSigned
		signed idptest.SAMLSign
		reason string
	}{
		{idp.SignedAssertion, idptest.SignResponse, "saml-signature/assertion-unsigned"},
		{idp.SignedResponse, idptest.SignAssertion, "saml-signature/response-unsigned"},
		{idp.SignedBoth, idptest.SignAssertion, "saml-signature/response-unsigned"},
		{idp.SignedBoth, idptest.SignResponse, "saml-signature/assertion-unsigned"},
		{idp.SignedEither, idptest.SignResponse, ""},
		{idp.SignedEither, idptest.SignAssertion, ""},
		{idp.SignedAssertion, idptest.SignBoth, ""},
		{idp.SignedBoth, idptest.SignBoth, ""},
	} {
		r := newRP(t, idptest.SAMLOptions{})
		r.conn.SAML.WantSigned = tc.want
		sign := func(o *idptest.RespondOptions) { o.Sign = tc.signed }
		if tc.reason == "" {
			r.admit(sign)
			continue
		}
		r.refuse(tc.reason, sign)
	}
}

func TestEveryAllowedAlgorithmVerifies(t *testing.T) {
	for kind, algorithms := range map[string][]string{
		"rsa":  {idptest.AlgRSASHA256, idptest.AlgRSASHA384, idptest.AlgRSASHA512},
		"p256": {idptest.AlgECDSASHA256, idptest.AlgECDSASHA512}, "p384": {idptest.AlgECDSASHA384}, "p521": {idptest.AlgECDSASHA512},
	} {
		for _, alg := range algorithms {
			for _, digest := range []string{idptest.AlgSHA256, idptest.AlgSHA384, idptest.AlgSHA512} {
				t.Run(kind+" "+alg+" "+digest, func(t *testing.T) {
					r := newRP(t, idptest.SAMLOptions{Key: kind})
					r.admit(func(o *idptest.RespondOptions) { o.Algorithm, o.Digest = alg, digest })
					want := "agree"
					if kind != "rsa" {
						want = "skipped ecdsa" // it wants the value in DER
					}
					if r.opinions[0] != want {
						t.Errorf("opinions %q", r.opinions)
					}
				})
			}
		}
	}
}

func TestSHA1NeedsAnExceptionThatStillRuns(t *testing.T) {
	for _, p := range []idptest.SAMLProfile{idptest.SAMLAuth0, idptest.SAMLOkta} {
		r := newRP(t, idptest.SAMLOptions{Profile: p, SHA1: true})
		r.refuse("saml-sha1/sha1", nil)
		r.conn.SAML.AllowSHA1 = noon
		r.refuse("saml-sha1/sha1", nil)
		r.conn.SAML.AllowSHA1 = noon.Add(time.Second)
		r.admit(nil)
		if r.sha1 == 0 || r.opinions[0] != "agree" {
			t.Errorf("counted %d, opinions %q", r.sha1, r.opinions)
		}
	}
	r := newRP(t, idptest.SAMLOptions{})
	r.refuse("saml-sha1/sha1", func(o *idptest.RespondOptions) { o.Digest = idptest.AlgSHA1 })
}

func TestTheHintForAuth0IsItsOwnSetting(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{Profile: idptest.SAMLAuth0, SHA1: true})
	r.conn.Provider = idp.Auth0
	_, err := r.complete(r.respond(nil))
	if !strings.Contains(hint(err), `{"signatureAlgorithm":"rsa-sha256","digestAlgorithm":"sha256"}`) {
		t.Fatalf("hint %q", hint(err))
	}
}

func TestKeysThatAreNotActiveVerifyNothing(t *testing.T) {
	other := newKey(t, "rsa", noon.AddDate(1, 0, 0))
	sign := func(o *idptest.RespondOptions) { o.Key = &other }
	for want, state := range map[string]idp.SAMLKeyState{
		"saml-key/unknown": "", "saml-key/pending": idp.KeyPending, "saml-key/retired": idp.KeyRetired,
	} {
		r := newRP(t, idptest.SAMLOptions{})
		if state != "" {
			r.trust(other, state)
		}
		r.refuse(want, sign)
		if r.unknown != 1 {
			t.Errorf("%s: told of %d unknown keys", want, r.unknown)
		}
	}
	r := newRP(t, idptest.SAMLOptions{})
	r.trust(other, idp.KeyActive)
	r.admit(sign)
	ec := newKey(t, "p256", noon.AddDate(1, 0, 0))
	newRP(t, idptest.SAMLOptions{}).refuse("saml-key/type", func(o *idptest.RespondOptions) { o.Key = &ec })
}

// An admin who reads of a certificate that waits may confirm it. So it is not read of whatever a stranger names, and also
// where nothing is named.
func TestOnlyItsOwnSignatureSpeaksForAKeyThatWaits(t *testing.T) {
	waits, stranger := newKey(t, "rsa", noon.AddDate(1, 0, 0)), newKey(t, "rsa", noon.AddDate(1, 0, 0))
	for word, state := range map[string]idp.SAMLKeyState{"pending": idp.KeyPending, "retired": idp.KeyRetired} {
		r := newRP(t, idptest.SAMLOptions{})
		r.trust(waits, state)
		r.refuse("saml-key/unknown", func(o *idptest.RespondOptions) {
			o.Key, o.KeyInfo, o.OtherCertificate = &stranger, idptest.KeyInfoOther, waits.Certificate
		})
		r.refuse("saml-key/"+word, func(o *idptest.RespondOptions) { o.Key, o.KeyInfo = &waits, idptest.KeyInfoNone })
	}
}

func TestKeyInfoSelectsNothing(t *testing.T) {
	forged, real := newKey(t, "rsa", noon.AddDate(1, 0, 0)), newRP(t, idptest.SAMLOptions{})
	// signed by a stranger who names the provider's certificate
	real.refuse("saml-signature/value", func(o *idptest.RespondOptions) {
		o.Key, o.KeyInfo, o.OtherCertificate = &forged, idptest.KeyInfoOther, real.idp.Key().Certificate
	})
	// signed by the provider, who names a stranger's certificate, or none
	real.admit(func(o *idptest.RespondOptions) {
		o.KeyInfo, o.OtherCertificate = idptest.KeyInfoOther, forged.Certificate
	})
	real.admit(func(o *idptest.RespondOptions) { o.KeyInfo = idptest.KeyInfoNone })
	if got := strings.Join(real.opinions, ", "); got != "skipped key-info, agree" {
		t.Errorf("opinions %q", got)
	}
}

func TestTwoActiveKeysWorkWithoutKeyInfo(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	next := newKey(t, "rsa", noon.AddDate(1, 0, 0))
	r.trust(next, idp.KeyActive)
	none := func(o *idptest.RespondOptions) { o.KeyInfo = idptest.KeyInfoNone }
	r.admit(none)
	r.admit(func(o *idptest.RespondOptions) { none(o); o.Key = &next })
	if got := strings.Join(r.opinions, ", "); got != "agree, agree" {
		t.Errorf("opinions %q", got)
	}
}

func TestExpiredCertificates(t *testing.T) {
	old := newKey(t, "rsa", noon.Add(-time.Hour))
	sign := func(o *idptest.RespondOptions) { o.Key = &old }
	r := newRP(t, idptest.SAMLOptions{})
	r.trust(old, idp.KeyActive)
	r.admit(sign)
	if r.opinions[0] != "skipped certificate-time" {
		t.Errorf("opinions %q", r.opinions)
	}
	r.conn.SAML.CertExpiry = idp.ExpiryStrict
	r.refuse("saml-key/expired", sign)
}

func TestKeysThatCanBeBrokenAreNoKeys(t *testing.T) {
	small := newKey(t, "rsa1024", noon.AddDate(1, 0, 0))
	r := newRP(t, idptest.SAMLOptions{})
	r.trust(small, idp.KeyActive)
	r.refuse("saml-config/certificate", func(o *idptest.RespondOptions) { o.Key = &small })
}

func TestPaddedBase64IsOurs(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	xml := decode(t, r.respond(func(o *idptest.RespondOptions) { o.Sign = idptest.SignAssertion }))
	at := strings.Index(xml, "SignatureValue>") + len("SignatureValue>")
	padded := xml[:at] + "\n    " + xml[at:at+76] + "\n    " + xml[at+76:]
	if _, err := r.complete(base64.StdEncoding.EncodeToString([]byte(padded))); err != nil {
		t.Fatal(err)
	}
	if r.opinions[0] != "skipped spaced-base64" {
		t.Errorf("opinions %q", r.opinions)
	}
}

func decode(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
