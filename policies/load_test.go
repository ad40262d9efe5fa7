package policies

import (
	"context"
	"testing"
)

func TestDefaultPolicyLoads(t *testing.T) {
	report, err := Check(context.Background(), Default(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Error(f)
	}
	if !report.OK() {
		t.Fatal("not served")
	}
}
