package saml_test

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// With our own semantics off, gosaml2 is alone in noticing the recipient: it has to be heard.
func TestADisagreementRefusesAndAlarms(t *testing.T) {
	var log strings.Builder
	r := newRP(t, idptest.SAMLOptions{})
	r.connector.Log = slog.New(slog.NewTextHandler(&log, nil))
	r.connector.SwitchOff(saml.WithoutSemantics)
	r.refuse("saml-disagreement/error", func(o *idptest.RespondOptions) { o.Recipient = "https://other.example/acs" })
	if r.opinions[0] != "disagree error" {
		t.Errorf("opinions %q", r.opinions)
	}
	if !strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), "alice") || strings.Contains(log.String(), "other.example") {
		t.Errorf("log %s", log.String())
	}
}

// gosaml2 forgets that a carriage return has to be written as a reference. Directories hold addresses of several lines,
// and whoever can edit their own must not be able to raise the alarm with that.
func TestLineEndsOfAnAddressAreNoDisagreement(t *testing.T) {
	for _, text := range []string{"1 Main Street\r\nSpringfield", "1 Main Street\rSpringfield", "\r\n", "x\r"} {
		r := newRP(t, idptest.SAMLOptions{})
		id := r.admit(func(o *idptest.RespondOptions) {
			o.Extra = []idptest.SAMLAttribute{{Name: "street", Values: []string{text}}}
			o.SessionIndex = "a\rb"
		})
		if r.opinions[0] != "agree" {
			t.Errorf("%q: opinions %q", text, r.opinions)
		}
		if want := []any{strings.Trim(text, "\r\n")}; !reflect.DeepEqual(id.Claims["street"], want) || id.SID != "a\rb" {
			t.Errorf("%q was read as %q, session index %q", text, id.Claims["street"], id.SID)
		}
	}
}

func TestWhatGosaml2CannotJudgeIsCounted(t *testing.T) {
	stranger := newKey(t, "rsa", noon.AddDate(1, 0, 0))
	for _, tc := range []struct {
		why  string
		edit func(*idptest.RespondOptions)
	}{
		{"elements", func(o *idptest.RespondOptions) { o.Groups = groups(400) }},
		{"no-response-issuer", func(o *idptest.RespondOptions) {
			o.Sign = idptest.SignAssertion
			o.AfterSigning = func(xml string) string {
				before, _, _ := strings.Cut(xml, "<saml:Issuer")
				to := strings.Index(xml, "</saml:Issuer>") + len("</saml:Issuer>")
				return before + xml[to:]
			}
		}},
		{"padded-issuer", replace(">https://idp.example/saml/metadata</", ">\n https://idp.example/saml/metadata\n</")},
		{"key-info", func(o *idptest.RespondOptions) {
			o.KeyInfo, o.OtherCertificate = idptest.KeyInfoOther, stranger.Certificate
		}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{})
			r.admit(tc.edit)
			if r.opinions[0] != "skipped "+tc.why {
				t.Errorf("opinions %q", r.opinions)
			}
		})
	}
}

func TestShapesThatAreNotSpokenAreRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*idptest.RespondOptions)
	}{
		{"encrypted id", func(o *idptest.RespondOptions) {
			o.BeforeSigning = func(xml string) string {
				return strings.ReplaceAll(strings.ReplaceAll(xml, "<saml:NameID", "<saml:EncryptedID"), "</saml:NameID>", "</saml:EncryptedID>")
			}
		}},
		{"inclusive canonicalization", func(o *idptest.RespondOptions) {
			o.AfterSigning = func(xml string) string {
				return strings.ReplaceAll(xml, idptest.AlgExcC14N, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315")
			}
		}},
		{"two subjects", replace("</saml:Subject>", "</saml:Subject><saml:Subject></saml:Subject>")},
		{"advice", replace("</saml:Conditions>", "</saml:Conditions><saml:Advice></saml:Advice>")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRP(t, idptest.SAMLOptions{})
			_, err := r.complete(r.respond(tc.edit))
			if !strings.HasPrefix(reason(err), "saml-shape/") {
				t.Errorf("%s", reason(err))
			}
		})
	}
}
