package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// provider does what an admin does at the tenant's identity provider, which sends it on over SCIM to a handler on the
// story's store, as the gate would serve it:
//
//	provider person TENANT USERNAME [GROUP...]
//	provider leaves TENANT USERNAME
//	provider member TENANT GROUP ID
//	provider errs TENANT
func provider(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: provider person|leaves|member|errs TENANT ...")
	}
	c, err := loadConfigIn(ts)
	ts.Check(err)
	s := openIn(ts, c)
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { err = s.Run(ctx) })
	sealer, sealErr := c.sealer(ts.Getenv)
	ts.Check(sealErr)
	srv := httptest.NewServer(&scim.Handler{
		Store: s, Credentials: owner(args[1]), Seal: sealer, PublicURL: c.PublicURL, Calls: s.LogCall, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	did := drive(ctx, &idptest.Provisioner{URL: srv.URL + "/scim/v2", Token: "t", Manner: idptest.EntraSCIM, Client: srv.Client()}, args)
	srv.Close()
	end() // what waits to be written is written before Run returns
	wg.Wait()
	ts.Check(errors.Join(did, err, s.Close()))
}

func drive(ctx context.Context, p *idptest.Provisioner, args []string) error {
	switch verb, rest := args[0], args[2:]; verb {
	case "person":
		id, err := p.Provision(ctx, idptest.Account{ExternalID: "sub-" + rest[0], UserName: rest[0], Email: rest[0], DisplayName: "A Person"})
		for _, name := range rest[1:] {
			if err == nil {
				err = enter(ctx, p, name, id)
			}
		}
		return err
	case "leaves":
		id, err := p.FindUser(ctx, rest[0])
		if err != nil {
			return err
		}
		return p.Remove(ctx, id)
	case "member":
		return enter(ctx, p, rest[0], rest[1])
	case "errs":
		body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"shoeSize","value":"planted-value"}]}`
		id, err := p.Create(ctx, idptest.Account{UserName: "erring"})
		if err != nil {
			return err
		}
		_, err = p.Do(ctx, http.MethodPatch, "/Users/"+id, body)
		return err
	default:
		return errors.New("provider does not know how to " + strings.Join(args, " "))
	}
}

func enter(ctx context.Context, p *idptest.Provisioner, group, id string) error {
	team, err := p.Push(ctx, idptest.Team{DisplayName: group})
	if err != nil {
		return err
	}
	return p.AddMember(ctx, team, id)
}

// owner lets every token in as one tenant's.
type owner tenant.ID

// Tenant implements scim.Credentials.
func (o owner) Tenant(context.Context, secret.Text) (tenant.ID, directory.TokenID, error) {
	return tenant.ID(o), "abcdefgh", nil
}
