//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package store

import (
	"context"
	"errors"
	"os"
)

// errLocked reports a lock file that another process holds.
var errLocked = errors.New("locked by another process")

// Without advisory locks two gates could share one file unnoticed, so SQLite is refused here.
var errNoLock = errors.New("this system has no file locks that the gate knows: use postgres://")

func lockFile(string) (*os.File, error) { return nil, errNoLock }

func waitLock(context.Context, string) (*os.File, error) { return nil, errNoLock }
