package login

import (
	"encoding/binary"
	"errors"
)

// errPacked reports bytes that pack did not write. Only sealed values are unpacked, so it means a different build.
var errPacked = errors.New("not a packed value")

// unpacker reads what binary.Append wrote, field by field. After the first short read it yields zero values; done says so.
type unpacker struct {
	rest []byte
	bad  bool
}

func (u *unpacker) take(n int) []byte {
	if u.bad || n < 0 || n > len(u.rest) {
		u.bad = true
		return nil
	}
	b := u.rest[:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) byte() byte {
	if b := u.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (u *unpacker) int64() int64 {
	if b := u.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b)) //nolint:gosec // the same 64 bits
	}
	return 0
}

func (u *unpacker) text() string {
	n := u.take(2)
	if n == nil {
		return ""
	}
	return string(u.take(int(binary.BigEndian.Uint16(n))))
}

// done reports whether every field was there and nothing follows.
func (u *unpacker) done() bool { return !u.bad && len(u.rest) == 0 }

func packInt64(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // the same 64 bits
}

func packText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) //nolint:gosec // no text of an attempt or flow is longer than a state
}
