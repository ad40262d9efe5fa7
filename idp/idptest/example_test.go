package idptest_test

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// A test starts a provider, sends a browser through it, and looks at what came back.
func ExampleStart() {
	op, err := idptest.Start(idptest.Options{
		Now: time.Now, Alg: "ES256",
		Clients: []idptest.Client{{ID: "app", Secret: "s", RedirectURIs: []string{"http://localhost:9/callback"}}},
		People:  []idptest.Person{{Sub: "1", UserName: "ada", Name: "Ada Admin"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer op.Close()
	browser := idptest.NewBrowser("ada", nil)
	browser.Stop = func(u *url.URL) bool { return u.Host == "localhost:9" }
	q := url.Values{
		"client_id": {"app"}, "redirect_uri": {"http://localhost:9/callback"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	page, err := browser.Open(context.Background(), op.Issuer()+"/authorize?"+q.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	answer := page.Location.Query()
	fmt.Println(answer.Get("state"), answer.Has("code"), answer.Get("iss") == op.Issuer())

	op.Fault("error=access_denied")
	page, err = browser.Open(context.Background(), op.Issuer()+"/authorize?"+q.Encode())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Location.Query().Get("error"))
	// Output:
	// st true true
	// access_denied
}
