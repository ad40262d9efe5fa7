package extauthz

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/tracio-ai/ssogate/extauthz/internal/httpreq"
	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// asker is who a request comes from. The zero value is nobody.
type asker struct {
	login.Visitor
	person  directory.Person
	refusal session.Refusal // why a session that was found is not valid
	found   bool            // the session's user is in the directory
}

// whoAsks reads cookie, session, realm and person, in that order. Nobody and no longer somebody are not errors: an
// error means that the gate could not find out, and is a 503.
func (s *Server) whoAsks(ctx context.Context, cookies httpreq.Cookies) (asker, error) {
	value, n := cookies.Get(s.names.Session)
	if n != 1 { // two of the name are ambiguous: whichever the browser meant, someone else may have planted the other
		return asker{}, nil
	}
	token, err := session.OpenToken(s.Ring, s.bound, value)
	if err != nil {
		return asker{}, nil //nolint:nilerr // a value we did not seal names nobody: that is an answer
	}
	return s.whose(ctx, asker{Visitor: login.Visitor{Opens: true, Token: token}}, token.Tenant, token.ID.Hash())
}

// whose fills in what is known of a session.
func (s *Server) whose(ctx context.Context, who asker, t tenant.ID, h session.Hash) (asker, error) {
	var err error
	who.Session, err = s.Sessions.Get(ctx, t, h)
	if errors.Is(err, session.ErrNotFound) {
		return who, nil
	}
	if err != nil {
		return asker{}, fmt.Errorf("read session: %w", err)
	}
	who.Realm, err = s.Realms.Realm(ctx, t)
	if errors.Is(err, idp.ErrNotFound) {
		return who, nil
	}
	if err != nil {
		return asker{}, fmt.Errorf("read realm: %w", err)
	}
	who.person, err = s.Directory.Person(ctx, t, who.Session.User, who.Session.Connection)
	if errors.Is(err, directory.ErrNotFound) {
		return who, nil
	}
	if err != nil {
		return asker{}, fmt.Errorf("read person: %w", err)
	}
	who.found, who.User = true, who.person.User
	who.Connection, _ = who.Realm.Connection(who.Session.Connection)
	who.refusal = who.Session.Refusal(s.Now(), s.Limits, who.Realm, who.User)
	if who.refusal != session.Valid || !who.User.Active {
		return who, nil
	}
	who.Live = true
	limits := s.Limits.Within(who.Realm.Tenant)
	who.IdleExpires = who.Session.LastSeen.Add(limits.Idle)
	who.Expires = earlier(who.Session.AbsoluteExpiry, who.Session.Created.Add(limits.Absolute))
	return who, nil
}

// inactive reports someone who is known, with an otherwise valid session or one that deactivation ended, and may not in.
func (a asker) inactive() bool { return a.found && !a.User.Active }

// unprovisioned reports someone whom a sign-in made, in a tenant whose people SCIM makes: the switch was thrown since, and
// their provider has not said that they belong here.
func (a asker) unprovisioned() bool {
	return a.Live && a.Realm.Tenant.SCIM && a.User.Source != directory.SCIM
}

// input joins session, person and realm into what policy sees.
func (a asker) input(in policies.Input) policies.Input {
	in = Input(in, a.Realm, a.Connection, a.person)
	in.Session = policies.Session{AuthTime: a.Session.AuthTime, ACR: a.Session.ACR, AMR: a.Session.AMR}
	return in
}

// Input tells policy about a person of a realm as seen over one connection; the session and the request are the
// caller's to add. It is the only place where the asserted identity, the directory's user and policy's subject meet.
func Input(in policies.Input, realm idp.Realm, over idp.Connection, person directory.Person) policies.Input {
	user := person.User
	in.Subject = policies.Subject{
		ID:          string(user.ID),
		UserName:    user.UserName,
		Email:       user.Email(),
		DisplayName: user.DisplayName,
		Groups:      person.Groups,
		Claims:      person.Claims,
		Active:      user.Active,
		Source:      string(user.Source),
	}
	in.Tenant = policies.Tenant{ID: string(realm.Tenant.ID), Slug: realm.Tenant.Slug, RoleMappings: mappings(realm.Mappings)}
	in.Connection = policies.Connection{ID: string(over.ID), Protocol: string(over.Protocol), Provider: string(over.Provider)}
	in.SubjectVersion, in.TenantVersion = person.Stamp, realm.Stamp
	return in
}

func mappings(from []idp.RoleMapping) []policies.RoleMapping {
	to := make([]policies.RoleMapping, len(from))
	for i, m := range from {
		to[i] = policies.RoleMapping{
			ID: m.ID, Connection: string(m.Connection), Kind: string(m.Kind), Claim: m.Claim, Value: m.Value, Role: m.Role,
		}
	}
	return to
}

// visitor tells the pages under /auth who is there. It slides no idle timer: a page that asks how long the session
// lasts must not keep it alive. A policy that cannot answer keeps nobody from signing in or out.
func (s *Server) visitor(ctx context.Context, r *http.Request) (login.Visitor, error) {
	cookies, err := httpreq.ParseCookies(r.Header.Get("Cookie"))
	if err != nil || len(r.Header.Values("Cookie")) > 1 {
		return login.Visitor{}, nil //nolint:nilerr // a line that cannot be read names nobody: that is an answer
	}
	who, err := s.whoAsks(ctx, cookies)
	if err != nil || !who.Live || who.unprovisioned() {
		return who.Visitor, err
	}
	in := s.Policy.Input()
	in.Now = s.Now()
	who.Roles, who.NoRoles = s.Policy.Roles(ctx, who.input(in))
	if _, refused := errors.AsType[*policies.Refusal](who.NoRoles); refused {
		who.NoRoles = nil // the policy grants this person nothing; that is an answer
	}
	return who.Visitor, nil
}

// holder tells the pages under /auth who a session was made for, where its cookie did not come along.
func (s *Server) holder(ctx context.Context, t tenant.ID, h session.Hash) (login.Visitor, error) {
	who, err := s.whose(ctx, asker{}, t, h)
	return who.Visitor, err
}
