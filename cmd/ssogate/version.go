package main

import (
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

// Run prints what this binary was built from.
func (versionCmd) Run(a *app) error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
	}{version(), runtime.Version()}
	return a.result(v, "ssogate %s (%s, %s/%s)", v.Version, v.Go, runtime.GOOS, runtime.GOARCH)
}

// version is the module's version, or the commit where it was built from a working copy.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return s.Value[:12]
		}
	}
	return "devel"
}
