package saml

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// slotWait is how long an answer waits for its turn. Beyond that the browser is better asked to come again.
const slotWait = 250 * time.Millisecond

// enter takes one of as many slots as there are processors: verifying costs nothing but CPU, so more at once would be
// no faster, and a flood must not starve the checks of those who are signed in.
func (c *Connector) enter(ctx context.Context) (leave func(), err error) {
	c.once.Do(func() {
		if c.slots == nil {
			c.slots = make(chan struct{}, runtime.GOMAXPROCS(0))
		}
	})
	wait := time.NewTimer(slotWait)
	defer wait.Stop()
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	case <-wait.C:
		return nil, fault(idp.CodeSAMLBusy, "slots", "", "too many answers at once")
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a turn to verify: %w", context.Cause(ctx))
	}
}

// panicked turns a panic into a refusal: some document found a fault in us, and must not stop the gate.
func (c *Connector) panicked(ctx context.Context, conn idp.Connection, p any) error {
	c.log().ErrorContext(ctx, "verification panicked", "connection", conn.ID, "err", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	if c.OnPanic != nil {
		c.OnPanic()
	}
	return fault(idp.CodeSAMLXML, "panic", "", "verification panicked")
}

func (c *Connector) completed(err error, took time.Duration) {
	if c.OnVerify != nil {
		c.OnVerify(idp.CodeOf(err), took)
	}
}

// unknownKey lets it be known that the provider may sign with a key it has not told us of.
func (c *Connector) unknownKey(conn idp.Connection, err error) error {
	if idp.CodeOf(err) == idp.CodeSAMLKey && c.OnUnknownKey != nil {
		c.OnUnknownKey(conn.Tenant, conn.ID)
	}
	return err
}

// cut shortens a provider's words for the log.
func cut(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		return string(r[:200])
	}
	return s
}
