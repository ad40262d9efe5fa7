package saml_test

import (
	"crypto/x509"
	"fmt"
	"testing"

	saml2 "github.com/russellhaering/gosaml2"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// BenchmarkComplete is one sign-in, from the form to the identity. Its baseline is gosaml2 alone on the smallest one.
func BenchmarkComplete(b *testing.B) {
	for name, shape := range shapes(b) {
		for _, n := range []int{10, 500, 2000} {
			r, edit := shape(b, n)
			response := r.respond(edit)
			b.Run(fmt.Sprintf("%dgroups/%s", n, name), func(b *testing.B) {
				b.SetBytes(int64(len(response)))
				for b.Loop() {
					if _, err := r.complete(response); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
	b.Run("10groups/gosaml2-baseline", benchmarkBaseline)
}

func benchmarkBaseline(b *testing.B) {
	r := newRP(b, idptest.SAMLOptions{Profile: idptest.SAMLOkta})
	response := r.respond(func(o *idptest.RespondOptions) { o.Groups = groups(10) })
	cert, err := x509.ParseCertificate(r.idp.Key().Certificate)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(response)))
	for b.Loop() {
		sp := &saml2.SAMLServiceProvider{
			IdentityProviderIssuer: r.idp.EntityID(), AssertionConsumerServiceURL: acs, AudienceURI: entityID,
			IDPCertificateStore: &dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}}, Clock: dsig.NewFakeClockAt(noon),
		}
		if _, err := sp.ValidateEncodedResponse(response); err != nil {
			b.Fatal(err)
		}
	}
}
