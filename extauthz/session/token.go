package session

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Token is what the session cookie says once it is open. That it opens proves that this gate sealed it, for this
// host and cookie name; it does not prove that the session lives.
type Token struct {
	ID     ID
	Tenant tenant.ID
	Issued time.Time
}

// SealToken makes the cookie's value: about 130 characters. bound is cookie name and host.
func SealToken(r *Ring, bound string, t Token) (string, error) {
	if len(t.ID.text.Reveal()) != idSize { // the zero ID: its bytes would be read from what follows
		return "", errors.New("token without a session id")
	}
	plain := make([]byte, 0, idSize+8+len(t.Tenant))
	plain = append(plain, t.ID.text.Reveal()...)
	plain = binary.BigEndian.AppendUint64(plain, uint64(t.Issued.Unix())) //nolint:gosec // two's complement both ways
	plain = append(plain, t.Tenant...)
	return r.Seal(ForCookie, bound, plain)
}

// OpenToken reverses SealToken. Whatever is wrong is ErrOpen.
func OpenToken(r *Ring, bound, sealed string) (Token, error) {
	plain, _, err := r.Open(ForCookie, bound, sealed)
	if err != nil {
		return Token{}, err
	}
	if len(plain) < idSize+8 {
		return Token{}, ErrOpen
	}
	id, err := tenant.ParseID(string(plain[idSize+8:]))
	if err != nil {
		return Token{}, ErrOpen
	}
	return Token{
		ID:     ID{text: secret.New(string(plain[:idSize]))},
		Tenant: id,
		Issued: time.Unix(int64(binary.BigEndian.Uint64(plain[idSize:])), 0), //nolint:gosec // two's complement both ways
	}, nil
}
