package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	limitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// How long a response may take, by who gives it.
const (
	timeoutGate      = CheckTimeout
	timeoutSCIM      = 30 * time.Second
	timeoutDashboard = 30 * time.Second
	idleDashboard    = 60 * time.Second
	idleStream       = 120 * time.Second

	// maxStream bounds how long an open stream outlives its session: the gate is asked when a stream begins and
	// never again.
	maxStream = 300 * time.Second
)

// routes sends each path to who answers it. The first match wins. There is one virtual host and no default one: a
// request for another host is 404 and reaches nobody.
func (b *builder) routes() *routev3.RouteConfiguration {
	host := &routev3.VirtualHost{Name: clusterDashboard, Domains: b.hosts}
	if !b.Plain {
		host.RequireTls = routev3.VirtualHost_ALL
	}
	if b.Target.knowsErrorResponse() {
		host.TypedPerFilterConfig = b.perFilter(map[string]proto.Message{filterAuthz: checkSettings(&authzv3.CheckSettings{
			ContextExtensions: map[string]string{FaultsKey: FaultsErrorResponse},
		})})
	}
	host.Routes = append(host.Routes, b.health())
	for _, prefix := range BodyPrefixes() {
		host.Routes = append(host.Routes, b.body(under(prefix)))
	}
	for _, path := range BodyPaths() {
		host.Routes = append(host.Routes, b.body(exact(path)))
	}
	host.Routes = append(host.Routes,
		b.flooded(gateRoute(under(PathAuth), timeoutGate)),
		b.flooded(gateRoute(under(PathSettings), timeoutGate)),
		gateRoute(under(PathSCIM), timeoutSCIM),
	)
	for _, prefix := range b.Streams {
		host.Routes = append(host.Routes, stream(under(prefix)))
	}
	host.Routes = append(host.Routes, &routev3.Route{
		Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: clusterDashboard},
			Timeout:          durationpb.New(timeoutDashboard),
			IdleTimeout:      durationpb.New(idleDashboard),
		}},
	})
	return &routev3.RouteConfiguration{
		Name:                "ingress",
		InternalOnlyHeaders: IdentityHeaders(),
		VirtualHosts:        []*routev3.VirtualHost{host},
	}
}

func exact(path string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: path}}
}

// under matches by whole segments: /authx is not under /auth.
func under(prefix string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}}
}

// health is the one route without a Check. It reaches no upstream at all.
func (b *builder) health() *routev3.Route {
	return &routev3.Route{
		Match: exact(PathHealth),
		Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
			Status: 200,
		}},
		TypedPerFilterConfig: b.perFilter(map[string]proto.Message{
			filterAuthz: &authzv3.ExtAuthzPerRoute{Override: &authzv3.ExtAuthzPerRoute_Disabled{Disabled: true}},
		}),
	}
}

func gateRoute(match *routev3.RouteMatch, timeout time.Duration) *routev3.Route {
	return &routev3.Route{
		Match: match,
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: clusterHTTP},
			Timeout:          durationpb.New(timeout),
		}},
	}
}

// body is a route of the gate's whose request body travels with the Check.
func (b *builder) body(match *routev3.RouteMatch) *routev3.Route {
	r := b.flooded(gateRoute(match, timeoutGate))
	if b.AuthBodies == AuthBodiesHTTP {
		return r
	}
	r.TypedPerFilterConfig[filterAuthz] = b.pack(checkSettings(&authzv3.CheckSettings{
		WithRequestBody: &authzv3.BufferSettings{MaxRequestBytes: b.MaxBody},
	}))
	return r
}

// flooded puts one bucket for the whole process in front of a route: a guard against floods, no more. Limits by
// client or tenant are the gate's.
func (b *builder) flooded(r *routev3.Route) *routev3.Route {
	all := &corev3.RuntimeFractionalPercent{DefaultValue: &typev3.FractionalPercent{Numerator: 100}}
	r.TypedPerFilterConfig = b.perFilter(map[string]proto.Message{filterRateLimit: &limitv3.LocalRateLimit{
		StatPrefix: "auth",
		TokenBucket: &typev3.TokenBucket{
			MaxTokens: 400, TokensPerFill: wrapperspb.UInt32(200), FillInterval: durationpb.New(time.Second),
		},
		// The filter does nothing unless both are set.
		FilterEnabled:  all,
		FilterEnforced: all,
	}})
	return r
}

func stream(match *routev3.RouteMatch) *routev3.Route {
	return &routev3.Route{
		Match: match,
		Action: &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier:  &routev3.RouteAction_Cluster{Cluster: clusterDashboard},
			Timeout:           durationpb.New(0), // none: maxStream ends it
			IdleTimeout:       durationpb.New(idleStream),
			MaxStreamDuration: &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(maxStream)},
			UpgradeConfigs:    []*routev3.RouteAction_UpgradeConfig{{UpgradeType: "websocket"}},
		}},
	}
}

func checkSettings(s *authzv3.CheckSettings) *authzv3.ExtAuthzPerRoute {
	return &authzv3.ExtAuthzPerRoute{Override: &authzv3.ExtAuthzPerRoute_CheckSettings{CheckSettings: s}}
}

func (b *builder) perFilter(configs map[string]proto.Message) map[string]*anypb.Any {
	packed := make(map[string]*anypb.Any, len(configs))
	for name, config := range configs {
		packed[name] = b.pack(config)
	}
	return packed
}
