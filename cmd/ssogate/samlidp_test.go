package main

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// samlIdP is where a story keeps its SAML provider.
type samlIdP struct{ *idptest.SAMLIdP }

const samlIdPKey = "saml"

// samlProvider does what happens at a SAML provider:
//
//	samlidp start PROFILE        serves on https: $METADATA is its metadata's address, $ENTITY its name, ca.pem its CA
//	samlidp file PROFILE FILE    writes the metadata of a further one
//	samlidp certificate FILE     writes the certificate that signs
//	samlidp next                 publishes a next key and goes on signing with the old
//	samlidp turn                 signs with the next key and withdraws the old
//	samlidp signs                signs its metadata from now on, with the key that signs then
func samlProvider(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: samlidp start|file|certificate|next|turn|signs ...")
	}
	here, ok := ts.Value(samlIdPKey).(*samlIdP)
	if !ok {
		ts.Fatalf("the story has no place for a SAML provider")
	}
	switch verb := args[0]; verb {
	case "start":
		here.SAMLIdP = startSAML(ts, args[1])
	case "file":
		p, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: "https://sso.acme.example/realms/acme", Profile: profileOf(args[1]), Now: time.Now})
		ts.Check(err)
		document, err := p.Metadata(idptest.MetadataOptions{})
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), document, 0o600))
	case "certificate":
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: here.Key().Certificate})
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
	case "next":
		key, err := here.PublishNextKey()
		ts.Check(err)
		ts.Setenv("NEXT", key.SHA256()[:16])
	case "turn":
		here.SignWithNext()
		here.WithdrawOldKeys()
	case "signs":
		here.SignMetadata(true)
	default:
		ts.Fatalf("samlidp does not know how to %s", verb)
	}
}

func profileOf(word string) idptest.SAMLProfile {
	if word == "plain" {
		return idptest.SAMLPlain
	}
	return idptest.SAMLProfile(word)
}

func startSAML(ts *testscript.TestScript, profile string) *idptest.SAMLIdP {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS()
	p, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: srv.URL, Profile: profileOf(profile), Now: time.Now})
	ts.Check(err)
	srv.Config.Handler = p
	ts.Defer(srv.Close)
	ts.Setenv("METADATA", p.URL("/metadata"))
	ts.Setenv("ENTITY", p.EntityID())
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o600))
	return p
}
