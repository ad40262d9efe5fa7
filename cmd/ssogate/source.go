package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/tracio-ai/ssogate/idp/secret"
)

const maxSecret = 64 << 10 // bytes of a file that holds a secret

// source is where a secret stands: a file or an environment variable. The configuration never holds the secret itself,
// so that it can be kept in a repository and shown to anyone.
type source struct {
	File  string // absolute
	Env   string
	place problem // where the configuration says so, for errors
}

func (s source) set() bool { return s.File != "" || s.Env != "" }

// read fetches the secret.
func (s source) read(getenv func(string) string) (secret.Text, error) {
	p := s.place
	if s.Env != "" {
		value := getenv(s.Env)
		if value == "" {
			p.Message += fmt.Sprintf(": environment variable %s is not set", s.Env)
			p.Hint = "set it where ssogate is started, or name a file: {file: PATH}"
			return secret.Text{}, p
		}
		return secret.New(value), nil
	}
	text, err := readLimited(s.File, maxSecret)
	if err != nil {
		p.Message += ": " + fileTrouble(err)
		return secret.Text{}, p
	}
	value := strings.TrimRight(string(text), "\r\n")
	if value == "" {
		p.Message += fmt.Sprintf(": %s is empty", shortPath(s.File))
		return secret.Text{}, p
	}
	return secret.New(value), nil
}

// secret makes a reader of {file: PATH} or {env: NAME}. What else stands there may be the secret itself, so no message
// repeats it.
func (r *reader) secret(folder string, to *source) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		switch n.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
		default:
			r.problem(n, fmt.Sprintf("put it in a file or a variable: %s: {file: PATH} or {env: NAME}", lastKey(path)),
				"%s: a secret does not stand in this file", path)
			return
		}
		var file, env string
		r.mapping(path, n, fields{"file": r.str(&file), "env": r.str(&env)})
		*to = source{Env: env, place: problem{File: r.file, Line: n.GetToken().Position.Line, Message: path}}
		switch {
		case (file == "") == (env == ""):
			r.problem(n, "write {file: PATH} or {env: NAME}", "%s: want one of file and env", path)
		case file != "":
			to.File = below(folder, file)
		case !envName(env):
			to.Env = ""
			r.problem(n, "a name such as SSOGATE_SECRET: A-Z, 0-9 and _", "%s.env: not the name of an environment variable", path)
		}
	}
}

func envName(s string) bool {
	for i, c := range []byte(s) {
		digit := c >= '0' && c <= '9'
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '_' && (!digit || i == 0) {
			return false
		}
	}
	return s != "" && len(s) <= 128
}

func lastKey(path string) string {
	return path[strings.LastIndexByte(path, '.')+1:]
}

// below resolves a path of the file against a folder.
func below(folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}

// readLimited reads a whole file that must be small.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the files of their own configuration
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s is larger than %d KiB", path, limit>>10)
	}
	return text, nil
}

// fileTrouble says why a file could not be read, in words rather than in system calls.
func fileTrouble(err error) string {
	bad, ok := errors.AsType[*fs.PathError](err)
	switch {
	case !ok:
		return err.Error()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("no file %s", shortPath(bad.Path))
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("no permission to read %s", shortPath(bad.Path))
	}
	return fmt.Sprintf("%s: %v", shortPath(bad.Path), bad.Err)
}
