package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/extauthz/store"
)

type keysCmd struct {
	Rotate keysRotateCmd `cmd:"" help:"Draw new keys. Nobody is signed out: the old ones still open what they sealed."`
	List   keysListCmd   `cmd:"" help:"List the keys, without what is secret."`
}

// keyRow is a key as commands print it: never its material.
type keyRow struct {
	ID      string     `json:"id"`
	Purpose string     `json:"purpose"`
	State   string     `json:"state"`
	Created *time.Time `json:"created,omitempty"`
	Active  *time.Time `json:"active_from,omitempty"`
}

// keyRows tells for each key what it does now: the newest active one of a purpose seals, newer ones wait, older ones
// only open.
func keyRows(keys []session.Key, now time.Time) []keyRow {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b session.Key) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), b.ActiveFrom.Compare(a.ActiveFrom))
	})
	sealing := map[session.Purpose]bool{}
	var rows []keyRow
	for _, k := range keys {
		state := "opens"
		switch {
		case k.ActiveFrom.After(now):
			state = "waits"
		case !sealing[k.Purpose]:
			sealing[k.Purpose] = true
			state = "in use"
		}
		rows = append(rows, keyRow{ID: k.ID, Purpose: string(k.Purpose), State: state, Created: stamp(k.Created), Active: stamp(k.ActiveFrom)})
	}
	return rows
}

func (a *app) keyTable(rows []keyRow) error {
	return table(a, rows, "no keys yet: the gate makes them when it starts", []string{"KEY", "FOR", "STATE", "ACTIVE FROM"},
		func(r keyRow) []string { return []string{r.ID, r.Purpose, r.State, whenP(r.Active)} })
}

type keysRotateCmd struct{}

// Run draws a new key for every purpose and prints the ring.
func (keysRotateCmd) Run(a *app) error {
	return a.withStore(func(s *store.Store, _ Config) error {
		keys, err := s.RotateKeys(a.ctx, actor)
		if err != nil {
			return fmt.Errorf("rotate keys: %w", err)
		}
		return a.keyTable(keyRows(keys, a.now()))
	})
}

type keysListCmd struct{}

// Run prints the ring.
func (keysListCmd) Run(a *app) error {
	return a.withStore(func(s *store.Store, _ Config) error {
		keys, err := s.Keys(a.ctx)
		if err != nil {
			return fmt.Errorf("list keys: %w", err)
		}
		return a.keyTable(keyRows(keys, a.now()))
	})
}
