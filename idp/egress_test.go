package idp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
)

func TestGateDoesNotLookAroundItsOwnMachineUnlessToldTo(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer srv.Close()
	for _, e := range []struct {
		egress idp.Egress
		works  bool
	}{{idp.Egress{}, false}, {idp.Egress{Allow: []string{"127.0.0.1"}}, false}, {idp.Egress{Insecure: true}, true}} {
		client, err := e.egress.Client()
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Get(srv.URL)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != e.works {
			t.Errorf("%+v: %v", e.egress, err)
		}
		client.CloseIdleConnections()
	}
	if asked != 1 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestEgressNamesTheBadSetting(t *testing.T) {
	for _, e := range []idp.Egress{{Allow: []string{"https://idp.example"}}, {Allow: []string{"0.0.0.0/0"}}, {CAFile: "/does/not/exist.pem"}} {
		if _, err := e.Client(); err == nil || !strings.HasPrefix(err.Error(), "egress: ") {
			t.Errorf("%+v: %v", e, err)
		}
	}
}
