package main

import (
	"fmt"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
)

type scimCmd struct {
	Token  scimTokenCmd  `cmd:"" help:"Tokens for identity providers."`
	On     scimOnCmd     `cmd:"" help:"Take people, groups and who is active from SCIM alone. Says first whom it changes, and asks."`
	Off    scimOffCmd    `cmd:"" help:"Take groups from sign-ins again. Whoever SCIM has shut out stays out."`
	Status scimStatusCmd `cmd:"" help:"Who or what is not where it should be, each with reason and remedy."`
	Lift   scimLiftCmd   `cmd:"" help:"While SCIM is off: let a deleted person sign in again, as a new one."`
	Log    scimLogCmd    `cmd:"" help:"What identity providers asked for and what came of it, newest first."`
}

type scimOnCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	Yes    bool   `help:"Do not ask."`
}

// Run hands the directory over to the tenant's identity provider.
func (cmd scimOnCmd) Run(a *app) error { return a.switchSCIM(cmd.Tenant, true, cmd.Yes) }

type scimOffCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	Yes    bool   `help:"Do not ask."`
}

// Run takes it back.
func (cmd scimOffCmd) Run(a *app) error { return a.switchSCIM(cmd.Tenant, false, cmd.Yes) }

// switched is what turning the switch reports.
type switched struct {
	Tenant  tenant.ID `json:"tenant"`
	SCIM    bool      `json:"scim"`
	Changes []change  `json:"changes"`
}

// switchSCIM says whom the switch would change before it asks. For a tenant that a file declares it says so and leaves
// the switch to the file.
func (a *app) switchSCIM(name string, on, yes bool) error {
	return a.withRealm(name, func(s *store.Store, c Config, realm idp.Realm) error {
		t := realm.Tenant.ID
		if realm.Tenant.SCIM == on {
			return a.result(switched{t, on, []change{}}, "scim was %s already for tenant %s", onOff(on), t)
		}
		changes, err := a.foretell(s, c, realm, on)
		if err != nil {
			return err
		}
		if !a.json() {
			if err := a.showChanges(on, changes); err != nil {
				return err
			}
		}
		if realm.Tenant.Declared {
			return hinted(fmt.Sprintf("write scim: %t there and restart the gate", on), "tenant %s is declared in %s", t, c.File)
		}
		if err := a.confirm(yes, fmt.Sprintf("Turn scim %s for tenant %s?", onOff(on), t)); err != nil {
			return err
		}
		if err := s.SetSCIM(a.ctx, t, on, actor); err != nil {
			return fmt.Errorf("turn scim %s: %w", onOff(on), err)
		}
		return a.result(switched{t, on, changes}, "scim is %s for tenant %s", onOff(on), t)
	})
}

func onOff(on bool) string { return yes(on, "on", "off") }

// showChanges prints whom the switch changes and in what.
func (a *app) showChanges(on bool, changes []change) error {
	refused := 0
	for _, one := range changes {
		if one.After == refusedRole {
			refused++
		}
	}
	none := "nobody is refused and no role changes"
	if err := table(a, changes, none, []string{"NAME", "CONNECTION", "LAST SIGN-IN", "NOW", "THEN", "WHY"}, func(c change) []string {
		return []string{c.UserName, string(c.Connection), whenP(c.LastSignIn), c.Before, c.After, c.Reason}
	}); err != nil {
		return err
	}
	if refused > 0 {
		a.printf("\n%s would be refused. Assign them to the application at the identity provider first, and see ssogate scim status.", count(refused, "person", "people"))
	}
	if !on {
		a.printf("\nEveryone signs in anew: groups and claims count from their next sign-in.")
	}
	return nil
}

type scimLiftCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	User   string `arg:"" help:"The deleted person's id, as scim status shows it."`
	Yes    bool   `help:"Do not ask."`
}

// lifted is what lifting a tombstone reports.
type lifted struct {
	ID    string     `json:"id"`
	State string     `json:"state"`
	At    *time.Time `json:"deleted,omitempty"`
}

// Run lifts a tombstone. While SCIM is on only the provider does that, by making the person anew.
func (cmd scimLiftCmd) Run(a *app) error {
	return a.withRealm(cmd.Tenant, func(s *store.Store, c Config, realm idp.Realm) error {
		t := realm.Tenant.ID
		if realm.Tenant.SCIM {
			return hinted("assign the person to the application there again", "scim is on for tenant %s: its identity provider alone brings people back", t)
		}
		stones, err := s.Tombstones(a.ctx, t, listed)
		if err != nil {
			return fmt.Errorf("list deleted people: %w", err)
		}
		for _, x := range stones {
			if string(x.User) != cmd.User {
				continue
			}
			if err := a.confirm(cmd.Yes, fmt.Sprintf("Let %s sign in again?", cellText(x.UserName))); err != nil {
				return err
			}
			if err := s.LiftTombstone(a.ctx, t, x.User, actor); err != nil {
				return fmt.Errorf("lift tombstone: %w", err)
			}
			return a.result(lifted{cmd.User, "lifted", stamp(x.At)}, "%s may sign in again, as a new person", x.UserName)
		}
		return hinted("see: ssogate scim status --tenant "+string(t), "tenant %s has no deleted person %s", t, quote(cmd.User))
	})
}
