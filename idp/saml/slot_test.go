package saml_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
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

// Whoever owns a connection can answer over it as often as they like, with answers that all verify.
func TestAFloodOverOneConnectionKeepsNoOtherOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newRP(t, idptest.SAMLOptions{}).connector
		c.FillSlots(1)
		served := make(chan idp.ConnectionID, 100)
		come := func(id idp.ConnectionID) {
			go func() {
				leave, err := c.Enter(t.Context(), id)
				if err != nil {
					return
				}
				served <- id
				time.Sleep(10 * time.Millisecond)
				leave()
			}()
			synctest.Wait()
		}
		for range 50 {
			come("flood")
		}
		come("acme")
		come("beta")
		c.Next()
		synctest.Wait()
		time.Sleep(time.Second)
		var order []idp.ConnectionID
		for len(served) > 0 {
			order = append(order, <-served)
		}
		if len(order) < 20 || len(order) > 30 {
			t.Errorf("%d were served in 250 ms of 10 ms each", len(order))
		}
		if at := slices.Index(order, "acme"); at < 0 || at > 1 {
			t.Errorf("acme was served at place %d of %q", at, order)
		}
		if at := slices.Index(order, "beta"); at < 0 || at > 2 {
			t.Errorf("beta was served at place %d", at)
		}
		if c.Running() != 0 || len(c.Waiting()) != 0 {
			t.Errorf("afterwards %d run and %v wait", c.Running(), c.Waiting())
		}
	})
}

// Sign-outs need no attempt, and what one costs is chosen by whoever owns the connection's keys: they wait neither before
// its sign-ins nor before another's sign-outs.
func TestSignOutsAndStraysWaitOnAccountsOfTheirOwn(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	form := url.Values{"SAMLResponse": {r.respond(nil)}}
	synctest.Test(t, func(t *testing.T) {
		r.connector.FillSlots(1)
		var wg sync.WaitGroup
		for _, id := range []idp.ConnectionID{"acme-saml", "beta-saml"} {
			conn, attempt := r.conn, r.attempt
			conn.ID, attempt.Connection = id, id
			for _, wait := range []func() error{
				func() error { _, err := r.connector.Complete(t.Context(), conn, attempt, post(form)); return err },
				func() error { _, err := r.connector.Pick(t.Context(), conn, post(form)); return err },
				func() error { _, err := r.connector.ReceiveLogout(t.Context(), conn, post(form)); return err },
			} {
				wg.Go(func() {
					if err := wait(); reason(err) != "saml-busy/slots" {
						t.Error(reason(err))
					}
				})
			}
		}
		synctest.Wait()
		want := map[string]int{"strays'": 2, "acme-saml": 1, "acme-saml's sign-outs": 1, "beta-saml": 1, "beta-saml's sign-outs": 1}
		if got := r.connector.Waiting(); !maps.Equal(got, want) {
			t.Errorf("waiting %v, want %v", got, want)
		}
		wg.Wait()
	})
}

// What gives up, for whatever reason, takes no slot with it.
func TestSlotsAreNeverLost(t *testing.T) {
	c := newRP(t, idptest.SAMLOptions{}).connector
	leave := c.FillSlots(2)
	leave()
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%7)*100*time.Microsecond)
			defer cancel()
			if done, err := c.Enter(ctx, idp.ConnectionID([]string{"a", "b", "c"}[i%3])); err == nil {
				runtime.Gosched()
				done()
			}
		})
	}
	wg.Wait()
	if c.Running() != 0 || len(c.Waiting()) != 0 {
		t.Errorf("%d run and %v wait", c.Running(), c.Waiting())
	}
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
