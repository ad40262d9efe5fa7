package saml

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

// FillSlots takes every slot, until leave is called.
func (c *Connector) FillSlots(n int) (leave func()) {
	c.once.Do(func() { c.slots = make(chan struct{}, n) })
	for range n {
		c.slots <- struct{}{}
	}
	return func() {
		for range n {
			<-c.slots
		}
	}
}
