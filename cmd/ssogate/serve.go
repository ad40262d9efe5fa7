package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/extauthz"
	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/oidc"
	"github.com/tracio-ai/ssogate/idp/saml"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim"
)

type serveCmd struct {
	Insecure bool `help:"Plain http, on a loopback host alone: for trying things out. Cookies lose their __Host- prefix."`
}

// gate is the parts of a running gate, wired.
type gate struct {
	config    Config
	log       *slog.Logger
	metrics   *extauthz.Metrics
	ring      *session.Ring
	store     *store.Store
	engine    *policies.Engine
	server    *extauthz.Server
	scim      *scim.Handler
	refresher *refresher
	decisions *audit.Log
}

// Run serves until the process is told to end. What is broken at the start is said and ends it: an operator who is
// watching mends it sooner than one who finds a gate that answers 503.
func (cmd serveCmd) Run(a *app) error {
	g, err := cmd.open(a)
	if err != nil {
		return err
	}
	listeners, err := g.listen()
	if err != nil {
		return errors.Join(err, closing(g.store))
	}
	err = g.serve(a.ctx, listeners)
	g.log.Info("gate stopped")
	return errors.Join(err, closing(g.store))
}

func (cmd serveCmd) open(a *app) (*gate, error) {
	c, err := a.config()
	if err != nil {
		return nil, err
	}
	if err := c.allowInsecure(cmd.Insecure); err != nil {
		return nil, err
	}
	g := &gate{config: c, log: a.logger(true), metrics: extauthz.NewMetrics(version()), ring: &session.Ring{Now: a.now}}
	if cmd.Insecure {
		g.log.Warn("serving plain http: anyone on the path can take over sessions", "public_url", c.PublicURL.String())
	}
	if err := g.loadPolicy(a); err != nil {
		return nil, err
	}
	if err := g.openStore(a); err != nil {
		return nil, err
	}
	if err := g.wire(a); err != nil {
		return nil, errors.Join(err, closing(g.store))
	}
	return g, nil
}

func (g *gate) loadPolicy(a *app) error {
	files, err := g.config.policyFiles()
	if err != nil {
		return err
	}
	revision, err := policies.Load(a.ctx, files, g.config.policyOptions())
	if err != nil {
		return fmt.Errorf("load policy: %w", err)
	}
	g.engine = &policies.Engine{Options: g.config.policyOptions(), Timeout: g.config.Policy.Timeout, Now: a.now}
	g.engine.Swap(revision)
	g.metrics.PolicyLoaded(g.engine.Revision().ID, true)
	return nil
}

func (g *gate) openStore(a *app) error {
	c := g.config
	c.outdated = true // one company's old file must not keep the others out
	declared, err := c.declared(a.getenv, a.now())
	if err != nil {
		return err
	}
	warnOutdated(g.log, declared, a.now())
	g.store, err = a.openStoreOf(g.config, g.log, func(o *store.Options) {
		o.OnKeys, o.Patient = g.useKeys, false
		o.Observe, o.CacheLookup = g.metrics.StoreOp, g.metrics.CacheLookup
	})
	if err != nil {
		return err
	}
	g.metrics.Feed(g.store.FeedAge)
	err = g.store.LockServing()
	if err == nil {
		err = g.store.Declare(a.ctx, declared)
	}
	var keys []session.Key
	if err == nil {
		keys, err = g.store.Keys(a.ctx)
	}
	if err == nil {
		err = g.ring.Set(keys)
	}
	if err != nil {
		return errors.Join(err, closing(g.store))
	}
	return nil
}

// useKeys takes over a rotated key ring; a broken one leaves the old in force.
func (g *gate) useKeys(keys []session.Key) {
	if err := g.ring.Set(keys); err != nil {
		g.log.Error("new keys not taken over", "err", err)
	}
}

func (g *gate) wire(a *app) error {
	c := g.config
	client, err := idp.Egress{Allow: c.Egress.Allow, CAFile: c.Egress.CAFile, Insecure: c.Insecure()}.Client()
	if err != nil {
		return err
	}
	out, err := g.decisionLog(a)
	if err != nil {
		return err
	}
	g.decisions = out
	overSAML := g.wireSAML(a, client)
	assertions := &extauthz.Assertions{Ring: g.ring, Issuer: c.PublicURL.String(), Audience: c.Assertion.Audience}
	g.server = &extauthz.Server{
		PublicURL: c.PublicURL, Insecure: c.Insecure(),
		Sessions: g.store, Directory: g.store, Realms: g.store, Policy: g.engine, Ring: g.ring,
		Assertions: assertions, Decisions: out, Metrics: g.metrics, Limits: c.Session.Limits,
		PolicyHeaders: c.Proxy.PolicyHeaders, AnyPolicyHeader: c.Envoy().AnyPolicyHeader, BodiesByHTTP: c.Proxy.AuthBodies == string(envoy.AuthBodiesHTTP), Now: a.now, Log: g.log,
		Login: &login.Handler{
			PublicURL: c.PublicURL, Insecure: c.Insecure(), Ring: g.ring, Realms: g.store, Sessions: g.store, Once: g.store, Audit: g.store,
			Connectors: map[idp.Protocol]idp.Connector{
				idp.OIDC: &oidc.Connector{Client: client, Documents: g.store, Now: a.now, Log: g.log, OnRequest: g.metrics.IdPRequest},
				idp.SAML: overSAML,
			},
			Tests: g.store,
			JWKS:  assertions.JWKS, Limits: c.Session.Limits, Now: a.now, Log: g.log, OnSignIn: g.metrics.SignIn,
		},
	}
	sealer, err := c.sealer(a.getenv)
	if err != nil {
		return err
	}
	g.scim = &scim.Handler{
		Store: g.store, Credentials: g.store, Seal: sealer, PublicURL: c.PublicURL, Calls: g.store.LogCall, Now: a.now, Log: g.log,
	}
	return g.server.Init()
}

// wireSAML makes the connector, and the refresher that keeps what it knows of providers.
func (g *gate) wireSAML(a *app, client *http.Client) *saml.Connector {
	r := &refresher{Store: g.store, Now: a.now, Log: g.log, Fetched: g.metrics.SAMLFetched, Keys: g.metrics.SAMLKeys, Panic: g.metrics.SAMLPanic}
	c := &saml.Connector{
		PublicURL: g.config.PublicURL, Insecure: g.config.Insecure(), Client: client, Now: a.now, Log: g.log,
		OnOpinion: g.metrics.SAMLOpinion, OnVerify: g.metrics.SAMLVerified, OnSHA1: g.metrics.SAMLSHA1, OnPanic: g.metrics.SAMLPanic,
		OnUnknownKey: r.UnknownKey, MaxResponse: g.config.SAML.MaxResponse << 10,
	}
	r.From, g.refresher = c, r
	return c
}

func (g *gate) decisionLog(a *app) (*audit.Log, error) {
	c := g.config.DecisionLog
	if c.Path == "" {
		return nil, nil //nolint:nilnil // a nil Log takes nothing: the operator switched it off
	}
	host, err := os.Hostname()
	if err != nil {
		host = "gate"
	}
	l := &audit.Log{Out: a.stdout, Instance: host, Version: version(), Must: c.Required, OnDrop: g.metrics.DecisionDropped}
	if c.Path == "-" {
		return l, nil
	}
	f, err := os.OpenFile(c.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open decision log: %w", err)
	}
	l.Out = f
	return l, nil
}

// listeners are the gate's three doors.
type listeners struct{ check, http, ops net.Listener }

func (g *gate) listen() (l listeners, err error) {
	at := g.config.Listen
	for _, door := range []struct {
		name, address string
		to            *net.Listener
	}{{"check", at.Check, &l.check}, {"http", at.HTTP, &l.http}, {"ops", at.Ops, &l.ops}} {
		if *door.to, err = listen(door.address); err != nil {
			for _, open := range []net.Listener{l.check, l.http, l.ops} {
				if open != nil {
					_ = open.Close()
				}
			}
			return listeners{}, taken(door.name, door.address, err)
		}
	}
	return l, nil
}

// listen opens host:port or unix:PATH. A socket file left by a killed gate is in the way of the next: it is removed if
// nobody answers there.
func listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return net.Listen("tcp", address) //nolint:noctx // opening a local listener does not block
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil { //nolint:noctx // bounded by its timeout
		_ = c.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, syscall.EADDRINUSE)
	}
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path) //nolint:noctx // opening a local listener does not block
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o660) //nolint:gosec // Envoy runs as another user of the same group
}

// removeSocket removes a socket and nothing else: a path that was mistyped may name the database.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look for an old socket: %w", err)
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("listen on %s: something that is no socket is there", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the old socket: %w", err)
	}
	return nil
}

func taken(name, address string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return hinted(fmt.Sprintf("stop what listens there (find it with: ss -ltnp), or choose another listen.%s", name), "listen.%s: %s is in use", name, address)
	}
	return fmt.Errorf("listen.%s: %w", name, err)
}

// serve runs everything until ctx ends or a part of it fails, and waits for all of it. The check listener drains first:
// what it still lets pass finds the HTTP listener open, what it still answers can be looked up and logged.
func (g *gate) serve(ctx context.Context, l listeners) error {
	doors, closeDoors := context.WithCancel(ctx)
	defer closeDoors()
	beside, closeBeside := context.WithCancel(context.WithoutCancel(ctx))
	defer closeBeside()
	behind, closeBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer closeBehind()
	var front, side, back sync.WaitGroup
	errs := make(chan error, 8)
	run := func(wg *sync.WaitGroup, ctx context.Context, what string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil {
				errs <- fmt.Errorf("%s: %w", what, err)
			}
			closeDoors() // one part that ends takes the rest with it: half a gate is worse than none
		})
	}
	run(&back, behind, "store", g.store.Run)
	run(&back, behind, "decision log", g.decisions.Run)
	run(&side, beside, "saml refresher", g.refresher.Run)
	if g.config.Policy.Path != "" {
		run(&back, behind, "policy", func(ctx context.Context) error { return g.engine.Watch(ctx, g.config.Policy.Path, g.reloaded) })
	}
	run(&front, doors, "check listener", func(ctx context.Context) error {
		return (&extauthz.GRPC{Server: g.server, Healthy: g.healthy}).Serve(ctx, l.check)
	})
	run(&side, beside, "http listener", func(ctx context.Context) error { return serveHTTP(ctx, l.http, g.public()) })
	run(&side, beside, "ops listener", func(ctx context.Context) error { return serveHTTP(ctx, l.ops, g.ops(doors)) })
	g.log.Info("gate serves", "check", g.config.Listen.Check, "http", g.config.Listen.HTTP, "ops", g.config.Listen.Ops,
		"public_url", g.config.PublicURL.String(), "policy", g.engine.Revision().ID, "version", version())
	front.Wait()
	closeBeside()
	side.Wait()
	closeBehind()
	back.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

func (g *gate) reloaded(r policies.Result) {
	g.metrics.PolicyLoaded(r.Revision.ID, r.Err == nil)
	if r.Err != nil {
		g.log.Warn("policy not taken over: the last good one stays in force", "revision", r.Revision.ID, "err", r.Err)
		return
	}
	g.log.Info("policy in force", "revision", r.Revision.ID)
}

// healthy says whether checks can be decided now.
func (g *gate) healthy() error {
	if g.engine.Revision().ID == "" {
		return policies.ErrNoPolicy
	}
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	return g.store.Ping(ctx)
}
