package saml_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// fetcher is a connector with the gate's own client, which may reach this machine.
func fetcher(t *testing.T, e idp.Egress) *saml.Connector {
	t.Helper()
	client, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	c := newRP(t, idptest.SAMLOptions{}).connector
	c.Client, c.Insecure = client, e.Insecure
	return c
}

func TestMetadataIsFetchedWholeOrNotAtAll(t *testing.T) {
	c := fetcher(t, idp.Egress{Insecure: true})
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "application/samlmetadata+xml") {
			w.WriteHeader(http.StatusNotAcceptable)
		}
		_, _ = fmt.Fprint(w, "<good/>")
	})
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://localhost:1/good", http.StatusFound)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20+1)) })
	mux.HandleFunc("/gone", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, "secret words")
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = fmt.Fprint(w, "<half")
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	for path, want := range map[string]string{
		"/good": "", "/moved": "", "/away": "idp-metadata/fetch", "/large": "idp-metadata/fetch", "/gone": "idp-metadata/status", "/cut": "idp-unavailable/fetch",
	} {
		b, err := c.Fetch(t.Context(), srv.URL+path)
		if want == "" && (err != nil || string(b) != "<good/>") || want != "" && (reason(err) != want || b != nil) {
			t.Errorf("%s: %q, %s", path, b, reason(err))
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || hint(err) == "") {
			t.Errorf("%s: %v, hint %q", path, err, hint(err))
		}
	}
	c.Client = srv.Client() // a client without limits of its own
	if _, err := c.Fetch(t.Context(), srv.URL+"/large"); reason(err) != "idp-metadata/too-large" {
		t.Errorf("too large: %s", reason(err))
	}
}

func TestMetadataIsFetchedFromNowhereItShouldNotBe(t *testing.T) {
	c := fetcher(t, idp.Egress{})
	for address, want := range map[string]string{
		"":                             "saml-config/metadata-url",
		"http://idp.example/m":         "saml-config/metadata-url",
		"file:///etc/passwd":           "saml-config/metadata-url",
		"https://u:p@idp.example/m":    "saml-config/metadata-url",
		"https://127.0.0.1:1/metadata": "idp-metadata/fetch",
		"https://169.254.169.254/":     "idp-metadata/fetch",
	} {
		if _, err := c.Fetch(t.Context(), address); reason(err) != want {
			t.Errorf("%q: %s, want %s", address, reason(err), want)
		}
	}
}

func TestFetchThatWasGivenUpIsNoFaultOfTheProvider(t *testing.T) {
	c := fetcher(t, idp.Egress{Insecure: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Fetch(ctx, "http://127.0.0.1:1/"); !errors.Is(err, context.Canceled) || idp.CodeOf(err) != "" {
		t.Errorf("%v", err)
	}
}
