package saml_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

func (a *arena) logout(m idptest.SAMLLogoutMessage) (idp.LogoutMessage, error) {
	method, body := http.MethodGet, ""
	if m.Form != nil {
		method, body = http.MethodPost, m.Form.Encode()
	}
	r := httptest.NewRequestWithContext(context.Background(), method, a.forgery.SP.SLO, strings.NewReader(body))
	r.URL.RawQuery = m.Query
	if m.Form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return a.connector.ReceiveLogout(context.Background(), a.conn, r)
}

func TestEveryLogoutAttackIsRefusedForItsOwnReason(t *testing.T) {
	a := newArena(t)
	for _, x := range idptest.SAMLLogoutAttacks() {
		t.Run(x.Name, func(t *testing.T) {
			m, err := a.logout(x.Forge(a.forgery))
			e, ok := errors.AsType[*idp.Error](err)
			if !ok {
				t.Fatalf("%v (%+v): an attack is theirs, not ours", err, m)
			}
			if e.Code != x.Code || e.Detail != x.Detail {
				t.Errorf("refused as %s (%v), want %s/%s", e.Reason(), e, x.Code, x.Detail)
			}
			if m.NameID.Value != "" || m.Once != nil || m.Request {
				t.Errorf("a refusal came with a message: %+v", m)
			}
		})
	}
	if a.panics > 0 {
		t.Errorf("%d panics", a.panics)
	}
}

func TestLogoutTwinsAreTaken(t *testing.T) {
	a := newArena(t)
	for _, x := range idptest.SAMLLogoutTwins() {
		t.Run(x.Name, func(t *testing.T) {
			m, err := a.logout(x.Forge(a.forgery))
			if err != nil {
				t.Fatalf("refused: %v (%s)", err, reason(err))
			}
			if !m.Request || m.NameID.Value != a.forgery.Victim.Sub || len(m.Once) != 1 || m.Once[0].Value != m.ID || m.ID == "" {
				t.Errorf("read as %+v: a request names who is meant, and itself for the burning", m)
			}
		})
	}
}
