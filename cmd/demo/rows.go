package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// row is one toy thing of the dashboard's.
type row struct {
	ID   string    `json:"id"`
	Text string    `json:"text"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// maxRows is how many of a kind are kept; older ones make room.
const maxRows = 20

// table holds the rows of each kind, newest first. They live as long as the process.
type table struct {
	Now func() time.Time

	mu   sync.Mutex
	rows map[string][]row
	made map[string]int
}

// samples are what writing makes, in turn.
var samples = map[string][]string{
	"events":   {"Sign-in from a new device in Lyon", "Export of 3,000 records", "Password reset asked for twice", "Headless browser on /pricing"},
	"signals":  {"Impossible travel: Lyon to Perth in 2 h", "Device shared by 14 accounts", "Proxy exit node", "Clock differs from time zone"},
	"rules":    {"Challenge new devices from a proxy", "Block more than 10 sign-ups an hour from one device", "Flag exports out of hours"},
	"api-keys": {"Key for the staging crawler", "Key for the data warehouse", "Key for the mobile app"},
	"billing":  {"Plan set to Team", "Plan set to Business", "Plan set to Starter"},
	"settings": {"Event retention set to 90 days", "Event retention set to 30 days", "Alerts go to #security"},
}

func newTable(now func() time.Time) *table {
	t := &table{Now: now, rows: map[string][]row{}, made: map[string]int{}}
	for kind := range samples {
		for range 2 {
			t.add(kind, "example data")
		}
	}
	return t
}

// list returns a copy of a kind's rows.
func (t *table) list(kind string) []row {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.rows[kind])
}

// add makes the next row of a kind.
func (t *table) add(kind, by string) row {
	t.mu.Lock()
	defer t.mu.Unlock()
	texts := samples[kind]
	r := row{
		ID: fmt.Sprintf("%s-%d", kind, 101+t.made[kind]), Text: texts[t.made[kind]%len(texts)], By: by,
		At: t.Now().UTC().Truncate(time.Second),
	}
	t.made[kind]++
	kept := t.rows[kind][:min(len(t.rows[kind]), maxRows-1)]
	t.rows[kind] = append([]row{r}, kept...)
	return r
}
