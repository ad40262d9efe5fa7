package tools

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// pythonPackages are somebody else's SCIM clients that examine the service provider, and all they need. Every version
// is pinned: a new release of theirs must not change what a test of ours proves.
var pythonPackages = []string{
	"scim2-cli==0.6.0", "scim2-tester==0.5.2", "scim-sanity==0.7.4",
	"annotated-types==0.8.0", "anyio==4.16.0", "click==8.5.1", "colorama==0.4.6", "dnspython==2.9.2", "docutils==0.23",
	"email-validator==2.4.0", "h11==0.16.0", "httpcore2==2.16.2", "httpx2==2.16.2", "idna==3.20", "lark==1.3.1",
	"pydanclick==0.5.1", "pydantic==2.14.4", "pydantic-core==2.50.5", "pygments==2.21.0", "scim2-client==0.13.2",
	"scim2-models==0.12.3", "sphinx-click-rst-to-ansi-formatter==0.2.0", "truststore==0.10.5",
	"typing-extensions==4.16.0", "typing-inspection==0.4.5",
}

// shownPythonPackages are those of them that a test run names.
const shownPythonPackages = 3

// PythonPackages returns the folder that Python finds the SCIM clients in when PYTHONPATH names it, with their programs
// in its bin. It installs them if it has to. The folder is one Python's: wheels of another do not load.
func PythonPackages(ctx context.Context) (dir string, err error) {
	_, version, err := Python(ctx)
	if err != nil {
		return "", err
	}
	dir, err = folder("python")
	if err != nil {
		return "", err
	}
	mark, want := filepath.Join(dir, "installed"), version+"\n"+strings.Join(pythonPackages, "\n")+"\n"
	installed := func() bool {
		text, err := os.ReadFile(mark)
		return err == nil && string(text) == want
	}
	if installed() {
		return dir, nil
	}
	err = locked(func() error {
		if installed() {
			return nil
		}
		if err := wheel(ctx, dir, pythonPackages...); err != nil {
			return err
		}
		return os.WriteFile(mark, []byte(want), 0o644)
	})
	if err != nil {
		return "", fmt.Errorf("python packages: %w", err)
	}
	return dir, nil
}
