package saml

import (
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/idp"
)

// WarnDays are how many days before a certificate expires somebody is told. The last is the day itself.
func WarnDays() []int { return []int{60, 30, 7, 0} }

// Expiry is when a certificate of a connection runs out.
type Expiry struct {
	Ours     bool   // of our own key; else one of the provider's
	Use      string // signing or encryption
	SHA256   string // of the certificate, lower-case hex
	NotAfter time.Time
	Days     int // whole days left, negative when it is over
	Warn     int // the entry of WarnDays that has been reached, or -1: nothing to say yet
}

// Expiries lists the certificates that count, the first to run out first: the provider's active keys and those of ours
// that are published. A provider's certificate that does not parse is not listed: it verifies nothing.
func Expiries(s idp.SAMLSettings, now time.Time) []Expiry {
	var out []Expiry
	for _, k := range s.IdP.Keys {
		if k.State != idp.KeyActive {
			continue
		}
		if cert, err := parseKey(k.Certificate); err == nil {
			out = append(out, expiry(false, idp.UseSigning, k.Certificate, cert.NotAfter, now))
		}
	}
	for _, use := range []string{idp.UseSigning, idp.UseEncryption} {
		for _, k := range publishedSPKeys(s.SPKeys, use) {
			if cert, err := parseKey(k.Certificate); err == nil {
				out = append(out, expiry(true, use, k.Certificate, cert.NotAfter, now))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Expiry) int { return a.NotAfter.Compare(b.NotAfter) })
	return out
}

func expiry(ours bool, use string, der []byte, notAfter, now time.Time) Expiry {
	left := notAfter.Sub(now)
	days := int(left / (24 * time.Hour))
	if left < 0 {
		days = min(days, -1)
	}
	e := Expiry{Ours: ours, Use: use, SHA256: fingerprint(der), NotAfter: notAfter, Days: days, Warn: -1}
	for _, at := range WarnDays() {
		if left <= time.Duration(at)*24*time.Hour {
			e.Warn = at
		}
	}
	return e
}
