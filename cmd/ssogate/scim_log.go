package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

type scimLogCmd struct {
	Tenant string `required:"" help:"The tenant." placeholder:"ID"`
	Failed bool   `help:"Only calls that were refused or failed."`
	Before int64  `help:"Only calls before this one: the last number of the page before." placeholder:"N"`
	Limit  int    `default:"50" help:"How many, 1 to 1000."`
}

// callRow is one call as commands print it: names and kinds, no values.
type callRow struct {
	ID        int64             `json:"id"`
	At        *time.Time        `json:"at"`
	Status    int               `json:"status"`
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Target    string            `json:"target,omitempty"`
	Shape     string            `json:"shape,omitempty"`
	SCIMType  string            `json:"scim_type,omitempty"`
	Detail    string            `json:"detail,omitempty"`
	Hint      string            `json:"hint,omitempty"`
	Token     directory.TokenID `json:"token"`
	Label     string            `json:"label,omitempty"`
	UserAgent string            `json:"user_agent,omitempty"`
	RequestID string            `json:"request_id,omitempty"`
}

func callRowOf(c directory.Call, labels map[directory.TokenID]string) callRow {
	return callRow{
		ID: c.ID, At: stamp(c.At), Status: c.Status, Method: c.Method, Path: c.Path, Target: c.Target, Shape: c.Shape,
		SCIMType: c.SCIMType, Detail: c.Detail, Hint: c.Hint, Token: c.Token, Label: labels[c.Token], UserAgent: c.UserAgent, RequestID: c.RequestID,
	}
}

// Run prints the newest calls first, and below them what to do about those that failed, each advice once.
func (cmd scimLogCmd) Run(a *app) error {
	t, err := tenantID(cmd.Tenant)
	if err != nil {
		return err
	}
	if cmd.Limit < 1 || cmd.Limit > 1000 {
		return misused("choose 1 to 1000", "--limit %d is out of bounds", cmd.Limit)
	}
	return a.withStore(func(s *store.Store, c Config) error {
		if _, err := a.realm(s, c, t); err != nil {
			return err
		}
		labels, err := a.tokenLabels(s, t)
		if err != nil {
			return err
		}
		calls, err := s.Calls(a.ctx, t, store.CallQuery{Before: cmd.Before, Failed: cmd.Failed, Limit: cmd.Limit})
		if err != nil {
			return fmt.Errorf("read provisioning log: %w", err)
		}
		var rows []callRow
		for _, one := range calls {
			rows = append(rows, callRowOf(one, labels))
		}
		err = table(a, rows, "nothing is logged: reads that succeed are not",
			[]string{"CALL", "TIME", "STATUS", "REQUEST", "TARGET", "WHAT", "WHY", "TOKEN"},
			func(r callRow) []string {
				return []string{strconv.FormatInt(r.ID, 10), whenP(r.At), strconv.Itoa(r.Status), r.Method + " " + r.Path, r.Target, shortened(r.Shape), why(r), tokenName(r)}
			})
		if err == nil && !a.json() {
			a.advise(rows)
		}
		return err
	})
}

// shortened keeps a table's line readable; JSON has the whole.
func shortened(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

func why(r callRow) string {
	if r.SCIMType == "" {
		return r.Detail
	}
	return r.SCIMType + ": " + r.Detail
}

func tokenName(r callRow) string {
	if r.Label == "" {
		return string(r.Token)
	}
	return r.Label
}

func (a *app) tokenLabels(s *store.Store, t tenant.ID) (map[directory.TokenID]string, error) {
	all, err := s.SCIMTokens(a.ctx, t)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	labels := map[directory.TokenID]string{}
	for _, one := range all {
		labels[one.ID] = one.Label
	}
	return labels, nil
}

// advise prints each hint once, with the newest call that it is about.
func (a *app) advise(rows []callRow) {
	said := map[string]bool{}
	for _, r := range rows {
		if r.Hint != "" && !said[r.Hint] {
			said[r.Hint] = true
			a.printf("\n%d: %s", r.ID, r.Hint)
		}
	}
}
