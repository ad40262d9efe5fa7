package envoy

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Render returns the Envoy bootstrap for c as YAML. The same Config gives the same bytes.
func Render(c Config) ([]byte, error) {
	b, err := c.bootstrap()
	if err != nil {
		return nil, fmt.Errorf("render the envoy config: %w", err)
	}
	text, err := toYAML(b)
	if err != nil {
		return nil, fmt.Errorf("render the envoy config: %w", err)
	}
	head := fmt.Sprintf("# Rendered by `ssogate envoy config` for Envoy %s and later. Change the gate's configuration, not this file.\n",
		c.withDefaults().Target)
	return append([]byte(head), text...), nil
}

// RenderJSON returns the same bootstrap as JSON.
func RenderJSON(c Config) ([]byte, error) {
	b, err := c.bootstrap()
	if err != nil {
		return nil, fmt.Errorf("render the envoy config: %w", err)
	}
	text, err := toJSON(b)
	if err != nil {
		return nil, fmt.Errorf("render the envoy config: %w", err)
	}
	return text, nil
}

// toJSON encodes a second time, because protojson varies its white space on purpose.
func toJSON(m proto.Message) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func toYAML(m proto.Message) ([]byte, error) {
	text, err := toJSON(m)
	if err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(text)
}
