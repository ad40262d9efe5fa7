package saml

// defence is a set of the steps of Complete. Tests switch one off at a time to see which attacks only it refuses.
type defence uint8

const (
	offForm defence = 1 << iota
	offGuard
	offVerify
	offSemantics
	offOpinion
	offReplay
)

func (d defence) has(x defence) bool { return d&x != 0 }
