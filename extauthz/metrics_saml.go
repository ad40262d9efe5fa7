package extauthz

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tracio-ai/ssogate/idp"
)

// samlMetrics is what the gate counts of SAML 2.0. Of the keys it tells how many there are and when the first of them
// ends, never whose they are: the log names the connection.
type samlMetrics struct {
	refused  *prometheus.CounterVec
	opinions *prometheus.CounterVec
	sha1     prometheus.Counter
	panics   prometheus.Counter
	seconds  *prometheus.HistogramVec
	fetches  *prometheus.CounterVec
	expiry   *prometheus.GaugeVec
	expiring *prometheus.GaugeVec
	pending  prometheus.Gauge
}

var verifyBuckets = []float64{0.25e-3, 0.5e-3, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5}

func newSAMLMetrics() samlMetrics {
	return samlMetrics{
		refused:  counter("ssogate_saml_refused_total", "SAML responses and logout messages refused.", "code"),
		opinions: counter("ssogate_saml_second_opinion_total", "Accepted SAML responses shown to a second verifier.", "outcome", "why"),
		sha1:     prometheus.NewCounter(prometheus.CounterOpts{Name: "ssogate_saml_sha1_total", Help: "SHA-1 signatures accepted under a connection's dated permission."}),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "ssogate_saml_panics_total", Help: "Panics while a SAML message was verified; each was a refusal."}),
		seconds:  histogram("ssogate_saml_verify_seconds", "Time to verify a SAML message.", verifyBuckets, "result"),
		fetches:  counter("ssogate_saml_metadata_fetches_total", "Fetches of identity providers' metadata.", "result"),
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ssogate_saml_key_expiry_days", Help: "Days until the first certificate of an enabled connection expires; below zero: it has.",
		}, []string{"whose"}),
		expiring: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "ssogate_saml_keys_expiring", Help: "Certificates of enabled connections that expire within so many days.",
		}, []string{"whose", "days"}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "ssogate_saml_pending_keys", Help: "Keys and endpoints in fetched metadata that wait for an admin to confirm them.",
		}),
	}
}

func (m samlMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.refused, m.opinions, m.sha1, m.panics, m.seconds, m.fetches, m.expiry, m.expiring, m.pending}
}

// Describe implements prometheus.Collector.
func (m samlMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m samlMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(ch)
	}
}

// SAMLVerified counts a message that was verified, and times it; an empty code is one that was accepted.
func (m *Metrics) SAMLVerified(code idp.Code, took time.Duration) {
	result := "ok"
	if code != "" {
		result = "refused"
		m.saml.refused.WithLabelValues(string(code)).Inc()
	}
	m.saml.seconds.WithLabelValues(result).Observe(took.Seconds())
}

// SAMLOpinion counts what the second verifier said of a response that the first accepted: agree, disagree, or skipped
// with the rule that excluded the response. A disagreement is an alarm.
func (m *Metrics) SAMLOpinion(outcome, why string) {
	m.saml.opinions.WithLabelValues(outcome, why).Inc()
}

// SAMLSHA1 counts a SHA-1 signature that passed because an admin allows them until a date.
func (m *Metrics) SAMLSHA1() { m.saml.sha1.Inc() }

// SAMLPanic counts a panic on the way of a message. It is an alarm.
func (m *Metrics) SAMLPanic() { m.saml.panics.Inc() }

// SAMLFetched counts a fetch of metadata; result is ok, changed, pending, or an idp.Code.
func (m *Metrics) SAMLFetched(result string) { m.saml.fetches.WithLabelValues(result).Inc() }

// SAMLKey is what the metrics know of one certificate.
type SAMLKey struct {
	Whose string // theirs or ours
	Left  time.Duration
}

// expiryDays are the bands in which keys are counted, as the warnings of the log have them.
var expiryDays = map[string]time.Duration{"0": 0, "7": 7 * 24 * time.Hour, "30": 30 * 24 * time.Hour, "60": 60 * 24 * time.Hour}

// SAMLKeys sets the gauges anew from every key that is in use, and from how much waits for an admin.
func (m *Metrics) SAMLKeys(keys []SAMLKey, pending int) {
	m.saml.pending.Set(float64(pending))
	first := map[string]time.Duration{}
	count := map[[2]string]int{}
	for _, whose := range []string{"theirs", "ours"} {
		for days := range expiryDays {
			count[[2]string{whose, days}] = 0
		}
	}
	for _, k := range keys {
		if left, ok := first[k.Whose]; !ok || k.Left < left {
			first[k.Whose] = k.Left
		}
		for days, within := range expiryDays {
			if k.Left <= within {
				count[[2]string{k.Whose, days}]++
			}
		}
	}
	m.saml.expiry.Reset() // where no key is left, none expires
	for whose, left := range first {
		m.saml.expiry.WithLabelValues(whose).Set(left.Hours() / 24)
	}
	for at, n := range count {
		m.saml.expiring.WithLabelValues(at[0], at[1]).Set(float64(n))
	}
}
