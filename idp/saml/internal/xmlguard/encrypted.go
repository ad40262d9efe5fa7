package xmlguard

func (g *guard) encryptedAssertion() error {
	g.encryptedKeys = 0
	return nil
}

// countKey wants one key, wherever of the two places it stands: with two, whoever picks decides what is read.
func (g *guard) countKey() error {
	g.encryptedKeys++
	if g.encryptedKeys > 1 {
		return g.shape("two-encrypted-keys")
	}
	return nil
}

func (g *guard) encryptedKey(*frame, []byte) string {
	if g.encryptedKeys == 0 {
		return "no-encrypted-key"
	}
	return ""
}

// encryptedData takes the encryption of an element. That of an element's content would leave its tag to the sender.
func (g *guard) encryptedData() error {
	if kind, ok := g.find("Type"); ok && string(kind) != typeElement {
		return g.shape("encrypted-type")
	}
	return nil
}

func (g *guard) encrypting() error {
	g.dataMethod = g.algorithmName()
	if overhead(g.dataMethod) == 0 {
		return g.shape("encryption-algorithm")
	}
	return nil
}

// keyInfo bounds what is otherwise not looked at.
func (g *guard) keyInfo(f *frame, inner []byte) string {
	if g.elements-f.elements > maxKeyElements || len(inner) > maxKeyInfo {
		return "key-info"
	}
	return ""
}
