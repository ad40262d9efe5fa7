package saml_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// rollover is a provider whose metadata is fetched again and again.
type rollover struct {
	t        *testing.T
	idp      *idptest.SAMLIdP
	settings idp.SAMLSettings
	now      time.Time
	old, new idptest.SAMLKey
}

// newRollover has read the provider's metadata once, with its old key.
func newRollover(t *testing.T) *rollover {
	t.Helper()
	r := &rollover{t: t, now: noon, old: samlKey(t, "rsa", noon.AddDate(1, 0, 0)), new: samlKey(t, "p256", noon.AddDate(2, 0, 0))}
	p, err := idptest.NewSAML(idptest.SAMLOptions{BaseURL: provider, Now: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	r.idp = p
	rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}})
	if !rep.Changed || !slices.Equal(rep.Activated, []string{r.old.SHA256()}) || rep.Alarm() {
		t.Fatalf("first fetch: %+v", rep)
	}
	return r
}

// fetch lets a day pass and merges what the provider publishes then.
func (r *rollover) fetch(o idptest.MetadataOptions) saml.Report {
	r.t.Helper()
	r.now = r.now.AddDate(0, 0, 1)
	doc, err := r.idp.Metadata(o)
	if err != nil {
		r.t.Fatal(err)
	}
	next, rep, err := saml.Merge(r.settings.IdP, doc, r.settings, r.now)
	if err != nil {
		r.t.Fatal(reason(err))
	}
	if !next.Fetched.Equal(r.now) || !next.FetchAttempted.Equal(r.now) || next.FetchError != "" {
		r.t.Fatalf("times of a good fetch: %+v", next)
	}
	r.settings.IdP = next
	return rep
}

// states wants these keys, and no others.
func (r *rollover) states(want map[string]idp.SAMLKeyState) {
	r.t.Helper()
	got := map[string]idp.SAMLKeyState{}
	for _, k := range r.settings.IdP.Keys {
		got[k.SHA256] = k.State
	}
	if !maps.Equal(got, want) {
		r.t.Fatalf("keys %v, want %v", got, want)
	}
}

func TestNewKeyIsUsedOnlyIfAnActiveOneVouchesForIt(t *testing.T) {
	stranger := samlKey(t, "rsa", noon.AddDate(1, 0, 0))
	for name, c := range map[string]struct {
		sign func(r *rollover) *idptest.SAMLKey
		auto idp.SAMLKeyRollover
		want idp.SAMLKeyState
	}{
		"signed by the active key":     {func(r *rollover) *idptest.SAMLKey { return &r.old }, idp.RolloverSigned, idp.KeyActive},
		"unsigned":                     {func(*rollover) *idptest.SAMLKey { return nil }, idp.RolloverSigned, idp.KeyPending},
		"signed by the new key itself": {func(r *rollover) *idptest.SAMLKey { return &r.new }, idp.RolloverSigned, idp.KeyPending},
		"signed by a stranger":         {func(*rollover) *idptest.SAMLKey { return &stranger }, idp.RolloverSigned, idp.KeyPending},
		"unsigned, trusted over TLS":   {func(*rollover) *idptest.SAMLKey { return nil }, idp.RolloverAuto, idp.KeyActive},
		"of a stranger, over TLS":      {func(*rollover) *idptest.SAMLKey { return &stranger }, idp.RolloverAuto, idp.KeyActive},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRollover(t)
			r.settings.KeyRollover = c.auto
			rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SignWith: c.sign(r)})
			r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, r.new.SHA256(): c.want})
			if rep.Alarm() != (c.want == idp.KeyPending) || !rep.Changed || rep.Reason() == "" {
				t.Errorf("report %+v", rep)
			}
			if again := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SignWith: c.sign(r)}); again.Alarm() || again.Changed || again.Reason() != "" {
				t.Errorf("the same document again: %+v", again)
			}
		})
	}
}

func TestSignatureThatIsNotOverTheDocumentVouchesForNothing(t *testing.T) {
	r := newRollover(t)
	doc, err := r.idp.Metadata(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SignWith: &r.old, SSO: "https://idp.example/saml/sso"})
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.ReplaceAll(string(doc), "https://idp.example/saml/sso", "https://evil.example/saml/sso")
	next, rep, err := saml.Merge(r.settings.IdP, []byte(forged), r.settings, r.now)
	if err != nil {
		t.Fatal(reason(err))
	}
	if rep.SignedBy != "" || len(rep.Pending) != 1 || !rep.Waiting || next.Endpoints.SSOURL != r.idp.URL("/sso") {
		t.Errorf("report %+v, endpoints %+v", rep, next.Endpoints)
	}
}

func TestRetiredPendingAndSHA1KeysVouchForNothing(t *testing.T) {
	for _, state := range []idp.SAMLKeyState{idp.KeyPending, idp.KeyRetired, ""} {
		r := newRollover(t)
		r.settings.IdP.Keys[0].State = state
		if rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SignWith: &r.old}); rep.Trusted {
			t.Errorf("a key that is %q vouches", state)
		}
	}
	r := newRollover(t)
	r.settings.CertExpiry = idp.ExpiryStrict
	r.now = noon.AddDate(1, 0, 0)
	if rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SignWith: &r.old}); rep.Trusted {
		t.Error("an expired certificate vouches under strict expiry")
	}
}

func TestKeyThatIsMissingTwiceRetires(t *testing.T) {
	r := newRollover(t)
	both := []idptest.SAMLKey{r.old, r.new}
	r.fetch(idptest.MetadataOptions{Keys: both, SignWith: &r.old})
	alone := idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.new}, SignWith: &r.new}
	r.fetch(alone)
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, r.new.SHA256(): idp.KeyActive})
	r.fetch(idptest.MetadataOptions{Keys: both, SignWith: &r.new})
	r.fetch(alone)
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, r.new.SHA256(): idp.KeyActive})
	rep := r.fetch(alone)
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyRetired, r.new.SHA256(): idp.KeyActive})
	if !slices.Equal(rep.Retired, []string{r.old.SHA256()}) || !strings.Contains(rep.Reason(), r.old.SHA256()[:16]) {
		t.Errorf("report %+v", rep)
	}
	if rep := r.fetch(idptest.MetadataOptions{Keys: both}); !slices.Equal(rep.Pending, []string{r.old.SHA256()}) {
		t.Errorf("a retired key that comes back unsigned: %+v", rep)
	}
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyPending, r.new.SHA256(): idp.KeyActive})
}

// TestUnsignedDocumentRetiresNoLastKey: a provider that exchanged its key without signing the document, or whoever stands
// in its place, must not keep a whole company out until an admin has looked.
func TestUnsignedDocumentRetiresNoLastKey(t *testing.T) {
	r := newRollover(t)
	for range 4 {
		r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.new}})
		r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, r.new.SHA256(): idp.KeyPending})
	}
	if rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.new}}); rep.Changed {
		t.Errorf("the same document again: %+v", rep)
	}
	confirmed, err := saml.Confirm(r.settings.IdP, r.new.SHA256())
	if err != nil {
		t.Fatal(err)
	}
	r.settings.IdP = confirmed
	r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.new}})
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyRetired, r.new.SHA256(): idp.KeyActive})
}

func TestUploadedKeyStaysUntilADocumentListsIt(t *testing.T) {
	r := newRollover(t)
	uploaded := samlKey(t, "rsa", noon.AddDate(1, 0, 0))
	k, _, err := saml.ParseCertificate(uploaded.Certificate, noon)
	if err != nil {
		t.Fatal(err)
	}
	r.settings.IdP.Keys = append(r.settings.IdP.Keys, k)
	for range 3 {
		r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}})
	}
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, uploaded.SHA256(): idp.KeyActive})
	r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, uploaded}})
	for range 2 {
		r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}})
	}
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, uploaded.SHA256(): idp.KeyRetired})
}

func TestCertificateRenewedForTheSameKeyIsNoNewKey(t *testing.T) {
	r := newRollover(t)
	renewed, err := idptest.CertifySAMLKey(r.old.Signer, "idp renewed", noon, noon.AddDate(5, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, renewed}})
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, renewed.SHA256(): idp.KeyActive})
	if rep.Alarm() {
		t.Errorf("report %+v", rep)
	}
}

func TestPendingKeyThatGoesAwayIsForgotten(t *testing.T) {
	r := newRollover(t)
	r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}})
	for range 2 {
		r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}})
	}
	r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive})
}

func TestRetiredKeysDoNotPileUp(t *testing.T) {
	r := newRollover(t)
	r.settings.KeyRollover = idp.RolloverAuto
	for range 11 {
		k := samlKey(t, "p256", noon.AddDate(1, 0, 0))
		for range 2 {
			r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{k}})
		}
	}
	retired := 0
	for _, k := range r.settings.IdP.Keys {
		if k.State == idp.KeyRetired {
			retired++
		}
	}
	if retired != 8 || r.settings.IdP.Keys[0].State != idp.KeyActive {
		t.Errorf("%d retired keys are kept", retired)
	}
}

func TestEndpointsOnAnotherHostWaitForAnAdmin(t *testing.T) {
	for name, c := range map[string]struct {
		sso, slo string
		sign     bool
		auto     idp.SAMLKeyRollover
		waits    bool
	}{
		"another path":               {sso: "https://idp.example/v2/sso"},
		"the same host, spelt out":   {sso: "https://IDP.example:443/saml/sso"},
		"another host":               {sso: "https://evil.example/sso", waits: true},
		"a host that begins alike":   {sso: "https://idp.example.evil.example/sso", waits: true},
		"another port":               {sso: "https://idp.example:8443/sso", waits: true},
		"sign-out on another host":   {slo: "https://evil.example/slo", waits: true},
		"http":                       {sso: "http://127.0.0.1/sso", waits: true},
		"another host, signed":       {sso: "https://new.example/sso", sign: true},
		"another host, trusted TLS":  {sso: "https://new.example/sso", auto: idp.RolloverAuto},
		"sign-out on both, unsigned": {sso: "https://evil.example/sso", slo: "https://evil.example/slo", waits: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRollover(t)
			r.settings.KeyRollover = c.auto
			r.settings.MetadataURL = "http://127.0.0.1/metadata" // of somebody's own machine, or http is refused at once
			before := r.settings.IdP.Endpoints
			o := idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}, SSO: c.sso, SLO: c.slo}
			if c.sign {
				o.SignWith = &r.old
			}
			rep := r.fetch(o)
			got := r.settings.IdP
			if c.waits != rep.Waiting || c.waits == rep.Moved || c.waits != (got.Endpoints == before) || c.waits != (got.Pending != idp.SAMLEndpoints{}) {
				t.Fatalf("report %+v, endpoints %+v, pending %+v", rep, got.Endpoints, got.Pending)
			}
			if !c.waits {
				return
			}
			if again := r.fetch(o); again.Alarm() || again.Changed {
				t.Errorf("the same document again: %+v", again)
			}
			if back := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}}); r.settings.IdP.Pending != (idp.SAMLEndpoints{}) || !back.Changed {
				t.Errorf("the old document again: %+v, %+v", back, r.settings.IdP.Pending)
			}
		})
	}
}

func TestHostThatFallsBackToHTTPIsAnother(t *testing.T) {
	r := newRollover(t)
	r.settings.MetadataURL = "http://localhost:8443/metadata"
	r.settings.IdP.Endpoints = idp.SAMLEndpoints{SSOURL: "https://localhost:8443/sso", SSOBinding: idp.BindingRedirect, SLOURL: "https://localhost:8443/slo", SLOBinding: idp.BindingRedirect}
	if rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}, SSO: "https://localhost:8443/v2", SLO: "https://localhost:8443/slo"}); rep.Waiting {
		t.Error("the same host waits")
	}
	if rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}, SSO: "http://localhost:8443/sso", SLO: "http://localhost:8443/slo"}); !rep.Waiting {
		t.Error("http in place of https is taken")
	}
}

// What no use would accept must not take the place of what works, whoever vouches for it.
func TestAddressesWithoutTLSAreNotTaken(t *testing.T) {
	r := newRollover(t)
	r.settings.MetadataURL, r.settings.KeyRollover = "https://idp.example/metadata", idp.RolloverAuto
	have := r.settings.IdP
	doc, err := r.idp.Metadata(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SSO: "http://127.0.0.1/sso", SignWith: &r.old})
	if err != nil {
		t.Fatal(err)
	}
	next, _, err := saml.Merge(have, doc, r.settings, r.now)
	if reason(err) != "idp-metadata/no-sso" || next.Endpoints != have.Endpoints || next.FetchError != "idp-metadata" || len(next.Keys) != 1 {
		t.Errorf("%s, %+v", reason(err), next)
	}
	rep := r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old}, SLO: "http://127.0.0.1/slo", SignWith: &r.old})
	got := r.settings.IdP.Endpoints
	if got.SSOURL != have.Endpoints.SSOURL || got.SLOURL != "" || got.SLOBinding != "" || len(rep.Warnings) != 1 {
		t.Errorf("endpoints %+v, warnings %q", got, rep.Warnings)
	}
	if problems := saml.Validate(r.settings, false); len(problems) > 0 {
		t.Errorf("what was taken cannot be used: %v", problems)
	}
}

func TestBadDocumentLeavesTheLastGoodOne(t *testing.T) {
	r := newRollover(t)
	good, err := r.idp.Metadata(idptest.MetadataOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ doc, want string }{
		"web page":       {"<!DOCTYPE html><html/>", "html"},
		"another entity": {strings.ReplaceAll(string(good), r.idp.EntityID(), "https://evil.example"), "entity-id"},
		"expired":        {strings.Replace(string(good), "entityID=", `validUntil="2026-05-01T00:00:00Z" entityID=`, 1), "expired"},
	} {
		later := r.now.AddDate(0, 0, 1)
		next, rep, err := saml.Merge(r.settings.IdP, []byte(c.doc), r.settings, later)
		if reason(err) != "idp-metadata/"+c.want || rep.Changed {
			t.Errorf("%s: %s, %+v", name, reason(err), rep)
		}
		want := r.settings.IdP
		if next.FetchError != "idp-metadata" || !next.FetchAttempted.Equal(later) || !next.Fetched.Equal(want.Fetched) || next.EntityID != want.EntityID || next.Endpoints != want.Endpoints || len(next.Keys) != 1 || next.Keys[0].State != idp.KeyActive {
			t.Errorf("%s: %+v", name, next)
		}
	}
	if next := saml.FetchFailed(r.settings.IdP, errors.New("no route"), r.now); next.FetchError != "idp-unavailable" {
		t.Errorf("our own error becomes %q", next.FetchError)
	}
}

func TestMergeLeavesWhatItWasGiven(t *testing.T) {
	r := newRollover(t)
	have := r.settings.IdP
	have.Keys = slices.Clone(have.Keys)
	for range 2 {
		doc, err := r.idp.Metadata(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.new}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := saml.Merge(r.settings.IdP, doc, r.settings, r.now); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.settings.IdP.Keys; len(got) != 1 || got[0].State != have.Keys[0].State || got[0].Missing != 0 {
		t.Errorf("keys of the argument changed: %+v", got)
	}
}

func TestConfirmMakesWhatWaitsCount(t *testing.T) {
	r := newRollover(t)
	r.fetch(idptest.MetadataOptions{Keys: []idptest.SAMLKey{r.old, r.new}, SSO: "https://new.example/sso"})
	waiting := r.settings.IdP
	check := func(name string, active, moved bool, names ...string) {
		t.Helper()
		got, err := saml.Confirm(waiting, names...)
		if err != nil {
			t.Fatal(name, err)
		}
		r.settings.IdP = got
		state := idp.KeyPending
		if active {
			state = idp.KeyActive
		}
		r.states(map[string]idp.SAMLKeyState{r.old.SHA256(): idp.KeyActive, r.new.SHA256(): state})
		if moved != (got.Endpoints.SSOURL == "https://new.example/sso") || moved != (got.Pending == idp.SAMLEndpoints{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	check("all", true, true)
	check("the key", true, false, r.new.SHA256())
	check("the beginning of the key", true, false, strings.ToUpper(r.new.SHA256()[:16]))
	check("the endpoints", false, true, saml.PendingEndpoints)
	if waiting.Keys[1].State != idp.KeyPending {
		t.Error("the argument changed")
	}
	for name, names := range map[string][]string{
		"an active key": {r.old.SHA256()}, "unknown": {strings.Repeat("0", 64)}, "too short": {r.new.SHA256()[:15]}, "empty": {""},
		"one good, one bad": {r.new.SHA256(), strings.Repeat("0", 64)},
	} {
		if got, err := saml.Confirm(waiting, names...); err == nil || got.Keys != nil {
			t.Errorf("%s: confirmed", name)
		}
	}
	if _, err := saml.Confirm(r.settings.IdP, saml.PendingEndpoints); err == nil {
		t.Error("endpoints are confirmed twice")
	}
	if _, err := saml.Confirm(idp.SAMLIdP{}); err == nil {
		t.Error("nothing is confirmed")
	}
}
