package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// A provider pushes to one gate, the person's next request comes to the other.
func TestProvisionedAtOneGateMeansRefusedAtTheOther(t *testing.T) {
	a, b := twoGates(t, Options{Tenant: "scim: true, "})
	p := provisionedOn(t, a)
	id, who := p.hire(t, "viewers")
	browser := a.As(who)
	browser.SignIn("/events")
	for round := range 50 {
		browser.At(b).expect("signed in", http.StatusOK)
		if err := p.scim.Deactivate(t.Context(), id); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if got := browser.At(b).Fetch("GET", "/api/v1/events"); got.Status != http.StatusForbidden {
			t.Fatalf("round %d: the next request at the other gate: %d", round, got.Status)
		}
		if err := p.scim.Reactivate(t.Context(), id); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		browser = a.As(who)
		browser.SignIn("/events")
	}
	if err := p.as(idptest.EntraSCIM).RemoveMember(t.Context(), p.teams["viewers"], id); err != nil {
		t.Fatal(err)
	}
	browser.At(b).expect("out of the group", http.StatusForbidden)
}

// The other gate stands still while the push is answered, and its first answer afterwards is a refusal.
func TestProvisionedWhileTheOtherGateStoodStill(t *testing.T) {
	a, b := twoGates(t, Options{Tenant: "scim: true, "})
	p := provisionedOn(t, a)
	id, who := p.hire(t, "viewers")
	browser := a.As(who)
	browser.SignIn("/events")
	for range 5 {
		browser.At(b).expect("signed in", http.StatusOK)
	}
	goOn := b.stand()
	if err := p.scim.Deactivate(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	browser.expect("deactivated, at the gate that runs", http.StatusForbidden)
	time.AfterFunc(50*time.Millisecond, goOn)
	if got := browser.At(b).Fetch("GET", "/api/v1/events"); got.Status != http.StatusForbidden {
		t.Errorf("the first answer of the gate that stood still: %d", got.Status)
	}
}

// kill -9 while a bulk request is at work: each of its operations is there whole or not at all.
func TestKilledInTheMiddleOfABulkLeavesWholeOperationsOnly(t *testing.T) {
	s := NewStack(t, Options{Tenant: "scim: true, "})
	p := provisionedOn(t, s)
	cut := 0
	for round := range 2 {
		var ops []string
		for i := range 300 {
			ops = append(ops, fmt.Sprintf(`{"method":"POST","bulkId":"b%d","path":"/Users","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`+
				`"userName":"bulk-%d-%d","externalId":"x-%d-%d","emails":[{"value":"bulk-%d-%d@acme.example","type":"work"}]}}`, i, round, i, round, i, round, i))
		}
		done := make(chan error, 1)
		go func() { done <- p.raw(http.MethodPost, "/Bulk", bulkOp(strings.Join(ops, ","))) }()
		before := p.count(t, "")
		Eventually(t, "the bulk is at work", func() bool { return p.count(t, "") > before+5 || len(done) > 0 })
		s.Gate.Kill()
		if err := <-done; err != nil {
			cut++
		}
		s.Gate.Run()
		s.WaitReady()
		s.WaitServing()
		made := p.count(t, fmt.Sprintf(`userName sw "bulk-%d-"`, round))
		whole := p.count(t, fmt.Sprintf(`emails.value sw "bulk-%d-" and externalId sw "x-%d-"`, round, round))
		if made != whole || made == 0 {
			t.Errorf("round %d: %d people, %d of them whole", round, made, whole)
		}
		if total := p.count(t, ""); total != p.count(t, "id pr") {
			t.Errorf("round %d: totalResults of the whole list is %d, of those with an id %d", round, total, p.count(t, "id pr"))
		}
	}
	if cut == 0 {
		t.Error("no bulk was cut: this proved nothing")
	}
}

// count is a list's totalResults.
func (p *provisioned) count(t *testing.T, filter string) int {
	t.Helper()
	path := "/Users?count=0"
	if filter != "" {
		path += "&filter=" + url.QueryEscape(filter)
	}
	c, err := p.scim.Do(t.Context(), http.MethodGet, path, nil)
	if err != nil || c.Status != http.StatusOK {
		t.Fatalf("list %s: %d, %v: %s", filter, c.Status, err, c.Answer)
	}
	var n int
	if _, rest, ok := strings.Cut(c.Answer, `"totalResults":`); !ok {
		t.Fatalf("no totalResults in %s", c.Answer)
	} else if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}
