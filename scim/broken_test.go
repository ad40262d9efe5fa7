package scim_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// broken is a store that is down, or worse.
type broken struct{ panics bool }

var errDown = errors.New("connection refused to 10.0.0.5")

func (b broken) fail() error {
	if b.panics {
		panic("impossible")
	}
	return errDown
}

func (b broken) Person(context.Context, tenant.ID, directory.UserID, tenant.ConnectionID) (directory.Person, error) {
	return directory.Person{}, b.fail()
}

func (b broken) Users(context.Context, tenant.ID, directory.Query[directory.User]) (p directory.Page[directory.User], err error) {
	return p, b.fail()
}

func (b broken) Groups(context.Context, tenant.ID, directory.Query[directory.Group]) (p directory.Page[directory.Group], err error) {
	return p, b.fail()
}

func (b broken) Members(context.Context, tenant.ID, directory.GroupID, func([]directory.UserID) error) error {
	return b.fail()
}

func (b broken) Update(context.Context, tenant.ID, func(directory.Tx) error) error { return b.fail() }

type credentials struct{ err error }

func (c credentials) Tenant(context.Context, secret.Text) (tenant.ID, directory.TokenID, error) {
	if c.err != nil {
		return "", "", c.err
	}
	return "acme", "k", nil
}

// Identity providers repeat a 503. A 400 is final to Okta, and a 401 or 404 sends Entra's job into quarantine.
func TestOurFaultsAreNeverTheClients(t *testing.T) {
	for name, h := range map[string]*scim.Handler{
		"store down":       {Store: broken{}, Credentials: credentials{}},
		"store panics":     {Store: broken{panics: true}, Credentials: credentials{}},
		"token store down": {Store: broken{}, Credentials: credentials{errDown}},
	} {
		h.PublicURL, h.Now, h.Log = &url.URL{Scheme: "https", Host: "x"}, time.Now, slog.New(slog.DiscardHandler)
		for _, request := range []string{
			"GET /Users", "GET /Users/x", "GET /Groups", "GET /Groups/x", `POST /Users {"userName":"x"}`, `PUT /Users/x {"userName":"x"}`,
			`PATCH /Users/x {"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"remove","path":"title"}]}`,
			"DELETE /Users/x", `POST /Groups {"displayName":"x"}`, "DELETE /Groups/x",
			`POST /Users/.search {"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]}`,
		} {
			parts := strings.SplitN(request, " ", 3)
			body := ""
			if len(parts) == 3 {
				body = parts[2]
			}
			r := httptest.NewRequestWithContext(t.Context(), parts[0], scim.Base+parts[1], strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer x")
			r.Header.Set("Content-Type", "application/scim+json")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.5") || !strings.Contains(w.Body.String(), `"status":"503"`) {
				t.Errorf("%s: %s: %d %v %s", name, parts[1], w.Code, w.Header(), w.Body)
			}
		}
	}
}
