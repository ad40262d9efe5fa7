package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPartThatEndsIsShownWithTheEndOfItsLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "part.log")
	p, err := startProgram("the part", log, t.TempDir(), "sh", "-c", "seq 100; echo the cause >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.wait(t.Context(), "answer", func(context.Context) bool { return false })
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"the part ended: exit status 3", "part.log", "the cause", "    100"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the message lacks %q:\n%s", want, err)
		}
	}
	if strings.Contains(err.Error(), "    50\n") {
		t.Errorf("more than the end of the log is shown:\n%s", err)
	}
}

func TestProgramThatIgnoresTheSignalIsEndedWithItsChildren(t *testing.T) {
	log := filepath.Join(t.TempDir(), "part.log")
	p, err := startProgram("the part", log, t.TempDir(), "sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait; wait; sleep 600")
	if err != nil {
		t.Fatal(err)
	}
	err = p.wait(t.Context(), "say its child", func(context.Context) bool {
		text, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(text), "\n")
	})
	if err != nil {
		t.Fatal(err)
	}
	p.patience = 100 * time.Millisecond
	p.stop()
	child, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	gone := (&part{name: "the child", log: log, ended: make(chan struct{})}).wait(t.Context(), "end", func(context.Context) bool {
		state, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(child)), "stat"))
		return err != nil || strings.Contains(string(state), ") Z ")
	})
	if gone != nil {
		t.Error(gone)
	}
}

func TestServersLogTellsNoQuery(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "server.log")
	p, err := startServer("the server", log, l, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get("http://" + l.Addr().String() + "/callback?code=planted-secret")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	p.stop()
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), `404 GET "/callback"`) || strings.Contains(string(text), "planted") {
		t.Errorf("the log says %q, %v", text, err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the server still listens")
	}
}
