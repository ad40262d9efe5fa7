package extauthz

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// scrape is the text that Prometheus reads.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestSAMLMetricsCountWhatAnOperatorIsAlarmedBy(t *testing.T) {
	m := NewMetrics("test")
	m.SAMLVerified("", 2*time.Millisecond)
	m.SAMLVerified(idp.CodeSAMLSignature, time.Millisecond)
	m.SAMLVerified(idp.CodeSAMLSignature, time.Millisecond)
	m.SAMLOpinion("skipped", "ecdsa")
	m.SAMLOpinion("disagree", "nameid")
	m.SAMLSHA1()
	m.SAMLPanic()
	m.SAMLFetched("ok")
	const day = 24 * time.Hour
	m.SAMLKeys([]SAMLKey{{"theirs", 45 * day}, {"theirs", -2 * day}, {"ours", 3000 * day}}, 2)
	text := scrape(t, m)
	for _, want := range []string{
		`ssogate_saml_refused_total{code="saml-signature"} 2`,
		`ssogate_saml_verify_seconds_count{result="ok"} 1`,
		`ssogate_saml_verify_seconds_count{result="refused"} 2`,
		`ssogate_saml_second_opinion_total{outcome="skipped",why="ecdsa"} 1`,
		`ssogate_saml_second_opinion_total{outcome="disagree",why="nameid"} 1`,
		"ssogate_saml_sha1_total 1",
		"ssogate_saml_panics_total 1",
		`ssogate_saml_metadata_fetches_total{result="ok"} 1`,
		`ssogate_saml_key_expiry_days{whose="theirs"} -2`,
		`ssogate_saml_key_expiry_days{whose="ours"} 3000`,
		`ssogate_saml_keys_expiring{days="0",whose="theirs"} 1`,
		`ssogate_saml_keys_expiring{days="30",whose="theirs"} 1`,
		`ssogate_saml_keys_expiring{days="60",whose="theirs"} 2`,
		`ssogate_saml_keys_expiring{days="60",whose="ours"} 0`,
		"ssogate_saml_pending_keys 2",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("not there: %s", want)
		}
	}
}

// TestKeyThatIsReplacedNoLongerAlarms: gauges are set anew each time, so that a key that went takes its alarm along.
func TestKeyThatIsReplacedNoLongerAlarms(t *testing.T) {
	m := NewMetrics("test")
	m.SAMLKeys([]SAMLKey{{"theirs", -time.Hour}}, 1)
	m.SAMLKeys(nil, 0)
	text := scrape(t, m)
	if strings.Contains(text, "ssogate_saml_key_expiry_days{") {
		t.Error("the expiry of a key that is gone is still shown")
	}
	for _, want := range []string{`ssogate_saml_keys_expiring{days="0",whose="theirs"} 0`, "ssogate_saml_pending_keys 0"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("not there: %s", want)
		}
	}
}
