package saml_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

func TestEncryptedAssertionsAreOpened(t *testing.T) {
	key := newSPKey(t)
	for _, data := range []string{idptest.AlgAES128GCM, idptest.AlgAES192GCM, idptest.AlgAES256GCM} {
		for _, e := range []idptest.SAMLEncryption{
			{}, {Beside: true}, {KeyInfo: true}, {Digest: idptest.AlgSHA256},
			{Transport: idptest.AlgOAEP11, Digest: idptest.AlgSHA256, MGF: idptest.AlgMGF1SHA256}, {Transport: idptest.AlgOAEP11},
		} {
			e.Data = data
			r := newRP(t, idptest.SAMLOptions{})
			r.encrypt(key)
			r.conn.SAML.WantEncrypted = true
			r.admit(func(o *idptest.RespondOptions) { o.Encryption, o.Sign = e, idptest.SignAssertion })
			want := "agree"
			if e.Digest != "" {
				want = "skipped oaep-digest"
			}
			if r.opinions[0] != want {
				t.Errorf("%+v: opinions %q, want %s", e, r.opinions, want)
			}
		}
	}
}

// gosaml2 reads the last certificate beside the encrypted key, and no blanks in it. A provider that writes them is no
// reason to raise the alarm.
func TestCertificatesBesideTheKeyAreNoDisagreement(t *testing.T) {
	key, stranger := newSPKey(t), newSPKey(t)
	const open = "<ds:X509Certificate>"
	second := open + base64.StdEncoding.EncodeToString(stranger.Certificate) + "</ds:X509Certificate></ds:X509Data>"
	for want, edit := range map[string][2]string{
		"agree":                          {open, open + "\n"},
		"skipped spaced-base64":          {open, open + "\n  "},
		"skipped encryption-certificate": {"</ds:X509Data>", second},
	} {
		r := newRP(t, idptest.SAMLOptions{})
		r.encrypt(key)
		r.admit(func(o *idptest.RespondOptions) {
			o.Encryption.KeyInfo, o.Sign = true, idptest.SignAssertion
			o.AfterSigning = func(xml string) string { return strings.Replace(xml, edit[0], edit[1], 1) }
		})
		if r.opinions[0] != want {
			t.Errorf("opinions %q, want %s", r.opinions, want)
		}
	}
}

func TestBothOfOurKeysDecrypt(t *testing.T) {
	current, next := newSPKey(t), newSPKey(t)
	r := newRP(t, idptest.SAMLOptions{})
	r.conn.SAML.SPKeys = []idp.SAMLSPKey{current, next}
	for _, k := range []idp.SAMLSPKey{current, next} {
		r.admit(func(o *idptest.RespondOptions) { o.EncryptTo = k.Certificate })
	}
	if strings.Join(r.opinions, ", ") != "agree, agree" {
		t.Errorf("opinions %q", r.opinions)
	}
}

// A response that is not signed can be anybody's: from how changed ciphertexts are refused they would learn the plaintext.
func TestBlockCiphersNeedASignedResponse(t *testing.T) {
	key := newSPKey(t)
	for _, data := range []string{idptest.AlgAES128CBC, idptest.AlgAES192CBC, idptest.AlgAES256CBC} {
		r := newRP(t, idptest.SAMLOptions{})
		r.encrypt(key)
		cbc := func(s idptest.SAMLSign) func(*idptest.RespondOptions) {
			return func(o *idptest.RespondOptions) { o.Encryption.Data, o.Sign = data, s }
		}
		r.refuse("saml-decrypt/cbc", cbc(idptest.SignAssertion))
		r.admit(cbc(idptest.SignResponse))
		r.admit(cbc(idptest.SignBoth))
	}
}

func TestAnEncryptedAssertionNeedsASignatureAllTheSame(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.encrypt(newSPKey(t))
	r.refuse("saml-signature/missing", func(o *idptest.RespondOptions) { o.Sign = idptest.SignNothing })
}

func TestAPlainAssertionIsRefusedWhereEncryptionIsWanted(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.conn.SAML.WantEncrypted = true
	r.refuse("saml-decrypt/plain", nil)
}

// Whether our key, theirs or the content is at fault must look the same.
func TestFaultsOfEncryptionLookAlike(t *testing.T) {
	key, stranger := newSPKey(t), newSPKey(t)
	r := newRP(t, idptest.SAMLOptions{})
	r.encrypt(key)
	sealed := decode(t, r.respond(func(o *idptest.RespondOptions) { o.Sign = idptest.SignAssertion }))
	values := regexp.MustCompile(`CipherValue>([^<]+)<`).FindAllStringSubmatch(sealed, -1)
	if len(values) != 2 {
		t.Fatalf("%d cipher values", len(values))
	}
	texts := map[string]bool{}
	note := func(err error) {
		t.Helper()
		if reason(err) != "saml-decrypt/content" {
			t.Errorf("reason %s", reason(err))
		}
		texts[err.Error()+hint(err)] = true
	}
	for _, v := range values {
		_, err := r.complete(base64.StdEncoding.EncodeToString([]byte(strings.Replace(sealed, v[1], flip(t, v[1]), 1))))
		note(err)
	}
	_, err := r.complete(r.respond(func(o *idptest.RespondOptions) { o.EncryptTo, o.Sign = stranger.Certificate, idptest.SignAssertion }))
	note(err)
	if len(texts) != 1 {
		t.Errorf("%d texts: %v", len(texts), texts)
	}
}

func flip(t *testing.T, s string) string {
	t.Helper()
	b := []byte(decode(t, s))
	b[len(b)/2] ^= 1
	return base64.StdEncoding.EncodeToString(b)
}

func TestWithoutADecryptionKeyTheAdminHearsOfIt(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	k := newSPKey(t)
	r.refuse("saml-decrypt/no-key", func(o *idptest.RespondOptions) { o.EncryptTo = k.Certificate })
	r.conn.SAML.SPKeys = []idp.SAMLSPKey{k}
	r.conn.SAML.SPKeys[0].Use = idp.UseSigning
	r.refuse("saml-decrypt/no-key", func(o *idptest.RespondOptions) { o.EncryptTo = k.Certificate })
}

func TestAnAssertionDoesNotShareItsResponsesID(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	r.encrypt(newSPKey(t))
	r.refuse("saml-shape/duplicate-id", func(o *idptest.RespondOptions) {
		o.Sign, o.AssertionID = idptest.SignAssertion, "_a1"
		o.AfterSigning = func(xml string) string { return regexp.MustCompile(` ID="[^"]+"`).ReplaceAllString(xml, ` ID="_a1"`) }
	})
}
