package login

import (
	"context"
	"net/http"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// How often the gate may begin a sign-in that nobody asked it for: after a response without an attempt, or without a
// request. A browser whose cookies do not hold would go round for ever.
const (
	automaticLimit  = 2
	automaticWindow = time.Minute
)

// twin is the flow cookie's copy for the POST by which a SAML provider answers: that request comes from another site, and
// browsers leave SameSite=Lax cookies behind. Sealed under its own name, it holds what the callback needs of the flow and
// session cookies: the secret, the loop count, and which session this browser has. It is no credential either.
type twin struct {
	flow   flow // opens: the cookie was there
	tenant tenant.ID
	held   session.Hash // the session this browser was given last; meaningless without tenant

	automatic int // sign-ins begun by the gate itself since
	since     time.Time
}

// restless reports that the gate has begun as many sign-ins by itself as it may.
func (t twin) restless(now time.Time) bool {
	return t.automatic >= automaticLimit && now.Sub(t.since) < automaticWindow
}

// begun counts one more.
func (t twin) begun(now time.Time) twin {
	if now.Sub(t.since) >= automaticWindow || t.since.After(now) {
		t.automatic, t.since = 0, now
	}
	t.automatic = min(t.automatic+1, automaticLimit)
	return t
}

// holding is the twin of a browser that has session s of tenant id.
func (t twin) holding(id tenant.ID, s session.Hash) twin {
	t.tenant, t.held = id, s
	return t
}

func (h *Handler) openTwin(cookies httpreq.Cookies) twin {
	name := h.CookieNames().CrossSite
	value, n := cookies.Get(name)
	if n != 1 {
		return twin{}
	}
	plain, keyID, err := h.Ring.Open(session.ForState, session.Bound(name, h.host()), value)
	if err != nil {
		return twin{}
	}
	t, ok := unpackTwin(plain)
	if !ok || h.Now().Sub(t.flow.issued) >= flowTTL {
		return twin{}
	}
	t.flow.opens, t.flow.keyID = true, keyID
	return t
}

// setTwin gives the browser t, where a SAML connector exists.
func (h *Handler) setTwin(w http.ResponseWriter, t twin) error {
	if _, speaks := h.Connectors[idp.SAML]; !speaks {
		return nil
	}
	t.flow.issued = h.Now()
	name := h.CookieNames().CrossSite
	value, err := h.Ring.Seal(session.ForState, session.Bound(name, h.host()), t.pack())
	if err != nil {
		return err
	}
	setCrossSite(w, name, value, flowTTL)
	return nil
}

// renewTwin gives the browser next. Where another site's page sent it here to begin, the one it has stays unless next says more:
// that page can begin attempts all the time, and one that is on its way while somebody signs in must not put back a twin
// that knows nothing of their session. Tabs that are restored together do better with a twin each: those whose request
// left before the first of them was signed in would end its session, and with it the others'.
func (h *Handler) renewTwin(w http.ResponseWriter, v *visit, next twin, sent bool) error {
	have := v.twin
	_, old, err := h.begin(have.flow)
	if err != nil {
		return err
	}
	same := have.flow.digest() == next.flow.digest() && have.tenant == next.tenant && have.held == next.held &&
		have.automatic == next.automatic && have.since.Equal(next.since)
	if sent && !old && same {
		return nil
	}
	return h.setTwin(w, next)
}

// setCrossSite makes a cookie that goes along with other sites' POSTs. It is Secure on plain http too: browsers refuse
// SameSite=None without, and take loopback for secure. A maxAge of 0 deletes.
func setCrossSite(w http.ResponseWriter, name, value string, maxAge time.Duration) {
	c := http.Cookie{ //nolint:gosec // SameSite=None is the point: another site's POST must carry it
		Name: name, Value: value, Path: "/", MaxAge: int(maxAge / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1
	}
	w.Header().Add("Set-Cookie", c.String())
}

// useTwin makes up for the cookies that another site's POST leaves behind: the twin stands for the flow cookie.
func (v *visit) useTwin() {
	v.byTwin = true
	if v.twin.flow.opens {
		v.flow = v.twin.flow
	}
}

// acrossSites finds the session that the browser has by what the twin says of it. A session cookie that came along knows
// better.
func (h *Handler) acrossSites(ctx context.Context, v *visit) error {
	if v.Opens || v.twin.tenant == "" || h.Holder == nil {
		return nil
	}
	var err error
	v.Visitor, err = h.Holder(ctx, v.twin.tenant, v.twin.held)
	return err
}

// owned names the session this browser has, from its cookie or, at another site's POST, from the twin.
func (v *visit) owned() (tenant.ID, session.Hash, bool) {
	switch {
	case v.Opens:
		return v.Token.Tenant, v.Token.ID.Hash(), true
	case v.byTwin && v.twin.tenant != "":
		return v.twin.tenant, v.twin.held, true
	}
	return "", session.Hash{}, false
}

func (t twin) pack() []byte {
	b := packText(make([]byte, 0, 256), string(t.flow.pack()))
	b = append(b, byte(t.automatic)) //nolint:gosec // at most automaticLimit
	b = packInt64(b, t.since.Unix())
	b = packText(b, string(t.tenant))
	return append(b, t.held[:]...)
}

func unpackTwin(plain []byte) (twin, bool) {
	u := unpacker{rest: plain}
	f, ok := unpackFlow([]byte(u.text()))
	t := twin{flow: f, automatic: int(u.byte()), since: time.Unix(u.int64(), 0), tenant: tenant.ID(u.text())}
	copy(t.held[:], u.take(len(t.held)))
	return t, ok && u.done()
}
