package policies

import (
	"embed"
	"io/fs"
)

//go:embed rego
var embedded embed.FS

// Default is the policy served when no directory is configured: Admin, Analyst and Viewer over the
// dashboard's routes. Copy it as a starting point.
func Default() fs.FS {
	sub, err := fs.Sub(embedded, "rego")
	if err != nil { // only for an invalid path, and "rego" is valid
		return embedded
	}
	return sub
}
