package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tracio-ai/ssogate/idp/secret"
)

// sealer opens the root key, making the key file on an installation's first start.
func (c Config) sealer(getenv func(string) string) (*secret.Sealer, error) {
	if c.RootKey.File != "" {
		if err := c.ensureRootKey(); err != nil {
			return nil, err
		}
	}
	text, err := c.RootKey.read(getenv)
	if err != nil {
		return nil, err
	}
	key, err := secret.ParseKey(text.Reveal())
	if err != nil {
		p := c.RootKey.place
		p.Message += ": not a root key: want 32 bytes in base64url"
		p.Hint = "let ssogate make one, or: openssl rand -base64 32 | tr +/ -_"
		return nil, p
	}
	return secret.NewSealer(key)
}

// ensureRootKey checks the key file's mode and makes the file where there is none. A database without its key is
// refused: a fresh key would open nothing in it, and whoever mislaid the old one should hear of it now.
func (c Config) ensureRootKey() error {
	path := c.RootKey.File
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if db, isFile := c.sqliteFile(); isFile && exists(db) {
			return hinted("restore it from your backup: what is sealed in the database opens with no other key",
				"root_key: no file %s, but %s exists", path, db)
		}
		return makeRootKey(path)
	}
	if err != nil {
		return fmt.Errorf("root_key: %s", fileTrouble(err))
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return hinted("run: chmod 600 "+path, "root_key: others may read %s (mode %04o)", path, mode)
	}
	return nil
}

// makeRootKey writes a fresh key beside its place and links it there: of two processes that start at once both use
// the one that came first, and none sees half a key.
func makeRootKey(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".root.key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make root key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(secret.EncodeKey(secret.RandomKey()) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make root key: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make root key: %w", err)
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
