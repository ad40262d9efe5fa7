package policies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Limits on a policy's files.
const (
	maxSource = 16 << 20 // bytes, all files together
	maxFiles  = 10_000   // files and directories looked at
)

// readings is how often a tree is read in the hope of seeing it at rest.
const readings = 5

// sources is a policy's files by slash-separated path.
type sources map[string][]byte

// readTree reads until two readings in a row are equal: a tree caught in the middle of a save or of a
// ConfigMap's switch would be half of one policy and half of another.
func readTree(fsys fs.FS) (sources, error) {
	last, err := readOnce(fsys)
	for range readings {
		next, nextErr := readOnce(fsys)
		if err == nil && nextErr == nil && maps.EqualFunc(last, next, bytes.Equal) {
			return next, nil
		}
		last, err = next, nextErr
	}
	if err != nil {
		return nil, err
	}
	return nil, errors.New("policy files change faster than they can be read")
}

// readOnce takes the modules and data files. It skips names that begin with a dot (a ConfigMap keeps
// its copies in ..data and ..2026_…), follows links to files and never links to directories.
func readOnce(fsys fs.FS) (sources, error) {
	files := sources{}
	seen, total := 0, 0
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if seen++; seen > maxFiles {
			return failf("", "point policy.path at the policy's own directory", "more than %d files", maxFiles)
		}
		if strings.HasPrefix(entry.Name(), ".") && name != "." {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() || !isModule(name) && !isData(name) {
			return nil
		}
		content, err := readFile(fsys, name, maxSource-total)
		if err != nil || content == nil {
			return err
		}
		files[name] = content
		total += len(content)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

// readFile gives nil for what is not a regular file behind its links.
func readFile(fsys fs.FS, name string, limit int) ([]byte, error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(content) > limit {
		return nil, failf(name, "keep people and groups in the directory, not in the policy's data",
			"policy files are larger than %d MiB together", maxSource>>20)
	}
	if content == nil {
		content = []byte{}
	}
	return content, nil
}

func isModule(name string) bool { return path.Ext(name) == ".rego" }
func isTest(name string) bool   { return strings.HasSuffix(name, "_test.rego") }

func isData(name string) bool {
	base := path.Base(name)
	return base == "data.json" || base == "data.yaml"
}

func (s sources) names(keep func(string) bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if keep(name) {
			names = append(names, name)
		}
	}
	return names
}
