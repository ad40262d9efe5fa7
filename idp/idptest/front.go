package idptest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// front is what both pretend providers have: a record of their requests, and people who can sign in.
type front struct {
	base *url.URL // it serves under this path
	mux  *http.ServeMux

	lock   sync.Mutex
	people []Person
	seen   []Request
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "malformed form", http.StatusBadRequest)
		return
	}
	prefix := strings.TrimSuffix(f.base.Path, "/")
	path := strings.TrimPrefix(r.URL.Path, prefix)
	f.lock.Lock()
	f.seen = append(f.seen, Request{Method: r.Method, Path: path, Form: maps.Clone(r.Form), Header: r.Header.Clone()})
	if len(f.seen) > 10_000 { // a demonstration may run for weeks
		f.seen = slices.Clone(f.seen[5_000:])
	}
	f.lock.Unlock()
	w.Header().Set("Cache-Control", "no-store")
	http.StripPrefix(prefix, f.mux).ServeHTTP(w, r)
}

// Requests returns what the provider saw, oldest first.
func (f *front) Requests() []Request {
	f.lock.Lock()
	defer f.lock.Unlock()
	return slices.Clone(f.seen)
}

// Count tells how often the provider saw a request line such as "POST /token" or "GET /sso".
func (f *front) Count(line string) int {
	n := 0
	for _, r := range f.Requests() {
		if r.Method+" "+r.Path == line {
			n++
		}
	}
	return n
}

// Forget empties the record of requests.
func (f *front) Forget() {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.seen = nil
}

// SetPeople replaces who can sign in; whoever is gone also loses the provider's own session.
func (f *front) SetPeople(people []Person) {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.people = slices.Clone(people)
}

// People returns who can sign in.
func (f *front) People() []Person {
	f.lock.Lock()
	defer f.lock.Unlock()
	return slices.Clone(f.people)
}

func (f *front) person(sub string) (Person, bool) {
	for _, p := range f.People() {
		if p.Sub == sub {
			return p, true
		}
	}
	return Person{}, false
}
