package xmlguard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml/internal/xmlguard"
)

func TestResponsesOfSixProvidersAreAccepted(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	sp, err := idptest.NewSAMLKey("rsa", "gate", noon.Add(-time.Hour), noon.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	groups := make([]string, 2000)
	for i := range groups {
		groups[i] = fmt.Sprintf("%08d-aaaa-4aaa-8aaa-aaaaaaaaaaaa", i)
	}
	for _, profile := range []idptest.SAMLProfile{
		idptest.SAMLOkta, idptest.SAMLAuth0, idptest.SAMLEntra, idptest.SAMLADFS, idptest.SAMLGoogle, idptest.SAMLKeycloak,
	} {
		provider, err := idptest.NewSAML(idptest.SAMLOptions{
			BaseURL: "https://idp.example", Profile: profile, Now: func() time.Time { return noon },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, encrypt := range [][]byte{nil, sp.Certificate} {
			for _, sign := range []idptest.SAMLSign{idptest.SignProfile, idptest.SignAssertion, idptest.SignResponse, idptest.SignBoth} {
				for _, n := range []int{0, 1, 2000} {
					if n == 2000 && sign != idptest.SignProfile {
						continue // slow to make
					}
					document, err := provider.RespondXML(idptest.RespondOptions{
						SP:     idptest.SAMLSP{EntityID: "https://gate.example/m", ACS: "https://gate.example/acs", Encryption: encrypt},
						Person: idptest.Person{Sub: "ada", Email: "ada@acme.example", Name: "Ada Äpfel & Co", Groups: groups[:n]},
						Sign:   sign, InResponseTo: "_q", Now: noon,
					})
					if err != nil {
						t.Fatal(err)
					}
					limit := 0
					if profile == idptest.SAMLKeycloak && encrypt != nil {
						limit = xmlguard.MaxBytes // 2,000 of its groups are 603 KiB before they are encrypted
					}
					if _, err := xmlguard.Check([]byte(document), xmlguard.Response, limit); err != nil {
						t.Errorf("%s signing %q with %d groups, encrypted %v, %d bytes: %v", profile, sign, n, encrypt != nil, len(document), err)
					}
				}
			}
		}
	}
}
