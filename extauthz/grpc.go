package extauthz

import (
	"context"
	"fmt"
	"net"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
)

// ServiceName is what Envoy's health check asks about.
const ServiceName = "envoy.service.auth.v3.Authorization"

// drainTime is how long the gate says NOT_SERVING before it stops taking checks: Envoy asks every 2 s.
const drainTime = 5 * time.Second

// maxMessage bounds a CheckRequest: 1.5 MiB of body and 60 KiB of headers, more than twice over.
const maxMessage = 2 << 20

// GRPC is the check listener: ext_authz, its health service, no reflection.
type GRPC struct {
	Server *Server
	// Healthy says whether checks can be decided now; asked every second. Until it first says so, and whenever it does
	// not, health is NOT_SERVING, while Check itself goes on answering with 503.
	Healthy func() error
	Drain   time.Duration // 0: 5 s
}

// Serve answers on l until ctx ends, then drains: NOT_SERVING, a wait in which Envoy moves away, and a graceful stop.
func (g *GRPC) Serve(ctx context.Context, l net.Listener) error {
	server := grpc.NewServer(
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}), // Envoy pings every 30 s; the 5 min default would answer GOAWAY
		grpc.MaxConcurrentStreams(1024),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.UnaryInterceptor(refuseOnPanic),
	)
	state := health.NewServer()
	state.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	state.SetServingStatus(ServiceName, healthpb.HealthCheckResponse_NOT_SERVING)
	authv3.RegisterAuthorizationServer(server, g.Server)
	healthpb.RegisterHealthServer(server, state)

	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	g.watch(ctx, state, served)
	state.Shutdown()
	return g.stop(server, served)
}

// watch keeps health true until ctx ends or the listener dies.
func (g *GRPC) watch(ctx context.Context, state *health.Server, served chan error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		serving := healthpb.HealthCheckResponse_SERVING
		if g.Healthy != nil && g.Healthy() != nil {
			serving = healthpb.HealthCheckResponse_NOT_SERVING
		}
		state.SetServingStatus("", serving)
		state.SetServingStatus(ServiceName, serving)
		select {
		case <-ctx.Done():
			return
		case err := <-served:
			served <- err
			return
		case <-tick.C:
		}
	}
}

func (g *GRPC) stop(server *grpc.Server, served chan error) error {
	drain := g.Drain
	if drain == 0 {
		drain = drainTime
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve checks: %w", err)
	case <-time.After(drain):
	}
	hard := time.AfterFunc(signInTime, server.Stop)
	defer hard.Stop()
	server.GracefulStop()
	if err := <-served; err != nil {
		return fmt.Errorf("serve checks: %w", err)
	}
	return nil
}

// refuseOnPanic is the net under Check's own recovery: a panic anywhere is a refusal, not a broken connection that
// Envoy would judge by its failure mode.
func refuseOnPanic(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if recover() == nil {
			return
		}
		if info.FullMethod == authv3.Authorization_Check_FullMethodName {
			resp, err = bareFault().response, nil
			return
		}
		err = fmt.Errorf("panic in %s", info.FullMethod)
	}()
	return next(ctx, req)
}
