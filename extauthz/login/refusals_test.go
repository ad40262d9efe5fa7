package login

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// TestFloodOfRefusedAnswersFillsNoTable: an answer that says no can be made up by anybody who opens the sign-in page, as
// fast as they like. Without a bound they would fill the disk, one audit row each.
func TestFloodOfRefusedAnswersFillsNoTable(t *testing.T) {
	w := newWorld(t)
	w.add("beta", nil, connection("beta", "beta-okta"))
	w.answer = func(idp.Connection, idp.Attempt, *http.Request) (idp.Identity, error) {
		return idp.Identity{}, &idp.Error{Code: idp.CodeAccessDenied}
	}
	refuse := func(c string) {
		b := w.browser()
		q := location(t, b.open("/auth/login?connection="+c)).Query()
		resp := b.open("/auth/callback/oidc/" + c + "?" + url.Values{"error": {"access_denied"}, "state": {q.Get("state")}}.Encode())
		if resp.StatusCode != http.StatusForbidden {
			t.Fatalf("refused with %d", resp.StatusCode)
		}
	}
	for range auditedRefusals + 50 {
		refuse("acme-okta")
	}
	if len(w.rows) != auditedRefusals || strings.Count(w.logs.String(), `"msg":"sign-in refused"`) != auditedRefusals+50 {
		t.Errorf("%d rows", len(w.rows))
	}
	refuse("beta-okta")
	if len(w.rows) != auditedRefusals+1 {
		t.Error("one connection's flood took another's row")
	}
	w.pass(auditWindow)
	refuse("acme-okta")
	if len(w.rows) != auditedRefusals+2 {
		t.Error("no row in the next minute")
	}
}

func TestCountOfRefusalsIsBoundedAndRecovers(t *testing.T) {
	var r refusals
	now := time.Unix(1_000_000, 0)
	for i := range 2 * auditWindows {
		r.claim(idp.ConnectionID(strconv.Itoa(i)), now)
	}
	if len(r.by) > auditWindows {
		t.Errorf("%d connections are counted", len(r.by))
	}
	if now = now.Add(auditWindow); !r.claim("another", now) || len(r.by) != 1 {
		t.Errorf("after the window %d are counted", len(r.by))
	}
	if !r.claim("another", now.Add(-time.Hour)) {
		t.Error("a clock set back keeps the row out")
	}
}

// TestOperatorReadsWhatToDoAboutARefusal: the page keeps it from whoever signs in, the log does not.
func TestOperatorReadsWhatToDoAboutARefusal(t *testing.T) {
	w := newSAMLWorld(t)
	b := w.browser()
	_, relay := requested(t, b.open("/auth/login?connection=acme-saml"))
	resp := b.post(acsPath, url.Values{"SAMLResponse": {"!saml-sha1"}, "RelayState": {relay}})
	if page := body(resp); resp.StatusCode != http.StatusForbidden || strings.Contains(page, "Mend it.") {
		t.Errorf("%d %s", resp.StatusCode, page)
	}
	if logs := w.logs.String(); !strings.Contains(logs, `"reason":"saml-sha1/planted"`) || !strings.Contains(logs, `"hint":"Mend it."`) {
		t.Errorf("the log does not say what to do: %s", logs)
	}
}
