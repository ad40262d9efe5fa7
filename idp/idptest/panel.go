package idptest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Panel is the pretend provider's page for admins: who is in which group, with buttons that change it. Every change is
// sent on over SCIM at once, and the page shows what was sent and what came back.
//
// It answers only under the provider's own host and takes changes only from its own page: another site must not be
// able to have somebody deleted here, pretend or not.
type Panel struct {
	OP          *OP
	Provisioner *Provisioner // the page chooses its Manner
	Groups      []string     // the provider's groups; people name theirs in Person.Groups
	Open        string       // address of the application, to be opened beside the panel

	mu       sync.Mutex
	ids      map[string]string // the service provider's id by subject
	teams    map[string]Team   // by name
	inactive map[string]bool   // by subject
	calls    []Call            // newest first
	notice   string
}

const (
	maxPeople = 200
	maxCalls  = 40
	maxName   = 60
)

// Sync brings the service provider in line with this provider: groups, people and who is in what. People and groups
// of an earlier life that this provider does not know are removed there.
func (p *Panel) Sync(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids, p.teams, p.inactive = map[string]string{}, map[string]Team{}, map[string]bool{}
	p.Provisioner.OnCall = p.remember
	members := map[string][]string{}
	for _, who := range p.OP.People() {
		id, err := p.Provisioner.Provision(ctx, AccountOf(who))
		if err != nil {
			return fmt.Errorf("provision %s: %w", who.UserName, err)
		}
		p.ids[who.Sub] = id
		for _, g := range who.Groups {
			members[g] = append(members[g], id)
		}
	}
	for _, name := range p.Groups {
		team, err := p.Provisioner.Push(ctx, Team{ExternalID: "g-" + name, DisplayName: name})
		if err != nil {
			return fmt.Errorf("push group %s: %w", name, err)
		}
		p.teams[name] = team
		if err := p.Provisioner.SetMembers(ctx, team, members[name]...); err != nil {
			return fmt.Errorf("push members of group %s: %w", name, err)
		}
	}
	return p.sweep(ctx)
}

// sweep removes what an earlier life of this provider left behind.
func (p *Panel) sweep(ctx context.Context) error {
	for _, kind := range []string{pathGroups, pathUsers} {
		all, err := p.Provisioner.list(ctx, kind)
		if err != nil {
			return fmt.Errorf("list %s: %w", kind, err)
		}
		for _, id := range all {
			if p.known(id) {
				continue
			}
			if err := p.Provisioner.must(ctx, http.MethodDelete, kind+"/"+id, nil, nil); err != nil {
				return fmt.Errorf("remove what is left of an earlier start: %w", err)
			}
		}
	}
	return nil
}

func (p *Panel) known(id string) bool {
	for _, team := range p.teams {
		if team.ID == id {
			return true
		}
	}
	for _, user := range p.ids {
		if user == id {
			return true
		}
	}
	return false
}

// list returns every id, page by page as Okta's import walks: it adds 100 to startIndex whatever it got.
func (p *Provisioner) list(ctx context.Context, kind string) (ids []string, err error) {
	for start := 1; ; start += 100 {
		var page struct {
			TotalResults int `json:"totalResults"`
			Resources    []struct {
				ID string `json:"id"`
			} `json:"Resources"`
		}
		query := fmt.Sprintf("%s?startIndex=%d&count=100", kind, start)
		if kind == pathGroups {
			query += "&excludedAttributes=members"
		}
		if err := p.must(ctx, http.MethodGet, query, nil, &page); err != nil {
			return nil, err
		}
		for _, r := range page.Resources {
			ids = append(ids, r.ID)
		}
		if start+100 > page.TotalResults {
			return ids, nil
		}
	}
}

func (p *Panel) remember(c Call) {
	p.calls = append([]Call{c}, p.calls[:min(len(p.calls), maxCalls-1)]...)
}

// ServeHTTP implements http.Handler for /panel.
func (p *Panel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != p.OP.base.Host { // a name that points here, but is not ours, is somebody else's page
		http.Error(w, "unknown host", http.StatusMisdirectedRequest)
		return
	}
	http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.serve)).ServeHTTP(w, r)
}

func (p *Panel) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		p.render(w)
	case http.MethodPost:
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "malformed form", http.StatusBadRequest)
			return
		}
		p.notice = ""
		if err := p.act(r.Context(), r.PostForm); err != nil {
			p.notice = err.Error()
		}
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

// act does what a button asks for.
func (p *Panel) act(ctx context.Context, form url.Values) error {
	if p.teams == nil {
		return errors.New("the first push is not through yet; try again in a moment")
	}
	switch action := form.Get("do"); action {
	case "manner":
		return p.speak(Manner(form.Get("manner")))
	case "add":
		return p.add(ctx, form.Get("name"), form.Get("group"))
	case "move", "deactivate", "reactivate", "delete":
		who, ok := p.OP.person(form.Get("person"))
		id := p.ids[who.Sub]
		if !ok || id == "" {
			return errors.New("nobody here is called that")
		}
		return p.change(ctx, action, who, id, form.Get("group"))
	default:
		return fmt.Errorf("there is no button %.20q", action)
	}
}

func (p *Panel) speak(m Manner) error {
	if !slices.Contains(Manners(), m) {
		return fmt.Errorf("there is no manner %.20q", m)
	}
	p.Provisioner.Manner = m
	return nil
}

func (p *Panel) change(ctx context.Context, action string, who Person, id, group string) error {
	switch action {
	case "move":
		return p.move(ctx, who, id, group)
	case "deactivate":
		if err := p.Provisioner.Deactivate(ctx, id); err != nil {
			return err
		}
		p.inactive[who.Sub] = true
		return nil
	case "reactivate":
		if err := p.Provisioner.Reactivate(ctx, id); err != nil {
			return err
		}
		delete(p.inactive, who.Sub)
		return nil
	default: // delete
		if err := p.Provisioner.Remove(ctx, id); err != nil {
			return err
		}
		delete(p.ids, who.Sub)
		delete(p.inactive, who.Sub)
		p.OP.SetPeople(slices.DeleteFunc(p.OP.People(), func(x Person) bool { return x.Sub == who.Sub }))
		return nil
	}
}

// move leaves every group and enters one, or none. The old ones go first: in between somebody has less, never more.
func (p *Panel) move(ctx context.Context, who Person, id, to string) error {
	team, ok := p.teams[to]
	if to != "" && !ok {
		return fmt.Errorf("there is no group %.60q", to)
	}
	if len(who.Groups) == 1 && who.Groups[0] == to {
		return nil
	}
	for _, g := range who.Groups {
		if err := p.Provisioner.RemoveMember(ctx, p.teams[g], id); err != nil {
			return err
		}
		who.Groups = slices.DeleteFunc(slices.Clone(who.Groups), func(x string) bool { return x == g })
		p.keep(who)
	}
	if to == "" {
		return nil
	}
	if err := p.Provisioner.AddMember(ctx, team, id); err != nil {
		return err
	}
	who.Groups = []string{to}
	p.keep(who)
	return nil
}

// keep writes a person back to the provider.
func (p *Panel) keep(who Person) {
	all := p.OP.People()
	for i := range all {
		if all[i].Sub == who.Sub {
			all[i] = who
		}
	}
	p.OP.SetPeople(all)
}

// add makes a person, over there first: whoever cannot be provisioned is not kept here either.
func (p *Panel) add(ctx context.Context, name, group string) error {
	who, err := p.newcomer(name)
	if err != nil {
		return err
	}
	if _, ok := p.teams[group]; group != "" && !ok {
		return fmt.Errorf("there is no group %.60q", group)
	}
	id, err := p.Provisioner.Provision(ctx, AccountOf(who))
	if err != nil {
		return err
	}
	p.ids[who.Sub] = id
	p.OP.SetPeople(append(p.OP.People(), who))
	return p.move(ctx, who, id, group)
}

// newcomer makes somebody of a name: the first word, in lower case, is the user name.
func (p *Panel) newcomer(name string) (Person, error) {
	name = strings.Join(strings.Fields(name), " ")
	if name == "" || len(name) > maxName {
		return Person{}, fmt.Errorf("a name has 1 to %d letters", maxName)
	}
	first, _, _ := strings.Cut(name, " ")
	user := strings.Map(func(c rune) rune {
		if c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return -1
		}
		return unicode.ToLower(c)
	}, first)
	if user == "" {
		return Person{}, errors.New("the first word makes the user name: give it a letter from a to z")
	}
	all := p.OP.People()
	if len(all) >= maxPeople {
		return Person{}, fmt.Errorf("%d people are enough for a demonstration", maxPeople)
	}
	if slices.ContainsFunc(all, func(x Person) bool { return x.UserName == user }) {
		return Person{}, fmt.Errorf("somebody is called %s already: choose another first name", user)
	}
	return Person{Sub: "p-" + user + "-" + random(4), UserName: user, Email: user + "@" + p.domain(), Name: name}, nil
}

// domain is the mail domain of the people there are.
func (p *Panel) domain() string {
	for _, who := range p.OP.People() {
		if _, domain, ok := strings.Cut(who.Email, "@"); ok {
			return domain
		}
	}
	return "acme.example"
}
