package session

import (
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// valid is a session of ten minutes ago that nothing speaks against.
func valid() (Session, time.Time, Limits, idp.Realm, directory.User) {
	s := Session{
		Tenant: "acme", Connection: "acme-okta", User: "u1", Created: noon, LastSeen: noon.Add(5 * time.Minute), AbsoluteExpiry: noon.Add(12 * time.Hour),
		TenantEpoch: 1, ConnectionEpoch: 2, UserEpoch: 3,
	}
	realm := idp.Realm{
		Tenant:      tenant.Tenant{ID: "acme", Epoch: 1},
		Connections: []idp.Connection{{ID: "other", Tenant: "acme", Enabled: true, Epoch: 9}, {ID: "acme-okta", Tenant: "acme", Enabled: true, Epoch: 2}},
	}
	return s, noon.Add(10 * time.Minute), Limits{Idle: 30 * time.Minute, Absolute: 12 * time.Hour}, realm, directory.User{ID: "u1", Tenant: "acme", Epoch: 3}
}

func TestSessionIsRefusedForEachReasonAndNoOther(t *testing.T) {
	type world struct {
		s      *Session
		now    *time.Time
		limits *Limits
		realm  *idp.Realm
		user   *directory.User
	}
	for name, c := range map[string]struct {
		change func(world)
		want   Refusal
	}{
		"nothing":                   {func(world) {}, Valid},
		"revoked":                   {func(w world) { w.s.RevokedAt = noon }, Revoked},
		"other tenant's realm":      {func(w world) { w.realm.Tenant.ID = "beta" }, Foreign},
		"other tenant's user":       {func(w world) { w.user.Tenant = "beta" }, Foreign},
		"other user":                {func(w world) { w.user.ID = "u2" }, Foreign},
		"no tenant anywhere":        {func(w world) { w.s.Tenant, w.realm.Tenant.ID, w.user.Tenant = "", "", "" }, Foreign},
		"connection disabled":       {func(w world) { w.realm.Connections[1].Enabled = false }, ConnectionOff},
		"connection gone":           {func(w world) { w.realm.Connections = w.realm.Connections[:1] }, ConnectionOff},
		"tenant's sessions ended":   {func(w world) { w.realm.Tenant.Epoch++ }, Ended},
		"connection's ended":        {func(w world) { w.realm.Connections[1].Epoch++ }, Ended},
		"person's ended":            {func(w world) { w.user.Epoch++ }, Ended},
		"epoch restored from older": {func(w world) { w.user.Epoch-- }, Ended},
		"absolute limit":            {func(w world) { *w.now, w.s.LastSeen = noon.Add(12*time.Hour), noon.Add(12*time.Hour) }, ExpiredAbsolute},
		"just before it":            {func(w world) { *w.now = noon.Add(12*time.Hour - 1); w.s.LastSeen = *w.now }, Valid},
		"its own expiry":            {func(w world) { w.s.AbsoluteExpiry = *w.now }, ExpiredAbsolute},
		"no expiry at all":          {func(w world) { w.s.AbsoluteExpiry = time.Time{} }, ExpiredAbsolute},
		"limit lowered since":       {func(w world) { w.limits.Absolute = 10 * time.Minute }, ExpiredAbsolute},
		"tenant lowered it since":   {func(w world) { w.realm.Tenant.Absolute = 9 * time.Minute }, ExpiredAbsolute},
		"idle":                      {func(w world) { *w.now = w.s.LastSeen.Add(30 * time.Minute) }, ExpiredIdle},
		"just before idle":          {func(w world) { *w.now = w.s.LastSeen.Add(30*time.Minute - 1) }, Valid},
		"tenant's shorter idle":     {func(w world) { w.realm.Tenant.Idle = 5 * time.Minute }, ExpiredIdle},
		"tenant's longer idle":      {func(w world) { w.realm.Tenant.Idle = time.Hour; *w.now = w.s.LastSeen.Add(31 * time.Minute) }, ExpiredIdle},
		"operator without limits":   {func(w world) { *w.limits = Limits{} }, ExpiredAbsolute},
		"operator without idle":     {func(w world) { w.limits.Idle = 0 }, ExpiredIdle},
		"inactive user":             {func(w world) { w.user.Active = false }, Valid}, // the next question, with an answer of its own
	} {
		s, now, limits, realm, user := valid()
		c.change(world{&s, &now, &limits, &realm, &user})
		if got := s.Refusal(now, limits, realm, user); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestZeroSessionIsNotValid(t *testing.T) {
	if (Session{}).Refusal(time.Time{}, Limits{}, idp.Realm{}, directory.User{}) == Valid {
		t.Error("the zero session of the zero tenant is valid")
	}
}

func TestTenantCannotAskForMoreThanTheOperatorAllows(t *testing.T) {
	operator := Limits{Idle: 30 * time.Minute, Absolute: 12 * time.Hour}
	for _, c := range []struct{ asked, want Limits }{
		{Limits{}, operator},
		{Limits{Idle: time.Minute, Absolute: time.Hour}, Limits{Idle: time.Minute, Absolute: time.Hour}},
		{Limits{Idle: time.Hour, Absolute: 24 * time.Hour}, operator},
		{Limits{Idle: -1, Absolute: -1}, operator},
	} {
		if got := operator.Within(tenant.Tenant{Idle: c.asked.Idle, Absolute: c.asked.Absolute}); got != c.want {
			t.Errorf("%v: %v, want %v", c.asked, got, c.want)
		}
	}
}

func TestHashIsTheSHA256OfTheID(t *testing.T) {
	h := NewID().Hash()
	back, err := ParseHash(h.String())
	if err != nil || back != h || h.SID() != h.String()[:32] {
		t.Errorf("%s, %v", h, err)
	}
	for _, bad := range []string{"", h.String()[:63], h.String() + "0", h.SID(), strings.Repeat("g", 64), strings.Repeat("A", 64), " " + h.String()[1:]} {
		if _, err := ParseHash(bad); err == nil {
			t.Errorf("ParseHash(%q) accepted", bad)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add(strings.Repeat("a0", 32))
	f.Add("")
	f.Add(strings.Repeat("A0", 32))
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHash(s)
		if (err == nil) != (h.String() == s) {
			t.Errorf("%q: %s, %v", s, h, err)
		}
	})
}
