package saml

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// slotWait is how long an answer waits for its turn. Beyond that the browser is better asked to come again.
const slotWait = 250 * time.Millisecond

// party is on whose account something is verified. Parties take turns: whoever floods the gate with answers over one
// connection, its owner perhaps, whose answers all verify, waits behind themselves and keeps no other company out.
type party string

// strays are answers whose attempt is looked for, all on one account: a stranger can name any connection, and how little
// that costs does not depend on it. No connection's id has an apostrophe.
const strays party = "strays'"

// signOuts are a connection's messages of single logout. They need no attempt, so they must not keep its sign-ins waiting;
// and what they cost depends on its keys, which its owner chooses.
func signOuts(id idp.ConnectionID) party { return party(id) + "'s sign-outs" }

// turns shares the processors out. The zero value is ready.
type turns struct {
	mu      sync.Mutex
	size    int // how many run at once; 0: as many as there are processors
	running int
	waiting map[party][]*turn // the first to come first
	order   []party           // those with somebody waiting, the next first
}

// turn is one that waits. Granted closes once it may run.
type turn struct{ granted chan struct{} }

// enter waits for one of as many slots as there are processors: verifying costs nothing but CPU, so more at once would be
// no faster, and a flood must not starve the checks of those who are signed in.
func (c *Connector) enter(ctx context.Context, p party) (leave func(), err error) {
	own := c.turns.queue(p)
	if own == nil {
		return c.turns.next, nil
	}
	wait := time.NewTimer(slotWait)
	defer wait.Stop()
	select {
	case <-own.granted:
		return c.turns.next, nil
	case <-wait.C:
		err = fault(idp.CodeSAMLBusy, "slots", "", "too many answers at once")
	case <-ctx.Done():
		err = fmt.Errorf("wait for a turn to verify: %w", context.Cause(ctx))
	}
	if !c.turns.leave(p, own) {
		c.turns.next() // it was granted in the same moment, and nobody will use it
	}
	return nil, err
}

// queue takes a free slot, and returns nil, or a place among those of p who wait.
func (t *turns) queue(p party) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.size == 0 {
		t.size = runtime.GOMAXPROCS(0)
	}
	if t.running < t.size { // then nobody waits
		t.running++
		return nil
	}
	if t.waiting == nil {
		t.waiting = map[party][]*turn{}
	}
	if len(t.waiting[p]) == 0 {
		t.order = append(t.order, p)
	}
	own := &turn{granted: make(chan struct{})}
	t.waiting[p] = append(t.waiting[p], own)
	return own
}

// next hands a slot that was used on to the party whose turn it is.
func (t *turns) next() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.running--
		return
	}
	p := t.order[0]
	t.order = t.order[1:]
	first := t.waiting[p][0]
	t.keep(p, t.waiting[p][1:])
	if len(t.waiting[p]) > 0 {
		t.order = append(t.order, p)
	}
	close(first.granted)
}

// leave gives a place in the queue up, and reports whether it was still one.
func (t *turns) leave(p party, own *turn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.Index(t.waiting[p], own)
	if at < 0 {
		return false
	}
	t.keep(p, slices.Delete(t.waiting[p], at, at+1))
	if len(t.waiting[p]) == 0 {
		t.order = slices.DeleteFunc(t.order, func(o party) bool { return o == p })
	}
	return true
}

// keep forgets a party that nobody waits of: connections come and go.
func (t *turns) keep(p party, rest []*turn) {
	if len(rest) == 0 {
		delete(t.waiting, p)
		return
	}
	t.waiting[p] = rest
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
