package envoy

import (
	"fmt"
	"path/filepath"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// secretName joins the listener to the secret file.
const secretName = "public"

// downstreamTLS takes the certificate from the secret file, so that a renewed one is served without a restart.
func (b *builder) downstreamTLS() *corev3.TransportSocket {
	config := &tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		TlsParams:     &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
		AlpnProtocols: []string{"h2", "http/1.1"},
		TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{
			Name: secretName,
			SdsConfig: &corev3.ConfigSource{
				ResourceApiVersion: corev3.ApiVersion_V3,
				ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{
					Path:             b.TLS.Secret,
					WatchedDirectory: folderOf(b.TLS.Secret),
				}},
			},
		}},
	}}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.pack(config)},
	}
}

// RenderSecret returns the contents of the file TLS.Secret: where the certificate and its key are. Envoy reads both
// again whenever something is moved into the certificate's folder, as Kubernetes and certbot do.
func RenderSecret(c Config) ([]byte, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("render the secret file: %w", err)
	}
	file := func(name string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
	}
	secret, err := anypb.New(&tlsv3.Secret{Name: secretName, Type: &tlsv3.Secret_TlsCertificate{
		TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: file(c.TLS.Cert),
			PrivateKey:       file(c.TLS.Key),
			WatchedDirectory: folderOf(c.TLS.Cert),
		},
	}})
	if err != nil {
		return nil, fmt.Errorf("render the secret file: %w", err)
	}
	return toYAML(&discoveryv3.DiscoveryResponse{Resources: []*anypb.Any{secret}})
}

func folderOf(path string) *corev3.WatchedDirectory {
	return &corev3.WatchedDirectory{Path: filepath.Dir(path)}
}
