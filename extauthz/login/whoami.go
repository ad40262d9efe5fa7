package login

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// session tells a page of the dashboard who is signed in and for how long. Asking does not count as being there.
func (h *Handler) session(w http.ResponseWriter, v *visit) {
	if !v.Live {
		JSON(w, Refusal{
			Status: http.StatusUnauthorized, Code: unauthenticated, Message: "Nobody is signed in.", DecisionID: RequestID(v.Context()),
		}, h.LoginURL())
		return
	}
	if v.NoRoles != nil {
		JSON(w, h.ours(v.Request, fmt.Errorf("work out roles: %w", v.NoRoles)), "")
		return
	}
	writeJSON(w, http.StatusOK, whoami(v.Visitor))
}

type sessionBody struct {
	User struct {
		ID          string `json:"id"`
		UserName    string `json:"user_name"`
		Email       string `json:"email"`
		DisplayName string `json:"display_name"`
	} `json:"user"`
	Tenant struct {
		ID   string `json:"id"`
		Slug string `json:"slug"`
	} `json:"tenant"`
	Connection struct {
		ID       string `json:"id"`
		Protocol string `json:"protocol"`
		Provider string `json:"provider"`
	} `json:"connection"`
	Roles         []string  `json:"roles"`
	AuthTime      time.Time `json:"auth_time,omitzero"` // absent when the provider did not say
	ExpiresAt     time.Time `json:"expires_at"`
	IdleExpiresAt time.Time `json:"idle_expires_at"`
}

func whoami(v Visitor) sessionBody {
	var b sessionBody
	b.User.ID, b.User.UserName = string(v.User.ID), v.User.UserName
	b.User.Email, b.User.DisplayName = v.User.Email(), v.User.DisplayName
	b.Tenant.ID, b.Tenant.Slug = string(v.Realm.Tenant.ID), v.Realm.Tenant.Slug
	b.Connection.ID, b.Connection.Protocol, b.Connection.Provider = string(v.Connection.ID), string(v.Connection.Protocol), string(v.Connection.Provider)
	b.Roles = append([]string{}, v.Roles...)
	b.AuthTime = seconds(v.Session.AuthTime)
	b.ExpiresAt, b.IdleExpiresAt = seconds(v.Expires), seconds(v.IdleExpires)
	return b
}

// seconds keeps a zero time zero, so that it is left out.
func seconds(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Second)
}

// jwks publishes the keys of x-sso-assertion. It may be cached: the next key is in it well before it signs.
func (h *Handler) jwks(w http.ResponseWriter, v *visit) {
	if _, asked := v.target.Query.Get("connection"); asked { // a connection's own keys never stand among the gate's
		JSON(w, Refusal{Status: http.StatusNotFound, Code: invalidRequest, Message: "This connection has no keys.", DecisionID: RequestID(v.Context())}, "")
		return
	}
	set := h.JWKS()
	if len(set) == 0 {
		JSON(w, h.ours(v.Request, errors.New("no keys to publish")), "")
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(set) // the reader is gone: nobody is left to tell
}
