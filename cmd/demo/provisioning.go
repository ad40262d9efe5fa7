package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// tokenLabel marks the SCIM tokens that are the demo's own to replace.
const tokenLabel = "demo"

// panelPath is where the provider has its page for admins.
const panelPath = "/panel"

// provider is the pretend identity provider with its provisioning panel in front and the SAML one beside it.
func (d *demo) provider(op *idptest.OP) http.Handler {
	d.panel = &idptest.Panel{
		OP: op, Groups: []string{"admins", "analysts", "viewers"}, Open: d.url() + "/",
		Provisioner: &idptest.Provisioner{
			URL: d.url() + "/scim/v2", Manner: idptest.OktaOIN,
			Client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
		},
	}
	mux := http.NewServeMux()
	mux.Handle(panelPath, d.panel)
	mux.Handle(samlPath+"/", d.saml)
	mux.Handle("/", op)
	return mux
}

// provision gives the panel a token and pushes everyone through Envoy, as a provider does once it is set up.
func (d *demo) provision(ctx context.Context) error {
	token, err := d.token(ctx)
	if err != nil {
		return err
	}
	d.panel.Provisioner.Token = token
	if err := d.panel.Sync(ctx); err != nil {
		return fmt.Errorf("push people and groups to the gate: %w", err)
	}
	return nil
}

// token makes a SCIM token in place of the one of the start before. It is kept in memory alone.
func (d *demo) token(ctx context.Context) (string, error) {
	var live []struct{ ID, Label, State string }
	if err := d.ask(ctx, tenantID, &live, "scim", "token", "list"); err != nil {
		return "", err
	}
	for _, t := range live {
		if t.Label == tokenLabel && t.State == "live" {
			var revoked struct{ ID string }
			if err := d.ask(ctx, tenantID, &revoked, "scim", "token", "revoke", t.ID, "--yes"); err != nil {
				return "", err
			}
		}
	}
	var made struct{ Token string }
	if err := d.ask(ctx, tenantID, &made, "scim", "token", "create", "--label", tokenLabel); err != nil {
		return "", err
	}
	if made.Token == "" {
		return "", errors.New("ssogate scim token create printed no token")
	}
	return made.Token, nil
}

// ask runs a command of the gate's about one of the demo's tenants and reads its JSON.
func (d *demo) ask(ctx context.Context, tenant string, into any, command ...string) error {
	out, err := d.ssogate(ctx, append(command, "--tenant", tenant, "-c", d.file("ssogate.yaml"), "--output", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("read what ssogate %s printed: %w", command[0], err)
	}
	return nil
}
