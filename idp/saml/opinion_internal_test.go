package saml

import (
	"testing"

	"github.com/russellhaering/gosaml2/types"

	"github.com/tracio-ai/ssogate/idp"
)

func read() (verified, answer, *types.Response) {
	v := verified{responseBy: &proof{}}
	ours := answer{assertion: assertion{
		id: "_a", issuer: "i", nameID: idp.NameID{Value: "n", Format: "f", NameQualifier: "q", SPNameQualifier: "p"},
		authn: authn{sessionIndex: "s"}, conditions: conditions{audiences: [][]string{{"x", "y"}}},
		attributes: []attribute{{name: "a", values: []value{{text: "1"}, {text: "2"}}}},
	}}
	theirs := &types.Response{SignatureValidated: true, Assertions: []types.Assertion{{
		ID: "_a", Issuer: &types.Issuer{Value: " i\n"},
		Subject:            &types.Subject{NameID: &types.NameID{Value: "n", Format: "f", NameQualifier: "q", SPNameQualifier: "p"}},
		AuthnStatement:     &types.AuthnStatement{SessionIndex: "s"},
		Conditions:         &types.Conditions{AudienceRestrictions: []types.AudienceRestriction{{Audiences: []types.Audience{{Value: "x"}, {Value: "y"}}}}},
		AttributeStatement: &types.AttributeStatement{Attributes: []types.Attribute{{Name: "a", Values: []types.AttributeValue{{Value: "1"}, {Value: "2"}}}}},
	}}}
	return v, ours, theirs
}

func TestTheTwoReadingsAreCompared(t *testing.T) {
	if got := difference(read()); got != "" {
		t.Fatalf("the same reading differs in %q", got)
	}
	for want, change := range map[string]func(r *types.Response, a *types.Assertion){
		"assertions":         func(r *types.Response, _ *types.Assertion) { r.Assertions = nil },
		"response-signature": func(r *types.Response, _ *types.Assertion) { r.SignatureValidated = false },
		"assertion-id":       func(_ *types.Response, a *types.Assertion) { a.ID = "_b" },
		"issuer":             func(_ *types.Response, a *types.Assertion) { a.Issuer.Value = "j" },
		"name-id":            func(_ *types.Response, a *types.Assertion) { a.Subject.NameID.Value = "m" },
		"name-id-format":     func(_ *types.Response, a *types.Assertion) { a.Subject.NameID.Format = "" },
		"session-index":      func(_ *types.Response, a *types.Assertion) { a.AuthnStatement.SessionIndex = "" },
		"audiences":          func(_ *types.Response, a *types.Assertion) { a.Conditions.AudienceRestrictions[0].Audiences = nil },
		"attributes":         func(_ *types.Response, a *types.Assertion) { a.AttributeStatement.Attributes[0].Values[1].Value = "3" },
	} {
		v, ours, theirs := read()
		var first *types.Assertion
		if len(theirs.Assertions) > 0 {
			first = &theirs.Assertions[0]
		}
		change(theirs, first)
		if got := difference(v, ours, theirs); got != want {
			t.Errorf("difference %q, want %q", got, want)
		}
	}
	v, ours, theirs := read()
	v.responseBy, theirs.SignatureValidated = nil, false
	if got := difference(v, ours, theirs); got != "assertion-signature" {
		t.Errorf("difference %q", got)
	}
}
