package envoy

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// reference is the deployment shown in reference/envoy.yaml.
func reference() Config {
	return Config{
		PublicURL:    "https://dashboard.tracio.ai",
		Listen:       "0.0.0.0:8443",
		TLS:          TLS{Cert: "/etc/envoy/tls/tls.crt", Key: "/etc/envoy/tls/tls.key", Secret: "/etc/envoy/ssogate-sds.yaml"},
		CheckAddress: "unix:/run/ssogate/check.sock",
		HTTPAddress:  "127.0.0.1:9002",
		Dashboard:    "127.0.0.1:8000",
		Streams:      []string{"/ws"},
	}
}

func plain() Config {
	return Config{
		PublicURL: "http://localhost:8080", Plain: true, Dashboard: "127.0.0.1:8000", AdminSocket: "/tmp/admin.sock",
	}
}

func with(c Config, change func(*Config)) Config {
	change(&c)
	return c
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is rendered now; look at the difference after UPDATE=1 go test ./envoy/\n%s", path, got)
	}
}

func render(t *testing.T, c Config) []byte {
	t.Helper()
	text, err := Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestRenderedConfigsAreTheReviewedOnes(t *testing.T) {
	golden(t, "reference/envoy.yaml", render(t, reference()))
	secret, err := RenderSecret(reference())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "reference/ssogate-sds.yaml", secret)
	for _, v := range Versions() {
		golden(t, "testdata/target-"+string(v)+".yaml", render(t, with(reference(), func(c *Config) { c.Target = v })))
	}
	golden(t, "testdata/plain.yaml", render(t, plain()))
	golden(t, "testdata/options.yaml", render(t, with(reference(), func(c *Config) {
		c.PublicURL, c.CheckAddress, c.Dashboard = "https://Sso.Example.com:9443", "[::1]:9001", "dashboard.internal:80"
		c.Streams, c.AuthBodies, c.PolicyHeaders = []string{"/ws", "/api/v1/live"}, AuthBodiesHTTP, []string{"x-team", "x-plan"}
		c.TrustedHops = 2
	})))
	golden(t, "testdata/any-policy-header.yaml", render(t, with(reference(), func(c *Config) { c.AnyPolicyHeader = true })))
}

func TestRenderingIsDeterministic(t *testing.T) {
	first := render(t, reference())
	for range 50 {
		if again := render(t, reference()); !bytes.Equal(first, again) {
			t.Fatal("the same config gave other bytes")
		}
	}
}

// The YAML is derived from the JSON by a general library; every string must survive, "1.0" as well as "on".
func TestYAMLAndJSONAreTheSameBootstrap(t *testing.T) {
	for name, c := range map[string]Config{"reference": reference(), "plain": plain()} {
		fromJSON, err := RenderJSON(c)
		if err != nil {
			t.Fatal(err)
		}
		fromYAML, err := yaml.YAMLToJSON(render(t, c))
		if err != nil {
			t.Fatal(err)
		}
		var a, b bootstrapv3.Bootstrap
		if err := protojson.Unmarshal(fromJSON, &a); err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(fromYAML, &b); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(&a, &b) {
			t.Errorf("%s: YAML and JSON differ", name)
		}
		if err := a.ValidateAll(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyTargetsThatReadErrorResponseAskForIt(t *testing.T) {
	for _, v := range Versions() {
		text := render(t, with(reference(), func(c *Config) { c.Target = v }))
		if got, want := bytes.Contains(text, []byte(FaultsKey)), v != Version136; got != want {
			t.Errorf("%s: %s there: %v, want %v", v, FaultsKey, got, want)
		}
	}
}

func TestNothingOpensTheGate(t *testing.T) {
	configs := map[string]Config{
		"reference": reference(), "plain": plain(),
		"bodies by http": with(reference(), func(c *Config) { c.AuthBodies = AuthBodiesHTTP }),
		"any header":     with(reference(), func(c *Config) { c.AnyPolicyHeader = true }),
	}
	never := []string{
		"failure_mode_allow", "filter_enabled_metadata", "deny_at_disable", "shadow_mode", "retry_policy", "num_retries",
		"allow_partial_message: true", "allow_chunked_length", "clear_route_cache", "internal_address_config", "http_service",
		"request_headers_to_remove", "CONNECT", "%REQ(:PATH)", "COOKIE", "AUTHORIZATION",
	}
	always := []string{
		"normalize_path: true", "merge_slashes: true", "path_with_escaped_slashes_action: REJECT_REQUEST",
		"strip_matching_host_port: true", "strip_trailing_host_dot: true", "headers_with_underscores_action: REJECT_REQUEST",
		"use_remote_address: true", "prefix: x-sso-", "ignore_case: true",
		"validate_mutations: true", "encode_raw_headers: true", "disallow_is_error: true", "code: ServiceUnavailable",
		"timeout: 15s", "healthy_panic_threshold: {}", "mode: 384", "max_stream_duration: 900s",
	}
	for name, c := range configs {
		text := string(render(t, c))
		for _, word := range append(always, strippedHeaders()...) {
			if !strings.Contains(text, word) {
				t.Errorf("%s: lacks %s", name, word)
			}
		}
		for _, word := range never {
			if strings.Contains(text, word) {
				t.Errorf("%s: holds %s", name, word)
			}
		}
		if n := strings.Count(text, "disabled: true"); n != 1 {
			t.Errorf("%s: the gate is switched off on %d routes, want /healthz alone", name, n)
		}
		if c.Plain == strings.Contains(text, "require_tls: ALL") {
			t.Errorf("%s: require_tls is there: %v", name, !c.Plain)
		}
		if regexp.MustCompile(`domains:\s*\n\s*- ["']?\*`).MatchString(text) {
			t.Errorf("%s: serves every host", name)
		}
	}
}

func TestConfigsThatCannotBeServedSafelyAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"no url", func(c *Config) { c.PublicURL = "" }, "public_url"},
		{"http", func(c *Config) { c.PublicURL = "http://dashboard.tracio.ai" }, "want https"},
		{"path", func(c *Config) { c.PublicURL = "https://dashboard.tracio.ai/app" }, "scheme and host alone"},
		{"userinfo", func(c *Config) { c.PublicURL = "https://a@dashboard.tracio.ai" }, "scheme and host alone"},
		{"wildcard", func(c *Config) { c.PublicURL = "https://*" }, "no host name"},
		{"wildcard label", func(c *Config) { c.PublicURL = "https://*.tracio.ai" }, "no host name"},
		{"trailing dot", func(c *Config) { c.PublicURL = "https://dashboard.tracio.ai." }, "no host name"},
		{"no certificate", func(c *Config) { c.TLS.Cert = "" }, "certificate"},
		{"no key", func(c *Config) { c.TLS.Key = "" }, "certificate"},
		{"listen name", func(c *Config) { c.Listen = "localhost:8443" }, "want IP:port"},
		{"remote gate", func(c *Config) { c.CheckAddress = "10.0.0.7:9001" }, "beside Envoy"},
		{"gate by name", func(c *Config) { c.CheckAddress = "ssogate:9001" }, "beside Envoy"},
		{"remote http", func(c *Config) { c.HTTPAddress = "10.0.0.7:9002" }, "beside Envoy"},
		{"no socket", func(c *Config) { c.CheckAddress = "unix:" }, "names no path"},
		{"no dashboard", func(c *Config) { c.Dashboard = "" }, "dashboard"},
		{"dashboard port", func(c *Config) { c.Dashboard = "127.0.0.1:0" }, "dashboard"},
		{"stream root", func(c *Config) { c.Streams = []string{"/"} }, "whole segments"},
		{"stream slash", func(c *Config) { c.Streams = []string{"/ws/"} }, "whole segments"},
		{"stream dots", func(c *Config) { c.Streams = []string{"/ws/.."} }, "whole segments"},
		{"stream query", func(c *Config) { c.Streams = []string{"/ws?x"} }, "whole segments"},
		{"stream over auth", func(c *Config) { c.Streams = []string{"/auth/ws"} }, "the gate's own"},
		{"stream over settings", func(c *Config) { c.Streams = []string{"/settings"} }, "the gate's own"},
		{"stream twice", func(c *Config) { c.Streams = []string{"/ws", "/ws"} }, "twice"},
		{"bodies", func(c *Config) { c.AuthBodies = "both" }, "check or http"},
		{"identity by policy", func(c *Config) { c.PolicyHeaders = []string{"x-sso-role"} }, "no policy may set it"},
		{"underscored identity", func(c *Config) { c.PolicyHeaders = []string{"x_sso_role"} }, "no policy may set it"},
		{"envoy's own", func(c *Config) { c.PolicyHeaders = []string{"x-envoy-original-path"} }, "no policy may set it"},
		{"cookie", func(c *Config) { c.PolicyHeaders = []string{"cookie"} }, "no policy may set it"},
		{"framing", func(c *Config) { c.PolicyHeaders = []string{"transfer_encoding"} }, "no policy may set it"},
		{"expression", func(c *Config) { c.PolicyHeaders = []string{"x-team|.*"} }, "header name"},
		{"capitals", func(c *Config) { c.PolicyHeaders = []string{"X-Team"} }, "header name"},
		{"too many", func(c *Config) { c.PolicyHeaders = slices.Repeat([]string{"x-team"}, 65) }, "at most 64"},
		{"too long", func(c *Config) { c.PolicyHeaders = []string{strings.Repeat("x", 65)} }, "header name"},
		{"both lists", func(c *Config) { c.PolicyHeaders, c.AnyPolicyHeader = []string{"x-team"}, true }, "contradict"},
		{"target", func(c *Config) { c.Target = "1.35" }, "not supported"},
		{"small bodies", func(c *Config) { c.MaxBody = MaxBody - 1 }, "use 983040 to 1572864"},
		{"large bodies", func(c *Config) { c.MaxBody = LargestBody + 1 }, "use 983040 to 1572864"},
		{"connections", func(c *Config) { c.MaxConnections = -1 }, "positive"},
		{"plain on https", func(c *Config) { c.Plain = true }, "plain is for http"},
		{"plain elsewhere", func(c *Config) { c.Plain, c.PublicURL = true, "http://dashboard.tracio.ai" }, "plain is for http"},
		{"plain for all", func(c *Config) { c.Plain, c.PublicURL = true, "http://localhost:8443" }, "loopback only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Render(with(reference(), c.change))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestVersionsAreParsedByWholeNumbers(t *testing.T) {
	for text, want := range map[string]Version{
		"1.40": Version140, "1.36.13": Version136, "1.4": "", "1.400": "", "1.35": "", "": "", "v1.40": "",
	} {
		got, err := ParseVersion(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseVersion(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestBodiesUnderAuthAreAsLargeAsTheOperatorSays(t *testing.T) {
	for set, want := range map[uint32]string{0: "max_request_bytes: 983040\n", LargestBody: "max_request_bytes: 1572864\n"} {
		text, err := Render(with(reference(), func(o *Config) { o.MaxBody = set }))
		n := strings.Count(string(text), want)
		if err != nil || n != len(BodyPrefixes())+len(BodyPaths()) || n != strings.Count(string(text), "max_request_bytes:") {
			t.Errorf("%d: %d times %s, %v", set, n, want, err)
		}
	}
}
