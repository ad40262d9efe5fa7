package oidc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// hostile is every fault with the code a sign-in must end with. What an attacker would win stands beside each fault's
// name in idptest.
var hostile = []struct {
	fault string
	code  idp.Code
	set   func(w *world) // what the fault needs to show
}{
	{"wrong-iss", idp.CodeIssuer, nil},
	{"wrong-iss=accounts.google.com", idp.CodeIssuer, nil},
	{"wrong-aud", idp.CodeAudience, nil},
	{"extra-aud", idp.CodeAudience, nil},
	{"missing-aud", idp.CodeAudience, nil},
	{"wrong-azp", idp.CodeAudience, nil},
	{"wrong-nonce", idp.CodeNonce, nil},
	{"no-nonce", idp.CodeNonce, nil},
	{"logout-token-as-id-token", idp.CodeNonce, nil},
	{"logout-token-as-id-token=logout+jwt", idp.CodeResponse, nil},
	{"logout-token-as-id-token=application/AT+JWT", idp.CodeResponse, nil},
	{"wrong-at-hash", idp.CodeAtHash, nil},
	{"alg-none", idp.CodeAlgorithm, nil},
	{"alg-hs256", idp.CodeAlgorithm, nil},
	{"hs256-oct-jwks", idp.CodeAlgorithm, nil},
	{"invalid-sig", idp.CodeSignature, nil},
	{"unknown-kid", idp.CodeSignature, nil},
	{"jwks-empty", idp.CodeSignature, nil},
	{"expired", idp.CodeTime, nil},
	{"missing-exp", idp.CodeTime, nil},
	{"future-iat", idp.CodeTime, nil},
	{"old-iat", idp.CodeTime, nil},
	{"missing-iat", idp.CodeTime, nil},
	{"future-nbf", idp.CodeTime, nil},
	{"missing-sub", idp.CodeSubject, nil},
	{"empty-sub", idp.CodeSubject, nil},
	{"long-sub", idp.CodeSubject, nil},
	{"dup-claim", idp.CodeClaims, nil},
	{"folded-claim", idp.CodeClaims, nil},
	{"folded-claim=ſub", idp.CodeClaims, nil},
	{"folded-claim=ISS", idp.CodeClaims, nil},
	{"folded-claim=Exp", idp.CodeClaims, nil},
	{"folded-claim=Groups", idp.CodeClaims, nil},
	{"dup-nested", idp.CodeClaims, nil},
	{"deep-claims", idp.CodeClaims, nil},
	{"json-serialised", idp.CodeResponse, nil},
	{"encrypted", idp.CodeResponse, nil},
	{"padded-jws", idp.CodeResponse, nil},
	{"no-id-token", idp.CodeResponse, nil},
	{"wrong-acr", idp.CodeACR, func(w *world) { w.ask.ACR = []string{"mfa"} }},
	{"no-auth-time", idp.CodeTime, func(w *world) { w.ask.MaxAge = new(time.Hour) }},
	{"stale-auth-time", idp.CodeTime, func(w *world) { w.conn.Settings.MaxAge = new(time.Hour) }},
	{"issuer-mismatch-metadata", idp.CodeMetadata, nil},
	{"metadata-down", idp.CodeUnavailable, nil},
	{"redirecting-metadata", idp.CodeMetadata, nil},
	{"broken-metadata", idp.CodeMetadata, nil},
	{"endless-body", idp.CodeMetadata, nil},
	{"jwks-down", idp.CodeUnavailable, nil},
	{"no-iss-param", idp.CodeIssuer, nil},
	{"wrong-iss-param", idp.CodeIssuer, nil},
	{"dup-param", idp.CodeResponse, nil},
	{"error=access_denied", idp.CodeAccessDenied, nil},
	{"error=login_required", idp.CodeInteraction, nil},
	{"error=interaction_required", idp.CodeInteraction, nil},
	{"error=consent_required", idp.CodeInteraction, nil},
	{"error=account_selection_required", idp.CodeInteraction, nil},
	{"error=server_error", idp.CodeUnavailable, nil},
	{"error=temporarily_unavailable", idp.CodeUnavailable, nil},
	{"error=invalid_request", idp.CodeClient, nil},
	{"error=unauthorized_client", idp.CodeClient, nil},
	{"error=invalid_scope", idp.CodeClient, nil},
	{"error=internal-host-7", idp.CodeResponse, nil},
	{"token-500", idp.CodeUnavailable, nil},
	{"token-error=invalid_grant", idp.CodeResponse, nil},
	{"token-error=invalid_client", idp.CodeClient, nil},
	{"token-error=internal-host-7", idp.CodeClient, nil},
	{"token-redirect", idp.CodeMetadata, nil},
	{"token-html", idp.CodeResponse, nil},
	{"userinfo-wrong-sub", idp.CodeUserInfo, wantUserInfo},
	{"userinfo-no-sub", idp.CodeUserInfo, wantUserInfo},
	{"userinfo-dup", idp.CodeUserInfo, wantUserInfo},
	{"userinfo-signed=iss", idp.CodeUserInfo, wantUserInfo},
	{"userinfo-signed=aud", idp.CodeUserInfo, wantUserInfo},
	{"userinfo-403", idp.CodeUserInfo, wantUserInfo},
	{"userinfo-500", idp.CodeUnavailable, wantUserInfo},
}

func wantUserInfo(w *world) {
	w.conn.Settings.UserInfo = true
	w.op.Fault("thin-id-token")
}

func TestHostileProviderIsRefusedWithItsOwnCode(t *testing.T) {
	for _, row := range hostile {
		t.Run(row.fault, func(t *testing.T) {
			w := newWorld(t)
			w.op.Fault(row.fault)
			if row.set != nil {
				row.set(w)
			}
			w.mustRefuse(row.code)
			if n := w.op.Count("POST /token"); n > 1 {
				t.Errorf("%d POSTs to the token endpoint", n)
			}
		})
	}
}

// TestFaultsThatAreNone keeps the table above honest: what is allowed to be missing signs in.
func TestFaultsThatAreNone(t *testing.T) {
	for _, fault := range []string{"no-at-hash", "kid-absent", "no-iss-support", "no-auth-time", "wrong-acr", "folded-claim=department", "claim-sources"} {
		t.Run(fault, func(t *testing.T) {
			w := newWorld(t)
			w.op.Fault(fault)
			w.mustSignIn()
		})
	}
}

func TestEveryFaultIsProved(t *testing.T) {
	proved := map[string]bool{
		"no-at-hash": true, "kid-absent": true, "no-iss-support": true, "claim-sources": true, "thin-id-token": true, // signs in
		"overage": true, "overage-hasgroups": true, "token-slow": true, "metadata-slow": true, // tests of their own
	}
	for _, row := range hostile {
		name, _, _ := strings.Cut(row.fault, "=")
		proved[name] = true
	}
	for _, name := range idptest.FaultNames() {
		if !proved[name] {
			t.Errorf("no test switches %q on", name)
		}
	}
}

func TestListedAudienceIsAccepted(t *testing.T) {
	w := newWorld(t)
	w.op.Fault("extra-aud")
	w.conn.Settings.Audiences = []string{"another-client"}
	w.mustSignIn()
}

func TestJunkKeyIDsCostOneFetch(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.Forget()
	w.op.Fault("unknown-kid")
	for range 50 {
		w.mustRefuse(idp.CodeSignature)
		w.clock.Add(500 * time.Millisecond)
	}
	if n := w.op.Count("GET /jwks"); n != 1 {
		t.Errorf("50 unknown key ids in 25 seconds cost %d fetches", n)
	}
}

func TestKeyIDIsUnknownForAMinute(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.Forget()
	w.op.Fault("unknown-kid=junk")
	for _, step := range []struct {
		wait    time.Duration
		fetches int
	}{{0, 1}, {40 * time.Second, 1}, {21 * time.Second, 2}} {
		w.clock.Add(step.wait)
		w.mustRefuse(idp.CodeSignature)
		if n := w.op.Count("GET /jwks"); n != step.fetches {
			t.Errorf("after %v more: %d fetches; want %d", step.wait, n, step.fetches)
		}
	}
	w.clock.Add(time.Hour)
	w.op.Clear()
	w.mustSignIn()
	w.op.Forget()
	w.op.Fault("unknown-kid=" + strings.Repeat("k", 300))
	w.mustRefuse(idp.CodeSignature)
	if n := w.op.Count("GET /jwks"); n != 0 {
		t.Errorf("a key id of 300 bytes costs %d fetches", n)
	}
}

// TestPOSTIsNotRedirectedWhateverTheClient: the gate's own client does not follow either; this one would.
func TestPOSTIsNotRedirectedWhateverTheClient(t *testing.T) {
	w := newWorld(t)
	w.c.Client = &http.Client{}
	w.op.Fault("token-redirect")
	w.mustRefuse(idp.CodeResponse)
	if n := w.op.Count("POST /token"); n != 1 {
		t.Errorf("%d POSTs", n)
	}
}

func TestBadSignatureUnderKnownKeyCostsNoFetch(t *testing.T) {
	w := newWorld(t)
	w.mustSignIn()
	w.op.Forget()
	w.op.Fault("invalid-sig")
	w.mustRefuse(idp.CodeSignature)
	if n := w.op.Count("GET /jwks"); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestWrongClientAuthenticationSendsOnePOST(t *testing.T) {
	for _, row := range []struct {
		at   string
		ours idp.ClientAuth
	}{{"client_secret_post", idp.AuthBasic}, {"client_secret_basic", idp.AuthPost}} {
		w := newWorld(t, func(o *idptest.Options, c *idp.Connection) {
			o.Clients[0].AuthMethod = row.at
			c.Settings.ClientAuth = row.ours
		})
		w.mustRefuse(idp.CodeClient)
		if n := w.op.Count("POST /token"); n != 1 {
			t.Errorf("%s at a provider that wants %s: %d POSTs", row.ours, row.at, n)
		}
	}
}

func TestCodeIsAcceptedOnce(t *testing.T) {
	w := newWorld(t)
	a := w.attempt()
	back, err := w.visit(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.complete(t.Context(), a, back); err != nil {
		t.Fatal(err)
	}
	id, err := w.complete(t.Context(), a, back)
	w.refused(idp.CodeResponse, id, err)
}

// TestCodeOfAnotherAttemptIsRefused: an attacker makes a victim's browser deliver the attacker's code.
func TestCodeOfAnotherAttemptIsRefused(t *testing.T) {
	w := newWorld(t)
	back, err := w.visit(w.attempt())
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.complete(t.Context(), w.attempt(), back)
	w.refused(idp.CodeResponse, id, err)
}

func TestSlowProviderEndsWithTheDeadline(t *testing.T) {
	w := newWorld(t)
	a := w.attempt()
	back, err := w.visit(a)
	if err != nil {
		t.Fatal(err)
	}
	w.op.Fault("token-slow")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	id, err := w.complete(ctx, a, back)
	w.refused(idp.CodeUnavailable, id, err)
}

func TestBrowserThatLeavesIsNotTheProvidersFault(t *testing.T) {
	w := newWorld(t)
	a := w.attempt()
	back, err := w.visit(a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.complete(ctx, a, back); err == nil || idp.CodeOf(err) != "" {
		t.Errorf("got %v; want an error without a code", err)
	}
}

// TestMixUpDoesNotHandTheCodeOver: a tenant's own provider names an honest one's authorization endpoint. The code the
// honest provider gives must not reach the hostile token endpoint.
func TestMixUpDoesNotHandTheCodeOver(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared callback %v", shared), func(t *testing.T) {
			honest := newWorld(t)
			evil := newWorld(t, func(_ *idptest.Options, c *idp.Connection) { c.Settings.SharedCallback = shared })
			evil.op.SetMetadata("authorization_endpoint", honest.op.Issuer()+"/authorize")
			evil.op.SetMetadata("authorization_response_iss_parameter_supported", nil)
			evil.mustRefuse(idp.CodeIssuer)
			if n := evil.op.Count("POST /token"); n != 0 {
				t.Errorf("the hostile token endpoint got %d codes", n)
			}
		})
	}
}

func TestPublicClientIsRefusedOnTheSharedCallback(t *testing.T) {
	w := newWorld(t, func(o *idptest.Options, c *idp.Connection) {
		o.Clients[0].Public = true
		c.Settings.ClientAuth = idp.AuthNone
		c.Settings.SharedCallback = true
	})
	w.mustRefuse(idp.CodeClient)
	if n := w.op.Count("POST /token"); n != 0 {
		t.Errorf("%d codes were sent", n)
	}
	w.conn.Settings.SharedCallback = false
	w.mustSignIn()
}

func TestLinksInTokensAreNotFollowed(t *testing.T) {
	var hits atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer trap.Close()
	w := newWorld(t)
	w.op.Fault("claim-sources=" + trap.URL)
	w.conn.Settings.UserInfo = true
	id := w.mustSignIn()
	if hits.Load() != 0 {
		t.Error("_claim_sources was followed")
	}
	if id.Claims["_claim_sources"] != nil || id.Claims["_claim_names"] != nil {
		t.Error("_claim_sources is kept, and it may hold an access token")
	}
}

func TestSecretsAndTheirWordsStayOutOfTheLog(t *testing.T) {
	w := newWorld(t)
	w.op.Fault("error=access_denied")
	w.mustRefuse(idp.CodeAccessDenied)
	if !strings.Contains(w.log.String(), "internal-host-7") {
		t.Error("error_description is not logged; the operator needs it")
	}
	w.op.Clear()
	for _, fault := range []string{"token-500", "token-html", "broken-metadata", "userinfo-500"} {
		w.op.Fault(fault)
		w.c = w.connector()
		w.signIn() //nolint:errcheck // the table above holds each to its code
		w.op.Clear()
	}
	logged := w.log.String()
	if strings.Count(logged, "internal-host-7") != 1 || strings.Contains(logged, "s3cret") {
		t.Errorf("log repeats the provider or a secret:\n%s", logged)
	}
}
