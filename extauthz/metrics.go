package extauthz

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tracio-ai/ssogate/envoy"
	"github.com/tracio-ai/ssogate/idp"
)

// Metrics counts what the gate does. No label holds a tenant, connection, user or path: their number has no bound. A
// nil Metrics counts nothing. Lower floors report through the methods that are given to them as functions.
type Metrics struct {
	registry *prometheus.Registry
	checks   *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sheds    *prometheus.CounterVec
	inFlight prometheus.Gauge
	signIns  *prometheus.CounterVec
	signTime *prometheus.HistogramVec
	idp      *prometheus.CounterVec
	caches   *prometheus.CounterVec
	store    *prometheus.HistogramVec
	revision *prometheus.GaugeVec
	reloads  *prometheus.CounterVec
	dropped  prometheus.Counter
	saml     samlMetrics
}

var (
	checkBuckets = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 250e-3, 1, 2.5, 5, 15}
	signBuckets  = []float64{0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}
)

// NewMetrics makes the set and registers it. Every outcome is there from the start, at zero.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		checks:   counter("ssogate_checks_total", "Checks answered.", "outcome"),
		seconds:  histogram("ssogate_check_seconds", "Time to answer a check.", checkBuckets, "outcome"),
		sheds:    counter("ssogate_checks_shed_total", "Checks refused at once because too many were in flight.", "kind"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ssogate_checks_in_flight", Help: "Checks being answered now."}),
		signIns:  counter("ssogate_sign_ins_total", "Sign-ins that came back from an identity provider.", "protocol", "provider", "result"),
		signTime: histogram("ssogate_sign_in_seconds", "Time from sending a browser to its provider until it came back.", signBuckets, "protocol"),
		idp:      counter("ssogate_idp_requests_total", "Requests to identity providers.", "kind", "result"),
		caches:   counter("ssogate_cache_lookups_total", "Cache look-ups.", "cache", "result"),
		store:    histogram("ssogate_store_seconds", "Time of a store operation.", checkBuckets, "op"),
		revision: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ssogate_policy_revision_info", Help: "The policy revision in force."}, []string{"revision", "slot"}),
		reloads:  counter("ssogate_policy_reload_total", "Policy reloads.", "result"),
		dropped:  prometheus.NewCounter(prometheus.CounterOpts{Name: "ssogate_decision_log_dropped_total", Help: "Decision log lines dropped because the log could not be written."}),
		saml:     newSAMLMetrics(),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "ssogate_build_info", Help: "The running version."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.checks, m.seconds, m.sheds, m.inFlight, m.signIns, m.signTime, m.idp, m.caches, m.store, m.revision, m.reloads, m.dropped, build, m.saml,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, o := range envoy.Outcomes() {
		m.checks.WithLabelValues(string(o))
	}
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Handler serves the set in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *Metrics) check(o envoy.Outcome, took time.Duration) {
	if m == nil {
		return
	}
	m.checks.WithLabelValues(string(o)).Inc()
	m.seconds.WithLabelValues(string(o)).Observe(took.Seconds())
}

// entered and left keep the gauge of checks in flight.
func (m *Metrics) entered() {
	if m != nil {
		m.inFlight.Inc()
	}
}

func (m *Metrics) left() {
	if m != nil {
		m.inFlight.Dec()
	}
}

func (m *Metrics) shed() {
	if m != nil {
		m.sheds.WithLabelValues("decision").Inc()
	}
}

// SignIn counts a sign-in that came back; result is ok or an idp.Code.
func (m *Metrics) SignIn(protocol idp.Protocol, provider idp.Provider, result string, took time.Duration) {
	m.signIns.WithLabelValues(string(protocol), string(provider), result).Inc()
	m.signTime.WithLabelValues(string(protocol)).Observe(took.Seconds())
}

// IdPRequest counts a request to an identity provider.
func (m *Metrics) IdPRequest(kind, result string) { m.idp.WithLabelValues(kind, result).Inc() }

// CacheLookup counts a cache look-up.
func (m *Metrics) CacheLookup(cache string, hit bool) {
	result := "miss"
	if hit {
		result = "hit"
	}
	m.caches.WithLabelValues(cache, result).Inc()
}

// StoreOp times a store operation.
func (m *Metrics) StoreOp(op string, took time.Duration) {
	m.store.WithLabelValues(op).Observe(took.Seconds())
}

// PolicyLoaded notes a reload, and on success the revision now in force.
func (m *Metrics) PolicyLoaded(revision string, ok bool) {
	if !ok {
		m.reloads.WithLabelValues("failed").Inc()
		return
	}
	m.reloads.WithLabelValues("ok").Inc()
	m.revision.Reset()
	m.revision.WithLabelValues(revision, "live").Set(1)
}

// Feed shows how long ago the store last knew of every change: a gate that has not heard for two seconds reads each
// session, person and tenant from the database.
func (m *Metrics) Feed(age func() time.Duration) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ssogate_feed_age_seconds", Help: "Time since the gate last knew of every change in its store.",
	}, func() float64 { return age().Seconds() }))
}

// DecisionDropped counts a decision log line that could not be kept.
func (m *Metrics) DecisionDropped() { m.dropped.Inc() }
