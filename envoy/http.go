package envoy

import (
	"regexp"
	"strings"
	"time"

	logv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	rulesv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	authzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	limitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The filters, by the names under which routes override them.
const (
	filterAuthz     = "envoy.filters.http.ext_authz"
	filterRateLimit = "envoy.filters.http.local_ratelimit"
	filterRouter    = "envoy.filters.http.router"
)

// strippedHeaders are removed from every request before routing, beside the whole x-sso- family. Each is a header
// that some framework believes to come from a proxy it trusts: who the user is, or which URL, host or method is
// really meant. A client that could send one would be checked for one request and served another.
func strippedHeaders() []string {
	return []string{
		"x-original-url", "x-rewrite-url",
		"x-http-method", "x-http-method-override", "x-method-override",
		"forwarded", "x-forwarded-host", "x-forwarded-prefix",
		"x-forwarded-user", "x-forwarded-email", "x-forwarded-groups",
		"x-auth-request-user", "x-auth-request-email", "x-auth-request-groups",
	}
}

// connectionManager makes one reading of every request the only one: what two parsers could take for two paths,
// two hosts or two lengths is refused here or normalised before the gate sees it.
func (b *builder) connectionManager() *hcmv3.HttpConnectionManager {
	hcm := &hcmv3.HttpConnectionManager{
		StatPrefix:                   "ingress",
		RouteSpecifier:               &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: b.routes()},
		UseRemoteAddress:             wrapperspb.Bool(true),
		XffNumTrustedHops:            b.TrustedHops,
		NormalizePath:                wrapperspb.Bool(true),
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_REJECT_REQUEST,
		StripMatchingHostPort:        true,
		StripTrailingHostDot:         true,
		AlwaysSetRequestIdInResponse: true,
		MaxRequestHeadersKb:          wrapperspb.UInt32(MaxHeaderKiB),
		ForwardClientCertDetails:     hcmv3.HttpConnectionManager_SANITIZE,
		RequestHeadersTimeout:        durationpb.New(10 * time.Second),
		RequestTimeout:               durationpb.New(60 * time.Second),
		StreamIdleTimeout:            durationpb.New(300 * time.Second),
		// Without it an HTTP/1 connection is cut in the middle of a request when its time is up.
		Http1SafeMaxConnectionDuration: true,
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			IdleTimeout:                  durationpb.New(600 * time.Second),
			MaxConnectionDuration:        durationpb.New(3600 * time.Second),
			MaxStreamDuration:            durationpb.New(900 * time.Second),
			MaxHeadersCount:              wrapperspb.UInt32(MaxHeaders),
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
		},
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(100),
			InitialStreamWindowSize:     wrapperspb.UInt32(64 << 10),
			InitialConnectionWindowSize: wrapperspb.UInt32(1 << 20),
		},
		EarlyHeaderMutationExtensions: []*corev3.TypedExtensionConfig{{
			Name: "strip", TypedConfig: b.pack(&earlyv3.HeaderMutation{Mutations: strip()}),
		}},
		AccessLog: []*logv3.AccessLog{b.accessLog()},
		HttpFilters: []*hcmv3.HttpFilter{
			b.filter(filterRateLimit, &limitv3.LocalRateLimit{StatPrefix: "edge"}),
			b.filter(filterAuthz, b.authz()),
			b.filter(filterRouter, &routerv3.Router{}),
		},
	}
	if !b.Plain {
		hcm.SchemeHeaderTransformation = &corev3.SchemeHeaderTransformation{
			Transformation: &corev3.SchemeHeaderTransformation_SchemeToOverwrite{SchemeToOverwrite: "https"},
		}
	}
	return hcm
}

func (b *builder) filter(name string, config proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: b.pack(config)}}
}

// strip runs before routing and filters. A route's own request_headers_to_remove would run after the gate and take
// away what the gate has set.
func strip() []*rulesv3.HeaderMutation {
	mutations := []*rulesv3.HeaderMutation{{
		Action: &rulesv3.HeaderMutation_RemoveOnMatch_{RemoveOnMatch: &rulesv3.HeaderMutation_RemoveOnMatch{
			KeyMatcher: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: HeaderPrefix},
				IgnoreCase:   true,
			},
		}},
	}}
	for _, name := range strippedHeaders() {
		mutations = append(mutations, &rulesv3.HeaderMutation{Action: &rulesv3.HeaderMutation_Remove{Remove: name}})
	}
	return mutations
}

// authz asks the gate about every request. Whatever goes wrong on the way refuses: failure_mode_allow stays unset.
func (b *builder) authz() *authzv3.ExtAuthz {
	return &authzv3.ExtAuthz{
		Services: &authzv3.ExtAuthz_GrpcService{GrpcService: &corev3.GrpcService{
			TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
				ClusterName: clusterGate, Authority: clusterGate,
			}},
			Timeout: durationpb.New(CheckTimeout),
		}},
		TransportApiVersion: corev3.ApiVersion_V3,
		StatusOnError:       &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		ValidateMutations:   true,
		EncodeRawHeaders:    true, // duplicates and bad bytes arrive as they were sent
		IncludeTlsSession:   true, // the name the client asked for in TLS must be the host it asks for in HTTP
		// Our 302s and 401s are no errors of the dashboard's.
		ChargeClusterResponseStats: wrapperspb.Bool(false),
		DecoderHeaderMutationRules: b.mutationRules(),
		EmitFilterStateStats:       true,
	}
}

// mutationRules is the second lock on what a Check may change: even a confused gate cannot set another header.
func (b *builder) mutationRules() *rulesv3.HeaderMutationRules {
	if b.AnyPolicyHeader {
		return &rulesv3.HeaderMutationRules{
			DisallowSystem:  wrapperspb.Bool(true),
			DisallowIsError: wrapperspb.Bool(true),
			DisallowExpression: &matcherv3.RegexMatcher{
				Regex: "^(" + strings.ReplaceAll(strings.Join(append(framingHeaders(), "x-envoy-.*"), "|"), "-", "[-_]") + ")$",
			},
		}
	}
	allowed := []string{"x[-_]sso[-_][a-z0-9_-]+", "cookie", "authorization"}
	for _, name := range b.PolicyHeaders {
		allowed = append(allowed, regexp.QuoteMeta(name))
	}
	return &rulesv3.HeaderMutationRules{
		DisallowAll:     wrapperspb.Bool(true),
		DisallowIsError: wrapperspb.Bool(true),
		AllowExpression: &matcherv3.RegexMatcher{Regex: "^(" + strings.Join(allowed, "|") + ")$"},
	}
}

// accessLog prints a line of JSON per request: no query, for it carries codes and states; no cookie and no token.
func (b *builder) accessLog() *logv3.AccessLog {
	metadata := func(key string) string { return "%DYNAMIC_METADATA(" + MetadataNamespace + ":" + key + ")%" }
	fields := map[string]string{
		"time":             "%START_TIME%",
		"request_id":       "%REQ(X-REQUEST-ID)%",
		"client":           "%DOWNSTREAM_REMOTE_ADDRESS%",
		"protocol":         "%PROTOCOL%",
		"method":           "%REQ(:METHOD)%",
		"path":             "%PATH(NQ)%",
		"code":             "%RESPONSE_CODE%",
		"flags":            "%RESPONSE_FLAGS%",
		"details":          "%RESPONSE_CODE_DETAILS%",
		"upstream":         "%UPSTREAM_CLUSTER%",
		"bytes_in":         "%BYTES_RECEIVED%",
		"bytes_out":        "%BYTES_SENT%",
		"duration_ms":      "%DURATION%",
		"check_us":         "%FILTER_STATE(" + MetadataNamespace + ":FIELD:latency_us)%",
		MetadataTenant:     metadata(MetadataTenant),
		MetadataUser:       metadata(MetadataUser),
		MetadataRole:       metadata(MetadataRole),
		MetadataDecisionID: metadata(MetadataDecisionID),
		MetadataOutcome:    metadata(MetadataOutcome),
	}
	format := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(fields))}
	for key, value := range fields {
		format.Fields[key] = structpb.NewStringValue(value)
	}
	config := &streamv3.StdoutAccessLog{AccessLogFormat: &streamv3.StdoutAccessLog_LogFormat{
		LogFormat: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: format},
		},
	}}
	return &logv3.AccessLog{
		Name:       "stdout",
		ConfigType: &logv3.AccessLog_TypedConfig{TypedConfig: b.pack(config)},
	}
}
