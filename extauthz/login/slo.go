package login

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
)

// metadata publishes what a provider is told about us. It is public, and there before the connection is enabled: the
// provider's side is set up first.
func (h *Handler) metadata(w http.ResponseWriter, v *visit) {
	c, connector, ok := h.addressed(w, v, (*Handler).anyConnection)
	if !ok {
		return
	}
	publisher, ok := connector.(idp.MetadataPublisher)
	if !ok {
		h.nowhere(w, v)
		return
	}
	document, err := publisher.Metadata(v.Context(), c)
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("write metadata of %s: %w", c.ID, err))
		return
	}
	sum := sha256.Sum256(document)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	header := w.Header()
	header.Set("ETag", tag)
	header.Set("Cache-Control", "public, max-age=300")
	header.Set("X-Content-Type-Options", "nosniff")
	if matches(v.Header.Get("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(document) //nolint:gosec // XML of our own, of a type that no browser renders; the reader is gone: nobody is left to tell
}

// matches compares weakly, as RFC 9110 §13.1.2 asks for.
func matches(line, tag string) bool {
	for one := range strings.SplitSeq(line, ",") {
		if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// slo is single logout (SAML 2.0 Profiles §4.4): a provider's request to end sessions, or its answer to ours. The message's
// signature alone says whether to believe it: no cookie has to come along.
func (h *Handler) slo(w http.ResponseWriter, v *visit) {
	c, connector, ok := h.addressed(w, v, (*Handler).connection)
	if !ok {
		return
	}
	receiver, ok := connector.(idp.LogoutReceiver)
	if !ok {
		h.nowhere(w, v)
		return
	}
	if h.throttled(w, v, c, signOut) || !h.readBody(w, v) {
		return
	}
	ctx, cancel := callContext(v.Context())
	defer cancel()
	m, err := receiver.ReceiveLogout(ctx, c, v.again())
	switch {
	case err != nil && idp.CodeOf(err) == "":
		h.fault(w, v.Request, fmt.Errorf("receive sign-out over %s: %w", c.ID, err))
	case err != nil && v.answers():
		h.sloRefused(ctx, v, c, err)
		h.leftBehind(w, v, "")
	case err != nil:
		h.sloRefused(ctx, v, c, err)
		h.notSignedOut(ctx, w, idp.CodeOf(err))
	case m.Request:
		h.signOutNamed(ctx, w, v, c, receiver, m)
	default:
		h.signOutAnswered(ctx, w, v, c, m)
	}
}

// answers reports that the message calls itself an answer. Nothing was verified: it decides which page is shown.
func (v *visit) answers() bool {
	_, asked := v.target.Query.Get("SAMLResponse")
	return asked || bytes.HasPrefix(v.posted, []byte("SAMLResponse=")) || bytes.Contains(v.posted, []byte("&SAMLResponse="))
}

// signOutNamed ends the sessions a verified request names, and lets the provider know. Their audit row is written in the
// same transaction.
func (h *Handler) signOutNamed(ctx context.Context, w http.ResponseWriter, v *visit, c idp.Connection, receiver idp.LogoutReceiver, m idp.LogoutMessage) {
	ended, err := h.Sessions.Revoke(ctx, c.Tenant, session.Revocation{
		Connection: c.ID, NameID: &m.NameID, SessionIndexes: m.SessionIndexes, Once: m.Once, Reason: "signed out at the identity provider", Actor: "idp",
	})
	if errors.Is(err, session.ErrUsed) {
		err = replayed(c, err)
		h.sloRefused(ctx, v, c, err)
		h.notSignedOut(ctx, w, idp.CodeOf(err))
		return
	}
	if err != nil { // the provider is told that it is not done, and the operator why
		h.log().ErrorContext(ctx, "sessions not ended", "tenant", c.Tenant, "connection", c.ID, "request_id", RequestID(ctx), "err", err)
	} else {
		h.log().InfoContext(ctx, "signed out by the provider", "tenant", c.Tenant, "connection", c.ID, "sessions", ended, "request_id", RequestID(ctx))
	}
	to, answerErr := receiver.AnswerLogout(ctx, c, m, err != nil)
	switch {
	case errors.Is(answerErr, idp.ErrNoLogout) && err == nil:
		h.leftBehind(w, v, "")
	case answerErr != nil:
		h.fault(w, v.Request, fmt.Errorf("answer sign-out over %s: %w", c.ID, answerErr))
	default:
		h.send(w, v.Request, to)
	}
}

// signOutAnswered ends the journey of a sign-out that began here. Whatever the answer says, the session here is over.
func (h *Handler) signOutAnswered(ctx context.Context, w http.ResponseWriter, v *visit, c idp.Connection, m idp.LogoutMessage) {
	a, ours := h.requested(v, m.InResponseTo)
	ours = ours && a.Kind == idp.KindLogout && a.Tenant == c.Tenant && a.Connection == c.ID && a.fresh(h.Now())
	if ours {
		h.drop(w, a)
	}
	for _, once := range m.Once {
		if err := h.Once.Burn(ctx, c.Tenant, c.ID, once.Kind, sha256.Sum256([]byte(once.Value)), once.Expires); err != nil {
			ours = false // seen before, or nobody can tell
		}
	}
	says := ""
	if ours && m.Success {
		says = "You are signed out at your identity provider as well."
	}
	h.leftBehind(w, v, says)
}

// leftBehind is the page after a sign-out, unless somebody has signed in again in the meantime.
func (h *Handler) leftBehind(w http.ResponseWriter, v *visit, says string) {
	if v.Live {
		h.confirmSignOut(w, v)
		return
	}
	h.signedOut(w, v, says)
}

// sloRefused notes a message of single logout that was not believed.
func (h *Handler) sloRefused(ctx context.Context, v *visit, c idp.Connection, err error) {
	if counts(idp.CodeOf(err)) {
		h.failures.add(v.source(), c.ID, signOut, h.Now())
	}
	h.noteRefusal(ctx, v, c, audit.SignOutRefused, "", err)
}

// notSignedOut is the page of a request that ended nothing: the person can still sign out by themselves.
func (h *Handler) notSignedOut(ctx context.Context, w http.ResponseWriter, code idp.Code) {
	status := explain(code).status
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	h.render(w, status, page{
		Title: "Sign-out could not be completed", Says: "Your identity provider asked to sign you out, and its message could not be used.",
		Next: "Sign out here, and ask your administrator if it happens again.", Code: shown(code), RequestID: RequestID(ctx),
		Links: []link{{"Sign out", pathLogout}},
	})
}

// newLogout is the attempt of a sign-out: its cookie knows the answer again.
func (h *Handler) newLogout(c idp.Connection) attempt {
	var a attempt
	a.Kind, a.Tenant, a.Connection, a.Version, a.ReturnTo = idp.KindLogout, c.Tenant, c.ID, c.Version, "/"
	a.Begun = h.Now().Truncate(time.Millisecond)
	_, _ = rand.Read(a.ID[:]) // never fails: crypto/rand aborts the program instead
	a.Relay = handleOf(a.ID)
	return a
}
