package scim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tracio-ai/ssogate/scim/directory"
	"github.com/tracio-ai/ssogate/scim/internal/schema"
)

// window is the part of a list that is wanted: by number, or behind a position.
type window struct {
	start int
	count int
	walks bool
	after *directory.Position // where walks; nil: from the beginning
}

// found is what one resource type contributes to a list.
type found struct {
	total int
	items []func(*encoder)
	next  *directory.Position
}

// phases are the resource types of a list in their order.
func (c *call) phases() []func(context.Context, params, window) (found, error) {
	var out []func(context.Context, params, window) (found, error)
	if e := c.place.endpoint; e != atGroups && e != atGroupsSearch {
		out = append(out, c.findUsers)
	}
	if e := c.place.endpoint; e != atUsers && e != atUsersSearch {
		out = append(out, c.findGroups)
	}
	return out
}

// everywhere reports whether the list is over all resource types (RFC 7644 §3.4.2.1), where an attribute that a type
// does not have is one that is not there.
func (c *call) everywhere() bool { return c.place.endpoint == atRoot || c.place.endpoint == atSearch }

// list answers a query (RFC 7644 §3.4.2).
func (c *call) list(ctx context.Context, p params) (answer, error) {
	if c.everywhere() && p.filter == nil {
		if err := c.fewEnough(ctx); err != nil {
			return answer{}, err
		}
	}
	if p.cursor != nil {
		return c.listWalk(ctx, p)
	}
	page := listPage{start: p.start}
	at := window{start: p.start, count: p.count}
	for _, find := range c.phases() {
		f, err := find(ctx, p, at)
		if err != nil {
			return answer{}, storeError(err)
		}
		page.add(f)
		at.start = max(1, at.start-f.total)
		at.count -= len(f.items)
	}
	return page.answer(), nil
}

// fewEnough refuses a query for everything there is (RFC 7644 §3.4.2.1: tooMany), but for a search in a directory that
// fits on one page.
func (c *call) fewEnough(ctx context.Context) error {
	refused := badRequest(typeTooMany, "A query over all resource types needs a filter.")
	if c.place.endpoint == atRoot {
		return refused
	}
	total := 0
	for _, find := range c.phases() {
		f, err := find(ctx, params{}, window{})
		if err != nil {
			return storeError(err)
		}
		total += f.total
	}
	if total > maxPage {
		return refused
	}
	return nil
}

// listWalk answers a query by cursor (RFC 9865 §2).
func (c *call) listWalk(ctx context.Context, p params) (answer, error) {
	w := walk{Start: 1}
	if *p.cursor != "" {
		var err error
		if w, err = c.h.openWalk(c.tenant, c.place.endpoint, p); err != nil {
			return answer{}, err
		}
	}
	page, phases := listPage{start: w.Start}, c.phases()
	at := window{walks: true, count: p.count, after: w.Last}
	var next *walk
	for i, find := range phases {
		if i < w.Phase || next != nil {
			at := window{} // of this type only the number
			f, err := find(ctx, p, at)
			if err != nil {
				return answer{}, storeError(err)
			}
			page.total += f.total
			continue
		}
		f, err := find(ctx, p, at)
		if err != nil {
			return answer{}, storeError(err)
		}
		page.add(f)
		at = window{walks: true, count: at.count - len(f.items)}
		switch {
		case f.next != nil && p.count > 0:
			next = &walk{Phase: i, Last: f.next}
		case at.count <= 0 && i+1 < len(phases) && p.count > 0:
			next = &walk{Phase: i + 1}
		}
	}
	if next != nil {
		next.Query, next.Count, next.Start = p.queryHash(), p.count, page.start+len(page.items)
		next.Expires = c.h.Now().Add(cursorLife).Unix()
		var err error
		if page.next, err = c.h.sealWalk(c.tenant, c.place.endpoint, *next); err != nil {
			return answer{}, err
		}
	}
	return page.answer(), nil
}

// listPage is a ListResponse (RFC 7644 §3.4.2).
type listPage struct {
	start, total int
	items        []func(*encoder)
	next         string
}

func (l *listPage) add(f found) {
	l.total += f.total
	l.items = append(l.items, f.items...)
}

func (l *listPage) answer() answer {
	return answer{status: http.StatusOK, body: func(e *encoder) {
		e.raw(fmt.Sprintf(`{"schemas":["%s"],"totalResults":%d,"startIndex":%d,"itemsPerPage":%d`, listSchema, l.total, l.start, len(l.items)))
		if l.next != "" {
			e.raw(`,"nextCursor":"` + l.next + `"`)
		}
		e.raw(`,"Resources":[`)
		for i, item := range l.items {
			if i > 0 {
				e.raw(",")
			}
			item(e)
		}
		e.raw("]}")
	}}
}

func (c *call) findUsers(ctx context.Context, p params, at window) (found, error) {
	pr := project(schema.Users(), p)
	q, never, err := c.userQuery(p)
	if err != nil || never {
		return found{}, err
	}
	q.Related = pr.wants("groups")
	q.Start, q.After, q.Count = at.query()
	page, err := c.h.Store.Users(ctx, c.tenant, q)
	if err != nil {
		return found{}, fmt.Errorf("list users: %w", err)
	}
	known, err := c.managers(ctx, page.Items, pr)
	if err != nil {
		return found{}, err
	}
	out := found{total: page.Total, next: page.Next}
	for _, u := range page.Items {
		out.items = append(out.items, func(e *encoder) { c.h.writeUser(e, u, known, pr) })
	}
	return out, nil
}

func (c *call) findGroups(ctx context.Context, p params, at window) (found, error) {
	pr := project(schema.Groups(), p)
	q, never, err := c.groupQuery(p)
	if err != nil || never {
		return found{}, err
	}
	shown := pr.wants("members")
	q.Related = shown && at.walks // a page by number must be full, however long its groups are: those are streamed
	q.Start, q.After, q.Count = at.query()
	page, err := c.h.Store.Groups(ctx, c.tenant, q)
	if err != nil {
		return found{}, fmt.Errorf("list groups: %w", err)
	}
	out := found{total: page.Total, next: page.Next}
	for _, g := range page.Items {
		var members memberSource
		if shown && q.Related {
			members = loaded(g.Members)
		} else if shown {
			members = c.present(ctx, g.ID)
		}
		out.items = append(out.items, func(e *encoder) { c.h.writeGroup(e, g, members, false, pr) })
	}
	return out, nil
}

// present is stored for a group that may be deleted while the list that it is in is written: it then has no members.
func (c *call) present(ctx context.Context, id directory.GroupID) memberSource {
	return func(each func([]directory.UserID) error) error {
		err := c.stored(ctx, id)(each)
		if errors.Is(err, directory.ErrNotFound) {
			return nil
		}
		return err
	}
}

func (at window) query() (start int, after *directory.Position, count int) {
	if at.walks && at.after == nil {
		return 0, &directory.Position{}, at.count
	}
	return at.start, at.after, at.count
}

// get answers one resource.
func (c *call) get(ctx context.Context) (answer, error) {
	p, err := queryParams(c.query)
	if err != nil {
		return answer{}, err
	}
	pre := preconditionsOf(c.header)
	if c.place.endpoint == atGroup {
		return c.getGroup(ctx, p, pre)
	}
	pr := project(schema.Users(), p)
	u, err := c.user(ctx, directory.UserID(c.place.id), pr)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: http.StatusOK, etag: etag(u.Version), location: c.h.userURL(u.ID)}
	if pre.fresh(u.Version) {
		a.status = http.StatusNotModified
		return a, nil
	}
	known, err := c.managers(ctx, []directory.User{u}, pr)
	if err != nil {
		return answer{}, err
	}
	a.body = func(e *encoder) { c.h.writeUser(e, u, known, pr) }
	return a, nil
}

func (c *call) getGroup(ctx context.Context, p params, pre preconditions) (answer, error) {
	pr := project(schema.Groups(), p)
	g, err := c.group(ctx, directory.GroupID(c.place.id))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: http.StatusOK, etag: etag(g.Version), location: c.h.groupURL(g.ID)}
	if pre.fresh(g.Version) {
		a.status = http.StatusNotModified
		return a, nil
	}
	a.body = func(e *encoder) { c.h.writeGroup(e, g, c.stored(ctx, g.ID), false, pr) }
	return a, nil
}

func (c *call) user(ctx context.Context, id directory.UserID, pr projection) (directory.User, error) {
	page, err := c.h.Store.Users(ctx, c.tenant, directory.Query[directory.User]{ID: string(id), Start: 1, Count: 1, Related: pr.wants("groups")})
	if err != nil {
		return directory.User{}, storeError(fmt.Errorf("read user: %w", err))
	}
	if len(page.Items) != 1 {
		return directory.User{}, notFound()
	}
	return page.Items[0], nil
}

// group reads a group without its members: they are streamed.
func (c *call) group(ctx context.Context, id directory.GroupID) (directory.Group, error) {
	page, err := c.h.Store.Groups(ctx, c.tenant, directory.Query[directory.Group]{ID: string(id), Start: 1, Count: 1})
	if err != nil {
		return directory.Group{}, storeError(fmt.Errorf("read group: %w", err))
	}
	if len(page.Items) != 1 {
		return directory.Group{}, notFound()
	}
	return page.Items[0], nil
}

const managersAtOnce = 100

// managers finds which of the users' managers are users of the tenant: only then there is something to refer to.
func (c *call) managers(ctx context.Context, list []directory.User, pr projection) (map[directory.UserID]bool, error) {
	if !pr.wantsExtension() {
		return nil, nil //nolint:nilnil // nobody asks for them
	}
	known := map[directory.UserID]bool{}
	var ids []any
	for _, u := range list {
		var doc map[string]any
		if len(u.Doc) == 0 || json.Unmarshal(u.Doc, &doc) != nil {
			continue
		}
		id := managerOf(doc)
		if _, asked := known[id]; id == "" || asked {
			continue
		}
		known[id] = false
		ids = append(ids, string(id))
	}
	for len(ids) > 0 {
		some := ids[:min(len(ids), managersAtOnce)]
		ids = ids[len(some):]
		page, err := c.h.Store.Users(ctx, c.tenant, usersByID(some))
		if err != nil {
			return nil, storeError(fmt.Errorf("read managers: %w", err))
		}
		for _, u := range page.Items {
			known[u.ID] = true
		}
	}
	return known, nil
}

func usersByID(ids []any) directory.Query[directory.User] {
	q := directory.Query[directory.User]{Args: ids, Indexed: true, Start: 1, Count: len(ids)}
	for i := range ids {
		if i > 0 {
			q.Where += " OR "
		}
		q.Where += "u.id = ?"
	}
	q.Where = "(" + q.Where + ")"
	return q
}
