package scimtest

import (
	"os"
	"testing"
	"time"
)

func TestProvidersFindWhatTheyExpect(t *testing.T) {
	Databases(t, os.Getenv, func(t *testing.T, dsn func(testing.TB) string) {
		Run(t, "testdata", os.Getenv("UPDATE") != "", func(t *testing.T) Target { return Open(t, dsn(t), time.Now, nil).Tenant(t, "acme") })
	})
}
