package main

import (
	"fmt"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/policies"
)

type envoyCmd struct {
	Config envoyConfigCmd `cmd:"" help:"Print the bootstrap that puts the gate in front of the dashboard."`
}

// Envoy is what the proxy's configuration is rendered from.
func (c Config) Envoy() envoy.Config {
	return envoy.Config{
		PublicURL:     c.PublicURL.String(),
		Listen:        c.Proxy.Listen,
		TLS:           envoy.TLS{Cert: c.Proxy.Cert, Key: c.Proxy.Key},
		CheckAddress:  c.Listen.Check,
		HTTPAddress:   c.Listen.HTTP,
		Dashboard:     c.Proxy.Dashboard,
		Streams:       c.Proxy.Streams,
		AuthBodies:    envoy.AuthBodies(c.Proxy.AuthBodies),
		PolicyHeaders: c.Proxy.PolicyHeaders,
		MaxBody:       uint32(c.SAML.MaxResponse) * 1536, //nolint:gosec // bounded where it is read
		// A policy written for opa-envoy-plugin sets headers nobody has listed.
		AnyPolicyHeader: len(c.Proxy.PolicyHeaders) == 0 && c.Policy.Query != "" && c.Policy.Query != policies.DefaultQuery,
	}
}

type envoyConfigCmd struct {
	Target string `default:"1.40" help:"Envoy's release: 1.36 to 1.40. Envoy does not start on fields it does not know." placeholder:"RELEASE"`
	Plain  bool   `help:"Cleartext on 127.0.0.1, to try things out on this machine."`
	Admin  string `help:"Unix socket of Envoy's admin interface. Default: /run/ssogate/envoy-admin.sock." placeholder:"PATH"`
	Format string `enum:"yaml,json" default:"yaml" help:"yaml or json."`
	Secret bool   `help:"Print the file that tells Envoy where certificate and key are, in place of the bootstrap."`
}

// Run prints the configuration.
func (cmd envoyConfigCmd) Run(a *app) error {
	c, err := a.config()
	if err != nil {
		return err
	}
	e := c.Envoy()
	e.Plain, e.AdminSocket = cmd.Plain, cmd.Admin
	if e.Target, err = envoy.ParseVersion(cmd.Target); err != nil {
		return misused("choose 1.36, 1.37, 1.38, 1.39 or 1.40", "--target %s: not supported", quote(cmd.Target))
	}
	if c.Insecure() && !cmd.Plain {
		return c.problem("public_url", "add --plain, or use https", "public_url: %s is plain http", c.PublicURL)
	}
	if !cmd.Plain && e.TLS.Cert == "" {
		return c.problem("envoy.tls", "add envoy: {tls: {cert: PATH, key: PATH}}, or --plain to try things out",
			"envoy.tls: a certificate is needed for %s", c.PublicURL)
	}
	text, err := cmd.render(a, e)
	if err != nil {
		return err
	}
	if _, err := a.stdout.Write(text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func (cmd envoyConfigCmd) render(a *app, e envoy.Config) ([]byte, error) {
	switch {
	case cmd.Secret:
		return envoy.RenderSecret(e)
	case cmd.Format == "json" || a.json():
		return envoy.RenderJSON(e)
	default:
		return envoy.Render(e)
	}
}
