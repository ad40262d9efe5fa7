package login

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

// Tests keeps the tests of connections that somebody has begun: a link is used once, and its result waits for whoever
// made it.
type Tests interface {
	// BeginTest reports whether the test is there and was not begun before.
	BeginTest(ctx context.Context, t tenant.ID, c idp.ConnectionID, id [16]byte) (bool, error)
	// FinishTest keeps the result, a JSON object.
	FinishTest(ctx context.Context, t tenant.ID, c idp.ConnectionID, id [16]byte, result []byte) error
}

// ErrBySCIM says why a test does not show roles: an assertion changes nobody's where the directory is filled over SCIM.
var ErrBySCIM = errors.New("people, groups and roles come from the directory that SCIM fills")

const (
	noticeTest = "That test link was used, or is too old. Make another."
	maxShown   = 20        // values of one attribute that the page shows
	maxResult  = 192 << 10 // bytes of a result that is kept
)

// TestID names the test that a link's token belongs to. The token itself is kept nowhere.
func TestID(token string) [16]byte {
	sum := sha256.Sum256([]byte(token))
	return [16]byte(sum[:16])
}

// TestResult is what a test of a connection found: the JSON object that Tests keeps, for whoever made the link.
type TestResult struct {
	OK       bool            `json:"ok"`
	Code     idp.Code        `json:"code,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Hint     string          `json:"hint,omitempty"`
	Error    string          `json:"error,omitempty"`
	Identity *TestedIdentity `json:"identity,omitempty"`
	Roles    []string        `json:"roles,omitempty"`
}

// TestedIdentity is what the provider asserted.
type TestedIdentity struct {
	Issuer       string         `json:"issuer"`
	Subject      string         `json:"subject"`
	UserName     string         `json:"user_name,omitempty"`
	Email        string         `json:"email,omitempty"`
	DisplayName  string         `json:"display_name,omitempty"`
	NameID       *idp.NameID    `json:"name_id,omitempty"`
	Groups       []string       `json:"groups,omitempty"` // not all, where GroupCount is more
	GroupCount   int            `json:"group_count"`
	GroupState   string         `json:"group_state"`
	Attributes   map[string]any `json:"attributes,omitempty"`
	ACR          string         `json:"acr,omitempty"`
	AuthTime     time.Time      `json:"auth_time,omitzero"`
	SessionIndex string         `json:"session_index,omitempty"`
}

// test begins a sign-in that signs nobody in: it shows what the provider says. The session in use stays as it is.
func (h *Handler) test(w http.ResponseWriter, v *visit, c idp.Connection, token string) {
	id := TestID(token)
	begun := false
	if h.Tests != nil && token != "" {
		var err error
		if begun, err = h.Tests.BeginTest(v.Context(), c.Tenant, c.ID, id); err != nil {
			h.fault(w, v.Request, fmt.Errorf("begin test of %s: %w", c.ID, err))
			return
		}
	}
	if !begun {
		h.render(w, http.StatusNotFound, page{Title: "Connection test", Says: noticeTest, RequestID: RequestID(v.Context())})
		return
	}
	h.toProvider(w, v, c, wanted{returnTo: "/", test: &id})
}

// burnTest uses up the attempt of a test, which no session's transaction does.
func (h *Handler) burnTest(ctx context.Context, w http.ResponseWriter, v *visit, b returning, who idp.Identity, err error) {
	burnErr := h.useUp(ctx, b)
	switch {
	case errors.Is(burnErr, session.ErrUsed):
		h.end(w, v, b, "", replayed(b.connection, burnErr))
	case burnErr != nil:
		h.failed(w, v, b, fmt.Errorf("use up attempt: %w", burnErr))
	default:
		h.tested(ctx, w, v, b, who, err)
	}
}

// tested shows what a test found and keeps it for whoever began it.
func (h *Handler) tested(ctx context.Context, w http.ResponseWriter, v *visit, b returning, who idp.Identity, err error) {
	c := b.connection
	err = belongs(c, who, err)
	result := TestResult{OK: err == nil}
	if err == nil {
		result.Identity = asserted(who)
		err = h.foresee(ctx, &result, who)
	}
	if e, theirs := errors.AsType[*idp.Error](err); theirs {
		result.OK, result.Code, result.Detail, result.Hint, result.Error = false, e.Code, e.Detail, e.Hint, e.Error()
	} else if err != nil {
		h.fault(w, v.Request, fmt.Errorf("test connection %s: %w", c.ID, err))
		return
	}
	kept, err := result.pack()
	if err == nil && h.Tests != nil {
		err = h.Tests.FinishTest(ctx, c.Tenant, c.ID, b.ID, kept)
	}
	if err != nil {
		h.fault(w, v.Request, fmt.Errorf("keep result of test of %s: %w", c.ID, err))
		return
	}
	h.log().InfoContext(ctx, "connection tested", "tenant", c.Tenant, "connection", c.ID, "outcome", result.word(), "request_id", RequestID(ctx))
	h.render(w, http.StatusOK, result.page(c, RequestID(ctx)))
}

// pack makes the result fit: of a person in a great many groups not all are kept.
func (t TestResult) pack() ([]byte, error) {
	b, err := json.Marshal(t)
	for err == nil && len(b) > maxResult && t.Identity != nil && len(t.Identity.Groups) > 0 {
		kept := *t.Identity
		kept.Groups = kept.Groups[:len(kept.Groups)/2]
		t.Identity = &kept
		b, err = json.Marshal(t)
	}
	return b, err
}

// foresee adds the roles to a result. Of its errors those are returned that would refuse the sign-in.
func (h *Handler) foresee(ctx context.Context, result *TestResult, who idp.Identity) error {
	if h.Foretell == nil {
		return nil
	}
	var err error
	result.Roles, err = h.Foretell(ctx, who)
	switch {
	case err == nil:
	case idp.CodeOf(err) != "":
		return err
	case errors.Is(err, ErrBySCIM):
		result.Error = err.Error()
	default:
		h.log().ErrorContext(ctx, "roles of a test not worked out", "tenant", who.Tenant, "connection", who.Connection, "request_id", RequestID(ctx), "err", err)
		result.Error = "roles could not be worked out; the gate's log says why"
	}
	return nil
}

func (t TestResult) word() string {
	if t.OK {
		return "ok"
	}
	return string(t.Code)
}

func asserted(who idp.Identity) *TestedIdentity {
	t := &TestedIdentity{
		Issuer: who.Issuer, Subject: who.Subject, UserName: who.UserName, Email: who.Email, DisplayName: who.DisplayName,
		Groups: who.Groups, GroupCount: len(who.Groups), GroupState: groupWord(who.GroupState), Attributes: who.Claims, ACR: who.ACR, AuthTime: seconds(who.AuthTime), SessionIndex: who.SID,
	}
	if who.NameID != (idp.NameID{}) {
		t.NameID = &who.NameID
	}
	return t
}

func groupWord(s idp.GroupState) string {
	switch s {
	case idp.GroupsListed:
		return "listed"
	case idp.GroupsNone:
		return "none"
	case idp.GroupsUnknown:
		return "cut off"
	default:
		return "cut off"
	}
}

// page is for the admin who tests: it says more than a person signing in may know.
func (t TestResult) page(c idp.Connection, id string) page {
	p := page{Title: "Test of " + c.Name, RequestID: id}
	if !t.OK {
		p.Says, p.Next, p.Code = "A sign-in over this connection would be refused: "+explain(t.Code).says, t.Hint, (&idp.Error{Code: t.Code, Detail: t.Detail}).Reason()
	} else {
		p.Says = "The identity provider's answer is good. Nobody was signed in."
	}
	if t.Identity != nil {
		p.Rows = t.rows()
	}
	return p
}

// rows are what was asserted, for the page.
func (t TestResult) rows() []row {
	var rows []row
	i := t.Identity
	add := func(name string, values ...string) {
		values = slices.DeleteFunc(values, func(s string) bool { return s == "" })
		if more := len(values) - maxShown; more > 0 {
			values = append(values[:maxShown:maxShown], fmt.Sprintf("… and %d more", more))
		}
		for i, v := range values {
			values[i] = cut(v, 256)
		}
		if len(values) > 0 {
			rows = append(rows, row{cut(name, 128), values})
		}
	}
	add("Roles", t.rolesShown()...)
	add("Issuer", i.Issuer)
	add("Subject", i.Subject)
	if i.NameID != nil {
		add("NameID", i.NameID.Value, i.NameID.Format, i.NameID.NameQualifier, i.NameID.SPNameQualifier)
	}
	add("User name", i.UserName)
	add("E-mail", i.Email)
	add("Name", i.DisplayName)
	add("Groups ("+i.GroupState+")", append([]string{fmt.Sprintf("%d in all", i.GroupCount)}, i.Groups...)...)
	add("Authentication context", i.ACR)
	if !i.AuthTime.IsZero() {
		add("Authenticated at", i.AuthTime.Format(time.RFC3339))
	}
	add("Session", i.SessionIndex)
	for _, name := range slices.Sorted(maps.Keys(i.Attributes)) {
		add(name, texts(i.Attributes[name])...)
	}
	return rows
}

func (t TestResult) rolesShown() []string {
	switch {
	case t.Error != "" && t.OK:
		return []string{"not known: " + t.Error}
	case len(t.Roles) == 0:
		return []string{"none"}
	}
	return []string{strings.Join(t.Roles, ", ")}
}

// texts prints one claim or attribute, a line a value.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return slices.Clone(v)
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, texts(one)...)
		}
		return all
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		return []string{string(b)}
	}
}
