package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/scim"
)

// serveHTTP serves h until ctx ends. Its limits are those of a listener behind Envoy.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(short)
	})
	err := server.Serve(l)
	if !errors.Is(err, http.ErrServerClosed) {
		stop()
		return fmt.Errorf("serve: %w", err)
	}
	return <-stopped
}

// public is the HTTP listener: SCIM, and the same pages that a check answers, for front ends that cannot send bodies
// along with one, and the keys for upstreams. Everything else is not there.
func (g *gate) public() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", g.server.Login)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error":"not_found","message":"There is nothing here."}` + "\n"))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux answers in text and redirects what it would have written otherwise: no SCIM client expects that.
		if r.URL.Path == scim.Base || strings.HasPrefix(r.URL.Path, scim.Base+"/") {
			g.scim.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ops is the operators' listener. Ready says whether new checks should come here: not while draining, not while the
// store or the policy cannot be trusted, and not before new SAML connections have keys.
func (g *gate) ops(serving context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		info := g.engine.Revision()
		detail := map[string]any{
			"ready":  true,
			"policy": map[string]any{"revision": info.ID, "loaded": info.Loaded, "last_error": info.LastError},
			// Not fresh is slow, not wrong: each check reads the database.
			"store": map[string]any{"fresh": g.store.Fresh(), "feed_age_seconds": g.store.FeedAge().Seconds()},
		}
		err := g.healthy()
		switch {
		case err != nil:
		case serving.Err() != nil:
			err = errors.New("draining")
		case !g.refresher.Keyed():
			err = errors.New("making keys for SAML connections")
		}
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			detail["ready"], detail["reason"] = false, err.Error()
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_ = json.NewEncoder(w).Encode(detail)
	})
	return mux
}
