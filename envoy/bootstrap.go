package envoy

import (
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// adminMode is 0600: whoever may speak to the admin interface may stop Envoy and read every header it holds.
const adminMode = 0o600

// builder assembles one bootstrap. It keeps the first error, so that the messages below read like the file they
// become.
type builder struct {
	Config

	hosts []string
	err   error
}

func (c Config) bootstrap() (*bootstrapv3.Bootstrap, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	hosts, err := c.domains()
	if err != nil {
		return nil, err
	}
	b := &builder{Config: c, hosts: hosts}
	out := &bootstrapv3.Bootstrap{
		// Without a name of its own Envoy reads no secret file.
		Node:  &corev3.Node{Id: "ssogate-edge", Cluster: "ssogate-edge"},
		Admin: &bootstrapv3.Admin{Address: pipe(c.AdminSocket, adminMode)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Listeners: []*listenerv3.Listener{b.listener()},
			Clusters:  b.clusters(),
		},
		OverloadManager: b.overload(),
		LayeredRuntime:  runtime(),
	}
	if b.err != nil {
		return nil, b.err
	}
	return out, nil
}

// maxRegex is the size of a compiled expression Envoy accepts. Its default of 100 is used up by five or six names
// in policy_headers, and past it Envoy does not start.
const maxRegex = 8192

// runtime is one static layer, so that nothing can change it while Envoy runs.
func runtime() *bootstrapv3.LayeredRuntime {
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
		Name: "static",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{
			Fields: map[string]*structpb.Value{
				"re2.max_program_size.error_level": structpb.NewNumberValue(maxRegex),
			},
		}},
	}}}
}

// pack wraps a message for one of Envoy's extension points.
func (b *builder) pack(m proto.Message) *anypb.Any {
	packed := &anypb.Any{}
	err := anypb.MarshalFrom(packed, m, proto.MarshalOptions{Deterministic: true})
	if err != nil && b.err == nil {
		b.err = err
	}
	return packed
}

func (b *builder) listener() *listenerv3.Listener {
	chain := &listenerv3.FilterChain{
		Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: b.pack(b.connectionManager())},
		}},
	}
	l := &listenerv3.Listener{
		Name:                          "ingress",
		Address:                       b.address(b.Listen),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(32 << 10),
		FilterChains:                  []*listenerv3.FilterChain{chain},
	}
	if b.Plain {
		return l
	}
	chain.TransportSocket = b.downstreamTLS()
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.tls_inspector",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: b.pack(&inspectorv3.TlsInspector{})},
	}}
	return l
}

// overload gives memory back early and turns requests away before the machine does it less gently.
func (b *builder) overload() *overloadv3.OverloadManager {
	const heap = "envoy.resource_monitors.fixed_heap"
	at := func(action string, threshold float64) *overloadv3.OverloadAction {
		return &overloadv3.OverloadAction{Name: action, Triggers: []*overloadv3.Trigger{{
			Name: heap,
			TriggerOneof: &overloadv3.Trigger_Threshold{
				Threshold: &overloadv3.ThresholdTrigger{Value: threshold},
			},
		}}}
	}
	monitor := func(name string, config proto.Message) *overloadv3.ResourceMonitor {
		return &overloadv3.ResourceMonitor{
			Name:       name,
			ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: b.pack(config)},
		}
	}
	return &overloadv3.OverloadManager{
		RefreshInterval: durationpb.New(250 * time.Millisecond),
		ResourceMonitors: []*overloadv3.ResourceMonitor{
			monitor(heap, &heapv3.FixedHeapConfig{MaxHeapSizeBytes: b.MaxHeap}),
			monitor("envoy.resource_monitors.global_downstream_max_connections",
				&connectionsv3.DownstreamConnectionsConfig{MaxActiveDownstreamConnections: b.MaxConnections}),
		},
		Actions: []*overloadv3.OverloadAction{
			at("envoy.overload_actions.shrink_heap", 0.95),
			at("envoy.overload_actions.stop_accepting_requests", 0.98),
		},
	}
}

// address turns host:port into Envoy's form; check has seen it before.
func (b *builder) address(hostPort string) *corev3.Address {
	host, port, err := splitAddress(hostPort)
	if err != nil && b.err == nil {
		b.err = err
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

func pipe(path string, mode uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path, Mode: mode}}}
}
