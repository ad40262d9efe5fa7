package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/policies"
)

// cli is the command line: the tree of commands and what all of them take.
type cli struct {
	Config string `short:"c" placeholder:"FILE" help:"Configuration file. Default: ssogate.yaml, if there is one."`
	Output string `short:"o" enum:"text,json" default:"text" help:"How results are printed: text or json."`

	Serve       serveCmd       `cmd:"" help:"Run the gate."`
	CheckConfig checkConfigCmd `cmd:"" help:"Check the configuration and all it refers to. Prints nothing when all is well."`
	Tenant      tenantCmd      `cmd:"" help:"Customer organisations."`
	Connection  connectionCmd  `cmd:"" help:"Tenants' trust in their identity providers."`
	Mapping     mappingCmd     `cmd:"" help:"Which groups, claims and people get which role."`
	User        userCmd        `cmd:"" help:"People: look, shut out, let back in."`
	SCIM        scimCmd        `cmd:"" name:"scim" help:"What identity providers push: people and groups."`
	SAML        samlCmd        `cmd:"" name:"saml" help:"What SAML connections need beside their settings: our metadata, keys of both sides."`
	Session     sessionCmd     `cmd:"" help:"Signed-in browsers."`
	Envoy       envoyCmd       `cmd:"" help:"Configuration for Envoy."`
	Policy      policyCmd      `cmd:"" help:"Check and test the policy."`
	Keys        keysCmd        `cmd:"" help:"The keys that seal cookies and sign assertions."`
	Audit       auditCmd       `cmd:"" help:"What the gate did."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

// app is what every command is given.
type app struct {
	ctx        context.Context //nolint:containedctx // it lives as long as the one command that is run with it
	getenv     func(string) string
	stdin      io.Reader
	person     bool // somebody sits at stdin and can be asked
	stdout     io.Writer
	stderr     io.Writer
	now        func() time.Time
	configPath string
	output     string
}

// actor is who changes made by commands are recorded under.
const actor = "cli"

// config reads the configuration that was named, or ssogate.yaml, or the defaults.
func (a *app) config() (Config, error) { return loadConfig(a.configPath) }

// openStore opens the state that the configuration names. The gate itself logs as JSON and keeps caches; a command
// prints warnings and waits, where a gate runs beside it, until that gate has seen its changes.
func (a *app) openStore(serving bool) (*store.Store, Config, error) {
	c, err := a.config()
	if err != nil {
		return nil, c, err
	}
	s, err := a.openStoreOf(c, a.logger(serving))
	return s, c, err
}

// openStoreOf is openStore for a configuration that has been read already. More of the options can be set by tune.
func (a *app) openStoreOf(c Config, log *slog.Logger, tune ...func(*store.Options)) (*store.Store, error) {
	dsn, err := c.dsn(a.getenv)
	if err != nil {
		return nil, err
	}
	sealer, err := c.sealer(a.getenv)
	if err != nil {
		return nil, err
	}
	o := store.Options{DSN: dsn, Sealer: sealer, Now: a.now, Log: log, Limits: c.Session.Limits, Patient: true}
	for _, t := range tune {
		t(&o)
	}
	return store.Open(a.ctx, o)
}

// withStore runs a command's work on the store.
func (a *app) withStore(work func(*store.Store, Config) error) error {
	s, c, err := a.openStore(false)
	if err != nil {
		return err
	}
	return errors.Join(work(s, c), closing(s))
}

func closing(s *store.Store) error {
	if err := s.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// logger is JSON at level info for the gate, warnings in text for a command.
func (a *app) logger(serving bool) *slog.Logger {
	if serving {
		return slog.New(slog.NewJSONHandler(a.stderr, nil))
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// policyFiles are the configured policy, or the built-in one.
func (c Config) policyFiles() (fs.FS, error) {
	if c.Policy.Path == "" {
		return policies.Default(), nil
	}
	info, err := os.Stat(c.Policy.Path)
	if err != nil {
		return nil, c.problem("policy.path", "leave policy.path out for the built-in policy", "policy.path: %s", fileTrouble(err))
	}
	if !info.IsDir() {
		return nil, c.problem("policy.path", "name the folder that holds the .rego files", "policy.path: %s is not a folder", c.Policy.Path)
	}
	return os.DirFS(c.Policy.Path), nil
}

// policyOptions are how the policy is loaded.
func (c Config) policyOptions() policies.Options {
	return policies.Options{Query: c.Policy.Query, AllowBuiltins: c.Policy.AllowBuiltins, SkipTests: c.Policy.SkipTests}
}

// problem is about a key of the configuration file, at its line or at that of what it would stand in.
func (c Config) problem(key, hint, format string, args ...any) problem {
	p := problem{File: c.File, Message: fmt.Sprintf(format, args...), Hint: hint}
	for found := true; found && p.Line == 0; key, found = upTo(key, ".") {
		p.Line = c.lines[key]
	}
	return p
}

// realm reads one tenant, with an error that says what can be done about an unknown one.
func (a *app) realm(s *store.Store, c Config, id tenant.ID) (idp.Realm, error) {
	realm, err := s.Realm(a.ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		hint := "see: ssogate tenant list"
		for _, t := range c.Tenants {
			if t.Tenant.ID == id {
				hint = fmt.Sprintf("it is declared in %s and appears when the gate starts", c.File)
			}
		}
		return realm, hinted(hint, "no tenant %s", id)
	}
	if err != nil {
		return realm, fmt.Errorf("read tenant %s: %w", id, err)
	}
	return realm, nil
}

// withRealm is withStore for work on the tenant that a --tenant flag names.
func (a *app) withRealm(name string, work func(*store.Store, Config, idp.Realm) error) error {
	t, err := tenantID(name)
	if err != nil {
		return err
	}
	return a.withStore(func(s *store.Store, c Config) error {
		realm, err := a.realm(s, c, t)
		if err != nil {
			return err
		}
		return work(s, c, realm)
	})
}

// tenantID reads a --tenant flag.
func tenantID(s string) (tenant.ID, error) {
	id, err := tenant.ParseID(s)
	if err != nil {
		return "", misused("see: ssogate tenant list", "%s", err)
	}
	return id, nil
}

// connectionID reads the name of a connection.
func connectionID(s string) (idp.ConnectionID, error) {
	id, err := tenant.ParseConnectionID(s)
	if err != nil {
		return "", misused("see: ssogate connection list", "%s", err)
	}
	return id, nil
}
