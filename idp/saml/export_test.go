package saml

import (
	"context"

	"github.com/tracio-ai/ssogate/idp"
)

// The defences of Complete, by name, for the tests that switch one off.
const (
	WithoutForm      = offForm
	WithoutGuard     = offGuard
	WithoutVerify    = offVerify
	WithoutSemantics = offSemantics
	WithoutOpinion   = offOpinion
	WithoutReplay    = offReplay
)

// SwitchOff leaves steps of Complete out. It exists in tests alone.
func (c *Connector) SwitchOff(d defence) { c.off = d }

// FillSlots makes n slots and takes all of them, until leave is called.
func (c *Connector) FillSlots(n int) (leave func()) {
	c.turns.size = n
	for range n {
		c.turns.queue("test's")
	}
	return func() {
		for range n {
			c.turns.next()
		}
	}
}

// Waiting counts those who wait for a slot, by whose account they are on.
func (c *Connector) Waiting() map[string]int {
	c.turns.mu.Lock()
	defer c.turns.mu.Unlock()
	n := map[string]int{}
	for p, w := range c.turns.waiting {
		n[string(p)] = len(w)
	}
	return n
}

// Running counts the slots in use.
func (c *Connector) Running() int {
	c.turns.mu.Lock()
	defer c.turns.mu.Unlock()
	return c.turns.running
}

// Enter waits for a slot on a connection's account.
func (c *Connector) Enter(ctx context.Context, id idp.ConnectionID) (leave func(), err error) {
	return c.enter(ctx, party(id))
}

// Next gives a slot back.
func (c *Connector) Next() { c.turns.next() }
