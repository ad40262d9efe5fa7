package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

// news is what reading metadata again brought.
type news struct {
	saml.Report
	changes []string // sentences for whoever asked: they hold addresses, which audit rows do not
}

// fetcher reads what is at an address.
type fetcher interface {
	Fetch(ctx context.Context, url string) ([]byte, error)
}

// refresh reads a connection's metadata again. Next is to be saved in either case: after a failure it is what was known
// before, with the failure noted, so that a provider's bad day takes nothing away.
//
// A document that makes a parser panic must not end the gate, which would read it again when it starts.
func refresh(ctx context.Context, from fetcher, conn idp.Connection, now time.Time) (next idp.SAMLIdP, n news, err error) {
	have := conn.SAML.IdP
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{fmt.Sprintf("%T", p), debug.Stack()}
			next, n = saml.FetchFailed(have, err, now), news{}
		}
	}()
	document, err := from.Fetch(idp.For(ctx, conn.ID), conn.SAML.MetadataURL)
	if err != nil {
		return saml.FetchFailed(have, err, now), n, err
	}
	next, report, err := saml.Merge(have, document, conn.SAML, now)
	if err != nil {
		return next, n, err
	}
	return next, news{report, differences(have, next)}, nil
}

// panicked is a panic that became an error: of its value the type alone, which holds no word of the document's.
type panicked struct {
	kind  string
	stack []byte
}

// Error implements error.
func (p *panicked) Error() string { return "panic while metadata was read: " + p.kind }

// differences names what changed, by fingerprint and address.
func differences(have, next idp.SAMLIdP) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if have.EntityID != next.EntityID {
		add("the provider is %s", next.EntityID)
	}
	for _, k := range next.Keys {
		i := slices.IndexFunc(have.Keys, func(h idp.SAMLKey) bool { return h.SHA256 == k.SHA256 })
		switch {
		case i < 0 && k.State == idp.KeyPending:
			add("key %s is new and waits to be confirmed", shortPrint(k.SHA256))
		case i < 0:
			add("key %s is new and %s", shortPrint(k.SHA256), k.State)
		case have.Keys[i].State != k.State:
			add("key %s was %s and is %s", shortPrint(k.SHA256), have.Keys[i].State, k.State)
		}
	}
	for _, h := range have.Keys {
		if !slices.ContainsFunc(next.Keys, func(k idp.SAMLKey) bool { return h.SHA256 == k.SHA256 }) {
			add("key %s is gone", shortPrint(h.SHA256))
		}
	}
	if have.Endpoints.SSOURL != next.Endpoints.SSOURL {
		add("people are sent to %s to sign in", next.Endpoints.SSOURL)
	}
	if have.Endpoints.SLOURL != next.Endpoints.SLOURL {
		add("sign-outs go to %s", yes(next.Endpoints.SLOURL == "", "nobody", next.Endpoints.SLOURL))
	}
	if have.Pending != next.Pending && next.Pending != (idp.SAMLEndpoints{}) {
		add("the addresses %s wait to be confirmed", strings.TrimSpace(next.Pending.SSOURL+" "+next.Pending.SLOURL))
	}
	return out
}
