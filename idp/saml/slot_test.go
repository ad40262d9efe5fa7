package saml_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"net/url"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

func TestAnAnswerWaitsItsTurnAndNoLonger(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	response := r.respond(nil)
	synctest.Test(t, func(t *testing.T) {
		leave := r.connector.FillSlots(1)
		start := time.Now()
		id, err := r.complete(response)
		wantReason(t, "saml-busy/slots", id, err)
		if waited := time.Since(start); waited != 250*time.Millisecond {
			t.Errorf("waited %s", waited)
		}
		ctx, cancel := context.WithCancelCause(context.Background())
		gone := errors.New("browser went away")
		cancel(gone)
		if _, err := r.connector.Complete(ctx, r.conn, r.attempt, post(url.Values{"SAMLResponse": {response}})); !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
		leave()
		if _, err := r.complete(response); err != nil {
			t.Error(err)
		}
	})
}

func TestAPanicIsARefusalAndAnAlarm(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	response, panics := r.respond(nil), 0
	r.connector.OnOpinion = func(string, string) { panic("a fault of ours") }
	r.connector.OnPanic = func() { panics++ }
	for range 5 { // a slot is given back each time
		id, err := r.complete(response)
		wantReason(t, "saml-xml/panic", id, err)
	}
	if panics != 5 {
		t.Errorf("%d panics counted", panics)
	}
}

func TestEveryVerificationIsCounted(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	var codes []string
	r.connector.OnVerify = func(code idp.Code, _ time.Duration) { codes = append(codes, string(code)) }
	r.admit(nil)
	r.refuse("saml-signature/missing", func(o *idptest.RespondOptions) { o.Sign = idptest.SignNothing })
	if strings.Join(codes, ",") != ",saml-signature" {
		t.Errorf("codes %q", codes)
	}
}

// The switch for the tests of defences must not be within reach of anything that ships.
func TestNothingThatShipsSwitchesADefenceOff(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	assigns := regexp.MustCompile(`\boff\b\s*(=|:=|\|=|\^=|&=|:[^=])|\.off\b\s*[,)]|&\w+\.off\b`)
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if m := assigns.Find(b); m != nil {
			t.Errorf("%s: %q", f, m)
		}
	}
	b, err := os.ReadFile("export_test.go")
	if err != nil || !assigns.Match(b) {
		t.Errorf("the pattern finds nothing where it must: %v", err)
	}
}

// Below these versions the libraries panic on short ciphertexts, take unsigned sign-outs, can be led past a signature
// and spend minutes on canonical form.
func TestLibrariesAreNotOlderThanTheirLastFlaw(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for module, floor := range map[string][3]int{"github.com/russellhaering/gosaml2": {0, 12, 0}, "github.com/russellhaering/goxmldsig": {1, 6, 1}} {
		m := regexp.MustCompile(regexp.QuoteMeta(module) + ` v(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(string(b))
		if m == nil {
			t.Errorf("%s is not in go.mod", module)
			continue
		}
		if older([3]int{number(t, m[1]), number(t, m[2]), number(t, m[3])}, floor) {
			t.Errorf("%s is older than %v", m[0], floor)
		}
	}
}

func older(have, floor [3]int) bool {
	for i := range have {
		if have[i] != floor[i] {
			return have[i] < floor[i]
		}
	}
	return false
}

func number(t *testing.T, s string) int {
	t.Helper()
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
