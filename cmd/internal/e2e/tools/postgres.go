package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const postgresFloor = "15"

// Postgres finds the folder of PostgreSQL's programs: $POSTGRES_BIN, then the newest of Debian's, then the one
// that holds the postgres on PATH.
func Postgres(ctx context.Context) (bin, version string, err error) {
	if bin = os.Getenv("POSTGRES_BIN"); bin != "" {
		version, err = postgresIn(ctx, bin)
		if err != nil {
			return "", "", fmt.Errorf("$POSTGRES_BIN: %w", err)
		}
		return bin, version, nil
	}
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", "", fmt.Errorf("find PostgreSQL: %w", err)
	}
	if onPath, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(onPath); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, dir := range dirs {
		v, err := postgresIn(ctx, dir)
		if err == nil && (version == "" || !atLeast(version, v)) {
			bin, version = dir, v
		}
	}
	if bin == "" {
		return "", "", fmt.Errorf("no PostgreSQL %s or newer: run %s", postgresFloor, aptCommand("postgresql"))
	}
	return bin, version, nil
}

// postgresIn returns the version of the PostgreSQL in a folder, or why it will not do.
func postgresIn(ctx context.Context, bin string) (version string, err error) {
	for _, name := range []string{"initdb", "postgres", "pg_isready"} {
		if !runnable(filepath.Join(bin, name)) {
			return "", fmt.Errorf("%s holds no %s", bin, name)
		}
	}
	version, err = versionOf(ctx, filepath.Join(bin, "postgres"), "--version")
	if err != nil {
		return "", err
	}
	if !atLeast(version, postgresFloor) {
		return "", fmt.Errorf("%s holds PostgreSQL %s, older than %s", bin, version, postgresFloor)
	}
	return version, nil
}

// PostgresServer is a throw-away PostgreSQL: a data folder of its own, a unix socket and no port. It is not safe
// for concurrent use.
type PostgresServer struct {
	DSN string // a superuser on the database postgres; stays the same across Halt and Resume

	bin, dir string
	attr     *syscall.SysProcAttr
	log      *os.File
	cmd      *exec.Cmd
	exited   chan struct{}
}

// StartPostgres makes a new cluster in a temporary folder and serves it. PostgreSQL refuses to run as root: for
// root, both programs run as the user postgres, who owns the folder.
func StartPostgres(ctx context.Context) (_ *PostgresServer, err error) {
	bin, _, err := Postgres(ctx)
	if err != nil {
		return nil, err
	}
	// A socket's path may have 107 bytes, so $TMPDIR is not for us.
	dir, err := os.MkdirTemp("/tmp", "ssogate-pg-")
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	s := &PostgresServer{bin: bin, dir: dir, DSN: "postgres://postgres@/postgres?host=" + dir + "&sslmode=disable"}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("start PostgreSQL: %w", err), s.Stop())
		}
	}()
	if err := s.dropRoot(); err != nil {
		return nil, err
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	locale := "C"
	if runtime.GOOS == "linux" {
		locale = "C.UTF-8"
	}
	initdb := s.command(ctx, "initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust",
		"--encoding", "UTF8", "--locale", locale, "--no-sync")
	if err := initdb.Run(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, s.tail())
	}
	return s, s.Resume(ctx)
}

// dropRoot gives the folder to the user postgres where we are root.
func (s *PostgresServer) dropRoot() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("as root it runs as the user postgres: %w: run %s", err, aptCommand("postgresql"))
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("user postgres: %w", err)
	}
	s.attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return os.Chown(s.dir, int(uid), int(gid))
}

func (s *PostgresServer) data() string { return filepath.Join(s.dir, "data") }

// command runs outside our process group, so that Ctrl-C reaches only us and we stop the server in order.
func (s *PostgresServer) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	attr := syscall.SysProcAttr{Setpgid: true}
	if s.attr != nil {
		attr.Credential = s.attr.Credential
	}
	cmd.SysProcAttr = &attr
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = s.log, s.log
	return cmd
}

// Resume serves the cluster again after Halt, on the same socket and with the same data.
func (s *PostgresServer) Resume(ctx context.Context) error {
	// The server outlives ctx: Stop and Halt end it.
	s.cmd = s.command(context.WithoutCancel(ctx), "postgres", "-D", s.data(), "-k", s.dir, "-h", "",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // how it ended is in its log
	}(s.cmd, s.exited)
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		if s.command(ctx, "pg_isready", "-q", "-h", s.dir, "-U", "postgres").Run() == nil {
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("postgres ended at once\n%s", s.tail())
		case <-deadline.C:
			return fmt.Errorf("postgres takes no connection after a minute\n%s", s.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Halt stops the server at once and keeps its data: to clients it looks like a crash.
func (s *PostgresServer) Halt() error { return s.end(syscall.SIGQUIT) }

// Stop ends the server and removes its folder. It may be called twice, and after a failed start.
func (s *PostgresServer) Stop() error {
	err := s.end(syscall.SIGINT)
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
		s.log = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *PostgresServer) end(signal syscall.Signal) error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	for _, signal := range []syscall.Signal{signal, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop PostgreSQL: %w", err)
		}
		select {
		case <-s.exited:
			return nil
		case <-time.After(10 * time.Second):
		}
	}
	return errors.New("stop PostgreSQL: it does not end")
}

// tail returns the end of the server's log, for error texts.
func (s *PostgresServer) tail() string {
	text, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
