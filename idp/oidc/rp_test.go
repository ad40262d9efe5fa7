package oidc_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// The tests of this file follow the OpenID Foundation's list for relying parties with the code flow, one for each
// module oidcc-client-test-…, named after its suffix. The modules of sign-out live with extauthz/login.

func rs256(o *idptest.Options, _ *idp.Connection) { o.Alg = "RS256" }

func TestRP_Plain(t *testing.T) {
	w := newWorld(t, rs256)
	w.mustSignIn()
}

func TestRP_InvalidIss(t *testing.T) { refuses(t, idp.CodeIssuer, "wrong-iss") }

func TestRP_MissingSub(t *testing.T) { refuses(t, idp.CodeSubject, "missing-sub") }

func TestRP_InvalidAud(t *testing.T) { refuses(t, idp.CodeAudience, "wrong-aud") }

func TestRP_MissingIat(t *testing.T) { refuses(t, idp.CodeTime, "missing-iat") }

func TestRP_KidAbsentSingleJwks(t *testing.T) {
	w := newWorld(t, rs256)
	w.op.Fault("kid-absent")
	w.mustSignIn()
}

func TestRP_KidAbsentMultipleJwks(t *testing.T) {
	w := newWorld(t, rs256)
	if err := w.op.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	w.op.Fault("kid-absent")
	w.mustSignIn()
}

func TestRP_IdtokenSigRs256(t *testing.T) {
	w := newWorld(t, rs256)
	w.mustSignIn()
}

func TestRP_IdtokenSigNone(t *testing.T) { refuses(t, idp.CodeAlgorithm, "alg-none") }

func TestRP_InvalidSigRs256(t *testing.T) {
	w := newWorld(t, rs256)
	w.op.Fault("invalid-sig")
	w.mustRefuse(idp.CodeSignature)
}

func TestRP_UserinfoInvalidSub(t *testing.T) {
	w := newWorld(t)
	wantUserInfo(w)
	w.op.Fault("userinfo-wrong-sub")
	w.mustRefuse(idp.CodeUserInfo)
}

func TestRP_NonceInvalid(t *testing.T) { refuses(t, idp.CodeNonce, "wrong-nonce") }

func TestRP_ScopeUserinfoClaims(t *testing.T) {
	w := newWorld(t)
	wantUserInfo(w)
	id := w.mustSignIn()
	if id.UserName != "alice" || id.Email != "alice@acme.example" || id.DisplayName != "Alice Weaver" || len(id.Groups) != 2 {
		t.Errorf("identity %+v", id)
	}
	begun := lastRequest(t, w, "/authorize")
	if got := begun.Form.Get("scope"); got != "openid profile email groups" {
		t.Errorf("scope %q", got)
	}
}

func TestRP_ClientSecretBasic(t *testing.T) {
	w := newWorld(t, func(o *idptest.Options, _ *idp.Connection) { o.Clients[0].AuthMethod = "client_secret_basic" })
	w.mustSignIn()
	sent := lastRequest(t, w, "/token")
	if !strings.HasPrefix(sent.Header.Get("Authorization"), "Basic ") || sent.Form.Has("client_secret") {
		t.Errorf("token request %v", sent.Form)
	}
}

func TestRP_MissingAud(t *testing.T) { refuses(t, idp.CodeAudience, "missing-aud") }

func TestRP_InvalidAthash(t *testing.T) { refuses(t, idp.CodeAtHash, "wrong-at-hash") }

func TestRP_InvalidSigEs256(t *testing.T) { refuses(t, idp.CodeSignature, "invalid-sig") }

// TestRP_InvalidSigHs256 refuses the algorithm before the signature matters.
func TestRP_InvalidSigHs256(t *testing.T) { refuses(t, idp.CodeAlgorithm, "alg-hs256") }

func TestRP_UserinfoSigned(t *testing.T) {
	w := newWorld(t)
	wantUserInfo(w)
	w.op.Fault("userinfo-signed")
	if id := w.mustSignIn(); id.Email != "alice@acme.example" {
		t.Errorf("identity %+v", id)
	}
	w.op.Fault("userinfo-wrong-sub")
	w.mustRefuse(idp.CodeUserInfo)
}

func TestRP_UserinfoBearerHeader(t *testing.T) {
	w := newWorld(t)
	wantUserInfo(w)
	w.mustSignIn()
	asked := lastRequest(t, w, "/userinfo")
	if asked.Method != http.MethodGet || !strings.HasPrefix(asked.Header.Get("Authorization"), "Bearer ") || asked.Form.Has("access_token") {
		t.Errorf("userinfo request %s %v", asked.Method, asked.Form)
	}
}

func TestRP_DiscoveryOpenidConfig(t *testing.T) {
	w := newWorld(t, func(o *idptest.Options, _ *idp.Connection) { o.Issuer = "/realms/acme" })
	w.mustSignIn()
	if n := w.op.Count("GET /.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d fetches of the metadata", n)
	}
}

func TestRP_DiscoveryJwksUriKeys(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	if n := w.op.Count("GET /jwks"); n != 1 {
		t.Errorf("%d fetches of the keys", n)
	}
}

func TestRP_DiscoveryIssuerMismatch(t *testing.T) {
	w := newWorld(t)
	w.op.Fault("issuer-mismatch-metadata=" + w.op.Issuer() + "/")
	w.mustRefuse(idp.CodeMetadata)
	w.c = w.connector()
	_, err := w.signIn()
	if e, _ := asError(err); !strings.Contains(e.Hint, "did you mean "+w.op.Issuer()+"/?") {
		t.Errorf("hint %q", e.Hint)
	}
}

func TestRP_SigningKeyRotation(t *testing.T) {
	w := newWorld(t, rs256)
	w.mustSignIn()
	if err := w.op.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	w.mustSignIn()
}

func TestRP_SigningKeyRotationJustBeforeSigning(t *testing.T) {
	w := newWorld(t, rs256)
	w.mustSignIn()
	a := w.attempt()
	back, err := w.visit(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.op.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	w.op.WithdrawOldKeys()
	if _, err := w.complete(t.Context(), a, back); err != nil {
		t.Fatal(err)
	}
}

// TestRP_3rdPartyInitLogin covers this package's half: the hint a third party gave reaches the provider. The start
// itself is a page of extauthz/login.
func TestRP_3rdPartyInitLogin(t *testing.T) {
	w := newWorld(t)
	w.ask.LoginHint = "alice@acme.example"
	w.mustSignIn()
	if got := lastRequest(t, w, "/authorize").Form.Get("login_hint"); got != "alice@acme.example" {
		t.Errorf("login_hint %q", got)
	}
}

func refuses(t *testing.T, code idp.Code, fault string) {
	t.Helper()
	w := newWorld(t)
	w.op.Fault(fault)
	w.mustRefuse(code)
}

func lastRequest(t *testing.T, w *world, path string) idptest.Request {
	t.Helper()
	all := w.op.Requests()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Path == path {
			return all[i]
		}
	}
	t.Fatalf("the provider saw no request for %s", path)
	return idptest.Request{}
}
