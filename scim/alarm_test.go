package scim

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/scim/directory"
)

func TestRunOfRefusalsIsToldOnceAndASuccessEndsIt(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	var a alarm
	call := func(times, status int) {
		for range times {
			a.note(t.Context(), log, directory.Call{Tenant: "acme", Status: status})
			a.note(t.Context(), log, directory.Call{Tenant: "globex", Status: 200})
		}
	}
	warned := func() int { return strings.Count(out.String(), "refused again and again") }
	call(alarmAt-1, 400)
	if warned() != 0 {
		t.Errorf("warned early: %s", out.String())
	}
	call(1, 404)
	call(100, 400)
	if warned() != 1 {
		t.Errorf("warned %d times", warned())
	}
	call(80, 400)
	if warned() != 2 {
		t.Errorf("warned %d times at 200", warned())
	}
	call(1, 503) // ours: neither theirs nor a success
	call(1, 429)
	call(1, 200)
	call(alarmAt-1, 400)
	if warned() != 2 {
		t.Errorf("a success did not end the run: %d", warned())
	}
}
