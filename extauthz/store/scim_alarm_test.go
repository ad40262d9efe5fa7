package store

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

func TestSilentEntraIsToldOnceAndSilentOktaNever(t *testing.T) {
	for provider, want := range map[idp.Provider]int{idp.Entra: 1, idp.Okta: 0} {
		t.Run(string(provider), func(t *testing.T) {
			each(t, func(t *testing.T, d *database) {
				c := newCompany(t, d, provider)
				var out bytes.Buffer
				c.s.o.Log = slog.New(slog.NewJSONHandler(&out, nil))
				c.scim(true)
				token, _, err := c.s.CreateSCIMToken(t.Context(), acme, "entra", time.Time{}, "cli")
				if err != nil {
					t.Fatal(err)
				}
				speak := func() {
					t.Helper()
					if _, _, err := c.s.Tenant(t.Context(), token); err != nil {
						t.Fatal(err)
					}
					if err := c.s.flushTokens(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				hear := func(after time.Duration, want int) {
					t.Helper()
					d.clock.advance(after)
					if err := c.s.hearProviders(t.Context(), d.clock.Now()); err != nil {
						t.Fatal(err)
					}
					if got := strings.Count(out.String(), "stopped provisioning"); got != want {
						t.Errorf("told %d times, want %d: %s", got, want, out.String())
					}
				}
				hear(3*time.Hour, 0) // a token that nobody has used yet: nothing has stopped
				speak()
				hear(silence-time.Minute, 0)
				hear(2*time.Minute, want)
				hear(time.Hour, want)
				speak()
				hear(time.Minute, want)
				hear(silence, 2*want)
			})
		})
	}
}
