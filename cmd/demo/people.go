package main

import (
	"strings"

	"github.com/tracio-ai/ssogate/idp/idptest"
)

// persona is one of the demo's people, with what the terminal says about them.
type persona struct {
	idptest.Person
	Role string // of the dashboard; empty: none
	Can  string
}

// people are one for each role, and one with none.
func people() []persona {
	return []persona{
		{idptest.Person{Sub: "p-ada", UserName: "ada", Email: "ada@acme.example", Name: "Ada Admin", Groups: []string{"admins"}},
			"Admin", "everything, API keys and billing included"},
		{idptest.Person{Sub: "p-ann", UserName: "ann", Email: "ann@acme.example", Name: "Ann Analyst", Groups: []string{"analysts"}},
			"Analyst", "reads and writes events, signals and rules"},
		{idptest.Person{Sub: "p-vic", UserName: "vic", Email: "vic@acme.example", Name: "Vic Viewer", Groups: []string{"viewers"}},
			"Viewer", "reads"},
		{idptest.Person{Sub: "p-nia", UserName: "nia", Email: "nia@acme.example", Name: "Nia Nobody"},
			"", "signs in and is refused everywhere"},
	}
}

// persons are the people as the identity provider knows them.
func persons() []idptest.Person {
	var all []idptest.Person
	for _, p := range people() {
		all = append(all, p.Person)
	}
	return all
}

// samlPersons are the same people at the second company.
func samlPersons() []idptest.Person {
	all := persons()
	for i := range all {
		all[i].Email = strings.Replace(all[i].Email, "@acme.", "@globex.", 1)
	}
	return all
}
