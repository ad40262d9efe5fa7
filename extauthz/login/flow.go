package login

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

const (
	flowTTL       = 30 * 24 * time.Hour
	flowSecretLen = 32
	loopWindow    = time.Minute
	loopLimit     = 5 // the sign-in that would be this many within the window ends on a page
)

// flow is the cookie that ties attempts to one browser: one for all its tabs, so that twenty restored at once find
// the same secret. It is no credential; who holds it can only finish what that browser began.
type flow struct {
	opens  bool
	keyID  string
	secret secret.Text
	issued time.Time
	// The sign-ins that came back since window. Completed ones are counted, for begun ones would trip on many tabs.
	completed  int
	window     time.Time
	tenant     tenant.ID // of the last completed sign-in
	connection idp.ConnectionID
	choose     bool // the provider kept its own session at sign-out: it must ask who is there next time
}

func (f flow) digest() [sha256.Size]byte { return sha256.Sum256([]byte(f.secret.Reveal())) }

// looping reports that one more sign-in would be the fifth within a minute. A person whose session is alive has lost none
// and does not count: many tabs restored without a cookie can come back several times.
func (f flow) looping(now time.Time) bool {
	return f.opens && now.Sub(f.window) < loopWindow && f.completed >= loopLimit-1
}

// after is the cookie once a sign-in over c is complete.
func (f flow) after(c idp.Connection, now time.Time, counts bool) flow {
	if now.Sub(f.window) >= loopWindow || f.window.After(now) {
		f.completed, f.window = 0, now
	}
	if counts {
		f.completed = min(f.completed+1, loopLimit)
	}
	f.tenant, f.connection, f.choose = c.Tenant, c.ID, false
	return f
}

// openFlow reads the cookie. What does not open, and two of the name, is no cookie: it is overwritten when the browser is
// next sent to a provider, and is never an error.
func (h *Handler) openFlow(cookies httpreq.Cookies) flow {
	name := h.CookieNames().Flow
	value, n := cookies.Get(name)
	if n != 1 {
		return flow{}
	}
	plain, keyID, err := h.Ring.Open(session.ForState, session.Bound(name, h.host()), value)
	if err != nil {
		return flow{}
	}
	f, ok := unpackFlow(plain)
	if !ok || h.Now().Sub(f.issued) >= flowTTL {
		return flow{}
	}
	f.opens, f.keyID = true, keyID
	return f
}

// begin returns the cookie to begin an attempt with, and whether the browser has to be given it anew: it has none, or it is
// half through its life or sealed by a retired key, and an attempt lives longer than that must not be cut short.
func (h *Handler) begin(f flow) (_ flow, set bool, _ error) {
	now := h.Now()
	if !f.opens {
		var b [flowSecretLen]byte
		_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
		return flow{opens: true, secret: secret.New(string(b[:])), issued: now, window: now}, true, nil
	}
	key, err := h.Ring.Active(session.ForState)
	if err != nil {
		return flow{}, false, err
	}
	return f, f.keyID != key.ID || now.Sub(f.issued) >= flowTTL/2, nil
}

// setFlow gives the browser f.
func (h *Handler) setFlow(w http.ResponseWriter, f flow) error {
	f.issued = h.Now()
	name := h.CookieNames().Flow
	value, err := h.Ring.Seal(session.ForState, session.Bound(name, h.host()), f.pack())
	if err != nil {
		return err
	}
	h.setCookie(w, name, value, flowTTL)
	return nil
}

// setCookie is the one place that makes a cookie. Lax, not Strict: the landing after the provider is a navigation that
// another site began, and must carry it. A maxAge of 0 deletes.
func (h *Handler) setCookie(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	c := http.Cookie{ //nolint:gosec // Secure is off for plain http on loopback only, which cannot have it everywhere
		Name: name, Value: value, Path: "/", MaxAge: int(maxAge / time.Second),
		Secure: !h.Insecure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1 // net/http writes it as Max-Age=0
	}
	w.Header().Add("Set-Cookie", c.String())
}

// host is what cookies and states are sealed for.
func (h *Handler) host() string { return h.PublicURL.Host }

func (f flow) pack() []byte {
	b := append(make([]byte, 0, 160), f.secret.Reveal()...)
	var flags byte
	if f.choose {
		flags = 1
	}
	b = append(b, byte(f.completed), flags) //nolint:gosec // at most loopLimit
	b = packInt64(b, f.issued.Unix())
	b = packInt64(b, f.window.Unix())
	b = packText(b, string(f.tenant))
	return packText(b, string(f.connection))
}

func unpackFlow(plain []byte) (flow, bool) {
	u := unpacker{rest: plain}
	f := flow{secret: secret.New(string(u.take(flowSecretLen)))}
	f.completed, f.choose = int(u.byte()), u.byte() == 1
	f.issued, f.window = time.Unix(u.int64(), 0), time.Unix(u.int64(), 0)
	f.tenant, f.connection = tenant.ID(u.text()), idp.ConnectionID(u.text())
	return f, u.done()
}
