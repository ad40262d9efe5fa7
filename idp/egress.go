package idp

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tracio-ai/ssogate/idp/internal/egress"
)

// Egress is what the operator decides about the requests the gate makes to identity providers. Its zero value
// reaches public addresses over https and nothing else: a customer types where a provider lives, and must not be able
// to make the gate look around its own network.
type Egress struct {
	Allow    []string // hosts, addresses and CIDR ranges reached although they are private; https still
	CAFile   string   // PEM file of further certificate authorities
	Insecure bool     // plain http, to this machine alone
}

// Client returns the one HTTP client that every connector of the process shares: its limits per host hold within it.
func (e Egress) Client() (*http.Client, error) {
	c, err := egress.New(egress.Options{Allow: e.Allow, CAFile: e.CAFile, Insecure: e.Insecure})
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	return c, nil
}

// For returns a context whose requests to a host are counted for one connection: who floods it keeps only its own
// people waiting, although thousands of tenants may share the provider's host.
func For(ctx context.Context, c ConnectionID) context.Context { return egress.For(ctx, string(c)) }
