package scimtest

import (
	"testing"
)

func TestProvidersFindWhatTheyExpect(t *testing.T) {
	Databases(t, func(t *testing.T, dsn func(testing.TB) string) {
		Run(t, "testdata", func(t *testing.T) Target { return Open(t, dsn(t), nil).Tenant(t, "acme") })
	})
}
