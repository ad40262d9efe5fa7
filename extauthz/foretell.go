package extauthz

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tracio-ai/ssogate/extauthz/login"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/policies"
	"github.com/tracio-ai/ssogate/scim/directory"
)

// foretell says which roles an identity would have if it signed in now, and writes nothing. What only the directory can
// tell it does not guess: of people whom SCIM makes, and of a mapping that names a user's id.
func (s *Server) foretell(ctx context.Context, who idp.Identity) ([]string, error) {
	realm, err := s.Realms.Realm(ctx, who.Tenant)
	if err != nil {
		return nil, fmt.Errorf("read realm: %w", err)
	}
	over, ok := realm.Connection(who.Connection)
	switch {
	case !ok:
		return nil, idp.ErrNotFound
	case realm.Tenant.SCIM:
		return nil, login.ErrBySCIM
	case who.GroupState == idp.GroupsUnknown:
		return nil, idp.Overage(over.Protocol, over.Provider)
	}
	user := directory.User{Tenant: who.Tenant, UserName: who.UserName, DisplayName: who.DisplayName, Active: true, Source: directory.JIT}
	if who.Email != "" {
		user.Emails = []directory.Email{{Value: who.Email}}
	}
	in := Input(s.Policy.Input(), realm, over, directory.Person{User: user, Groups: who.Groups, Claims: who.Claims, Stamp: passing()})
	in.Now = s.Now()
	in.Session = policies.Session{AuthTime: who.AuthTime, ACR: who.ACR, AMR: who.AMR}
	roles, err := s.Policy.Roles(ctx, in)
	if _, refused := errors.AsType[*policies.Refusal](err); refused {
		return nil, nil // the policy grants this person nothing; that is an answer
	}
	return roles, err
}

// passing is a stamp no other subject has: decisions are remembered by it, and those of the directory count up from one.
func passing() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand aborts the program instead
	return binary.BigEndian.Uint64(b[:]) | 1<<63
}
