package oidc

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tracio-ai/ssogate/idp"
)

// entraConsumers is the directory of personal Microsoft accounts: everybody on earth can be in it.
const entraConsumers = "9188040d-6c67-4c5b-b112-36a304b66dad"

const entraHost = "https://login.microsoftonline.com/"

var guid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// entraIssuer makes the issuer of one directory. The multi-tenant addresses are refused: their issuer is a template
// that any company's tokens fit.
func entraIssuer(tenantID string) (string, error) {
	id := strings.ToLower(strings.TrimSpace(tenantID))
	switch {
	case id == "common", id == "organizations", id == "consumers":
		return "", fmt.Errorf("%q lets in people of other companies: give your own Directory (tenant) ID, from Entra ID > Overview", id)
	case id == entraConsumers:
		return "", errors.New("this is the directory of personal Microsoft accounts: give your company's Directory (tenant) ID")
	case !guid.MatchString(id):
		return "", errors.New("want the Directory (tenant) ID from Entra ID > Overview, such as 6b1f2c52-7e1a-4d36-9a0e-2f9b4b0c7a11")
	}
	return entraHost + id + "/v2.0", nil
}

func entra(issuer string) idp.OIDCSettings {
	s := standard(issuer, "openid", "profile", "email")
	s.ClientAuth = idp.AuthPost
	s.Claims.Groups = "groups"
	return s
}

// entraDirectory holds tid against the directory the issuer names. The issuer check says the same in another way;
// this one also covers a token whose issuer is spelt in a form that leaves the directory out.
func (c checker) entraDirectory() error {
	tid, err := c.text("tid", idp.CodeOrganization)
	if err != nil {
		return err
	}
	rest, ok := strings.CutPrefix(c.conn.Settings.Issuer, entraHost)
	want, _, _ := strings.Cut(rest, "/")
	if tid == entraConsumers || ok && tid != want || tid == "" {
		return fault(idp.CodeOrganization, "The ID token is of another directory. The connection's tenant id must be that of the company's own directory.", "verify ID token: tid is not the connection's directory")
	}
	return nil
}
