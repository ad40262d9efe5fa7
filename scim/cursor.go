package scim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

const (
	cursorPurpose = "scim cursor"
	cursorLife    = time.Hour
	maxCursor     = 4 << 10
)

// Sealer keeps cursors from being read or made by clients. A secret.Sealer is one.
type Sealer interface {
	Seal(purpose, bound string, plain []byte) ([]byte, error)
	Open(purpose, bound string, sealed []byte) ([]byte, error)
}

// walk is where a client's walk through a list stands (RFC 9865 §2). It is sealed for the tenant and the address it was made for.
type walk struct {
	Query   string              `json:"q"` // hash of everything that shapes the list
	Count   int                 `json:"c"`
	Start   int                 `json:"n"`           // the number of the next row
	Phase   int                 `json:"p,omitempty"` // which of the resource types
	Last    *directory.Position `json:"k,omitempty"` // behind which row; nil: at the beginning
	Expires int64               `json:"x"`
}

func boundTo(t tenant.ID, e endpoint) string { return string(t) + "\x00" + templates[e] }

// queryHash is equal for equal lists: the same filter, order and projection.
func (p params) queryHash() string {
	text := ""
	if p.filter != nil {
		text = strconv.Quote(*p.filter)
	}
	parts := []string{text, strconv.Quote(p.sortBy), strconv.FormatBool(p.descending), strings.Join(p.attributes, ","), strings.Join(p.excluded, ",")}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (h *Handler) sealWalk(t tenant.ID, e endpoint, w walk) (string, error) {
	plain, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("write cursor: %w", err)
	}
	sealed, err := h.Seal.Seal(cursorPurpose, boundTo(t, e), plain)
	if err != nil {
		return "", fmt.Errorf("seal cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openWalk reads a cursor of this tenant and address, made for the query it comes with.
func (h *Handler) openWalk(t tenant.ID, e endpoint, p params) (walk, error) {
	invalid := badRequest(typeInvalidCursor, "The cursor is not one of this list. Start again with an empty cursor.")
	text := *p.cursor
	if len(text) > maxCursor {
		return walk{}, invalid
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return walk{}, invalid
	}
	plain, err := h.Seal.Open(cursorPurpose, boundTo(t, e), sealed)
	if err != nil {
		return walk{}, invalid
	}
	var w walk
	if err := json.Unmarshal(plain, &w); err != nil {
		return walk{}, invalid
	}
	switch {
	case w.Query != p.queryHash():
		return walk{}, badRequest(typeInvalidCursor, "The cursor was made for another filter, order or set of attributes. Start again with an empty cursor.")
	case w.Expires < h.Now().Unix():
		return walk{}, badRequest(typeExpiredCursor, "The cursor is older than an hour. Start again with an empty cursor.")
	case w.Count != p.count:
		return walk{}, badRequest(typeInvalidCount, "The count differs from the one the cursor was made with. Keep it, or start again with an empty cursor.")
	default:
		return w, nil
	}
}
