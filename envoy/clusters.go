package envoy

import (
	"net/netip"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	upstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The clusters: the gate's Check listener, its HTTP listener, and what it protects.
const (
	clusterGate      = "ssogate"
	clusterHTTP      = "ssogate_http"
	clusterDashboard = "dashboard"

	// authzService is the name under which the gate reports its health.
	authzService = "envoy.service.auth.v3.Authorization"

	httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
)

func (b *builder) clusters() []*clusterv3.Cluster {
	return []*clusterv3.Cluster{
		b.gate(),
		b.plainCluster(clusterHTTP, b.HTTPAddress),
		b.plainCluster(clusterDashboard, b.Dashboard),
	}
}

// gate is the cluster every Check goes to. There is no retry anywhere: a Check may consume a sign-in code. A panic
// threshold of 0 keeps Envoy from asking a gate that says it is not ready.
func (b *builder) gate() *clusterv3.Cluster {
	endpoint := b.addressOrPipe(b.CheckAddress)
	return &clusterv3.Cluster{
		Name:                 clusterGate,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(250 * time.Millisecond),
		LbPolicy:             clusterv3.Cluster_LEAST_REQUEST,
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			HealthyPanicThreshold: &typev3.Percent{Value: 0},
		},
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections:     wrapperspb.UInt32(100000),
			MaxPendingRequests: wrapperspb.UInt32(MaxChecks),
			MaxRequests:        wrapperspb.UInt32(MaxChecks),
			TrackRemaining:     true,
		}}},
		HealthChecks: []*corev3.HealthCheck{{
			Timeout:            durationpb.New(time.Second),
			Interval:           durationpb.New(2 * time.Second),
			UnhealthyThreshold: wrapperspb.UInt32(2),
			HealthyThreshold:   wrapperspb.UInt32(1),
			HealthChecker: &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{
				ServiceName: authzService,
			}},
		}},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{httpOptions: b.pack(&upstreamv3.HttpProtocolOptions{
			UpstreamProtocolOptions: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_{
				ExplicitHttpConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig{
					ProtocolConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
						Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
							ConnectionKeepalive: &corev3.KeepaliveSettings{
								Interval: durationpb.New(30 * time.Second),
								Timeout:  durationpb.New(5 * time.Second),
							},
						},
					},
				},
			},
		})},
		LoadAssignment: assignment(clusterGate, endpoint),
	}
}

// plainCluster speaks HTTP/1.1 to one address; a name is looked up again and again, an IP is not.
func (b *builder) plainCluster(name, address string) *clusterv3.Cluster {
	kind := clusterv3.Cluster_STRICT_DNS
	host, _, err := splitAddress(address)
	if err != nil && b.err == nil {
		b.err = err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		kind = clusterv3.Cluster_STATIC
	}
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: kind},
		ConnectTimeout:       durationpb.New(time.Second),
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections:     wrapperspb.UInt32(4096),
			MaxPendingRequests: wrapperspb.UInt32(4096),
			MaxRequests:        wrapperspb.UInt32(4096),
		}}},
		LoadAssignment: assignment(name, b.address(address)),
	}
}

func (b *builder) addressOrPipe(address string) *corev3.Address {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return pipe(path, 0)
	}
	return b.address(address)
}

func assignment(cluster string, address *corev3.Address) *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{
				HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
			}},
		}},
	}
}
