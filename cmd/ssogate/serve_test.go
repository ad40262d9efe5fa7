package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestListeningRemovesNothingButADeadSocket(t *testing.T) {
	folder := t.TempDir()
	database := filepath.Join(folder, "ssogate.db")
	if err := os.WriteFile(database, []byte("people"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen("unix:" + database); err == nil {
		t.Error("listens in the place of a file")
	}
	if kept, err := os.ReadFile(database); err != nil || string(kept) != "people" {
		t.Errorf("the file is gone: %v", err)
	}
	socket := filepath.Join(folder, "check.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false) // as kill -9 leaves it
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listen("unix:" + socket)
	if err != nil {
		t.Fatalf("a dead gate's socket is in the way: %v", err)
	}
	if _, err := listen("unix:" + socket); err == nil {
		t.Error("took the place of a gate that lives")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDrainingGateAnswersOnItsOtherDoors: while checks are still taken, what they let pass must find the gate's HTTP
// listener open, and whoever asks must hear that the gate goes.
func TestDrainingGateAnswersOnItsOtherDoors(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g, err := serveCmd{}.open(&app{ctx: ctx, getenv: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard, now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var l listeners
	for _, door := range []*net.Listener{&l.check, &l.http, &l.ops} {
		if *door, err = listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- g.serve(ctx, l) }()
	late := time.Now().Add(keysWithin)
	for answers(t, l.ops, "/readyz") != http.StatusOK { // it first looks which connections want keys
		if t.Failed() || time.Now().After(late) {
			t.Fatal("a gate that serves does not become ready")
		}
	}
	stop()
	for answers(t, l.ops, "/readyz") == http.StatusOK { // until the word is out
		if t.Failed() {
			break
		}
	}
	if got := answers(t, l.http, "/auth/jwks.json"); got != http.StatusOK {
		t.Errorf("/auth/jwks.json of a gate that drains: %d", got)
	}
	if err := l.check.Close(); err != nil { // ends the drain
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("a listener that broke was passed over")
	}
	if _, err := net.DialTimeout("tcp", l.http.Addr().String(), time.Second); err == nil {
		t.Error("the HTTP listener outlives the gate")
	}
	if err := closing(g.store); err != nil {
		t.Fatal(err)
	}
}

func answers(t *testing.T, l net.Listener, path string) int {
	t.Helper()
	resp, err := http.Get("http://" + l.Addr().String() + path)
	if err != nil {
		t.Error(err)
		return 0
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}
