package store

import (
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/idp"
)

// Bounds of what a sign-in stores. Connectors keep far below them.
const (
	maxGroups = 10_000
	maxClaims = 256 << 10
)

// checkIdentity refuses what cannot be stored as it was asserted: an identifier is never repaired into another's.
func checkIdentity(i idp.Identity) error {
	for _, text := range append([]string{
		i.Issuer, i.Subject, i.UserName, i.Email, i.DisplayName, i.ACR, i.SID, i.Joins.ExternalID, i.Joins.UserName,
		i.NameID.Value, i.NameID.Format, i.NameID.NameQualifier, i.NameID.SPNameQualifier,
	}, i.Groups...) {
		if !storable(text) || len(text) > 2048 {
			return &idp.Error{Code: claimsCode(i), Detail: "text", Err: errors.New("a claim is not readable text of at most 2048 bytes")}
		}
	}
	switch {
	case i.Issuer == "" || i.Subject == "":
		code := idp.CodeSubject
		if overSAML(i) {
			code = idp.CodeSAMLNameID
		}
		return &idp.Error{Code: code, Detail: "empty", Err: errors.New("identity without issuer or subject")}
	case len(i.Groups) > maxGroups:
		code := idp.CodeGroupsOverage
		if overSAML(i) {
			code = idp.CodeSAMLOverage
		}
		return &idp.Error{Code: code, Detail: "too-many", Err: fmt.Errorf("%d groups, at most %d", len(i.Groups), maxGroups)}
	}
	return nil
}

// overSAML reports an identity that came in an assertion of SAML: that always has a NameID.
func overSAML(i idp.Identity) bool { return i.NameID.Value != "" }

func claimsCode(i idp.Identity) idp.Code {
	if overSAML(i) {
		return idp.CodeSAMLAttributes
	}
	return idp.CodeClaims
}

func timeCode(i idp.Identity) idp.Code {
	if overSAML(i) {
		return idp.CodeSAMLTime
	}
	return idp.CodeTime
}
