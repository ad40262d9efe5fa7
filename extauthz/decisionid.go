package extauthz

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"sync/atomic"
)

// decisionIDs makes UUIDs of version 8 (RFC 9562 §5.8): a counter encrypted under a key of this process. They cannot be
// guessed, do not tell how many requests there were, and cost no random read each.
type decisionIDs struct {
	block cipher.Block
	next  atomic.Uint64
	salt  uint64
}

func newDecisionIDs() *decisionIDs {
	var seed [24]byte
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand aborts the program instead
	block, err := aes.NewCipher(seed[:16])
	if err != nil {
		panic("extauthz: 16 bytes are an AES key: " + err.Error())
	}
	return &decisionIDs{block: block, salt: binary.BigEndian.Uint64(seed[16:])}
}

// New returns 36 characters. Two of a process are equal by chance alone: the version bits leave 122 of the cipher.
func (d *decisionIDs) New() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], d.salt)
	binary.BigEndian.PutUint64(b[8:], d.next.Add(1))
	d.block.Encrypt(b[:], b[:])
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	var out [36]byte
	hex.Encode(out[0:8], b[0:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:36], b[10:16])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:])
}
