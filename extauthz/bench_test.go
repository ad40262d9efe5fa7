package extauthz

import (
	"context"
	"net"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// allowAll is the least a check server can do: the yardstick.
type allowAll struct {
	authv3.UnimplementedAuthorizationServer
}

func (allowAll) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{Status: &rpcstatus.Status{}}, nil
}

func startAllowAll(b *testing.B) authv3.AuthorizationClient {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(b, err)
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, allowAll{})
	go func() { _ = server.Serve(l) }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(b, err)
	b.Cleanup(func() { _ = conn.Close(); server.Stop() })
	return authv3.NewAuthorizationClient(conn)
}

// BenchmarkCheck asks a whole gate (session, directory, policy, assertion, decision log) and an allow-all server in
// turns, over gRPC on loopback, in one run: x-allow-all is the gate's time over the other's. Client and servers share
// the process and its cores.
func BenchmarkCheck(b *testing.B) {
	g := newGate(b)
	ctx, stop := context.WithCancel(b.Context())
	go func() { _ = g.server.Decisions.Run(ctx) }()
	b.Cleanup(stop)
	viewer, _ := g.signIn("vic", "viewers")
	browser := []line{
		{":authority", testHost}, {":method", "GET"}, {":scheme", "https"}, {"accept", "application/json"}, {"accept-language", "en-GB,en;q=0.9"},
		{"user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"},
		{"referer", "https://" + testHost + "/rules"}, {"x-request-id", "6f1c7f1e-7d1b-4a3c-9d59-0f6f0f3b2a11"}, {"x-forwarded-proto", "https"},
	}
	baseline := startAllowAll(b)
	for _, bc := range []struct {
		name, path string
		cookie     bool
		status     int
	}{
		{"allow", "/api/v1/rules", true, 200},
		{"deny", "/api/v1/billing", true, 403},
		{"no-session", "/api/v1/rules", false, 401},
	} {
		lines := append([]line(nil), browser...)
		lines = append(lines, line{":path", bc.path})
		if bc.cookie {
			lines = append(lines, line{"cookie", viewer})
		}
		request := call{path: bc.path, lines: lines}.check(true)
		b.Run(bc.name, func(b *testing.B) {
			var ours, theirs time.Duration
			for b.Loop() {
				ours += ask(b, g.client, request, bc.status)
				theirs += ask(b, baseline, request, 200)
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(b.N), "gate-ns/check")
			b.ReportMetric(float64(theirs.Nanoseconds())/float64(b.N), "allow-all-ns/check")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-allow-all")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func ask(b *testing.B, client authv3.AuthorizationClient, request *authv3.CheckRequest, want int) time.Duration {
	began := time.Now()
	out, err := client.Check(b.Context(), request)
	took := time.Since(began)
	if err != nil || httpStatus(out) != want {
		b.Fatalf("status %d, want %d: %v", httpStatus(out), want, err)
	}
	return took
}
