package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/audit"
	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/secret"
	"github.com/tracio-ai/ssogate/idp/tenant"
	"github.com/tracio-ai/ssogate/scim/directory"
)

var errStub = errors.New("not written yet")

// ErrNotFound reports a tenant, connection or mapping that is not there, or is another tenant's.
var ErrNotFound = errors.New("not in the store")

// ErrTaken reports an id, slug or domain that belongs to something else already.
var ErrTaken = errors.New("taken")

// ErrDeclared reports a change to something the configuration file declares.
var ErrDeclared = errors.New("declared in the configuration file: change it there")

// Options say which database and how. Sealer, Now, Log are required.
type Options struct {
	DSN         string // sqlite:PATH or postgres://…
	Sealer      *secret.Sealer
	Now         func() time.Time
	Log         *slog.Logger
	Limits      session.Limits // the operator's: how long keys must open, how often last-seen is written
	OnKeys      func([]session.Key)
	Sessions    int
	People      int
	Observe     func(op string, d time.Duration)
	CacheLookup func(cache string, hit bool)
}

// Store is the durable state.
type Store struct{}

func Open(ctx context.Context, o Options) (*Store, error) { return nil, errStub }
func (s *Store) Close() error                             { return errStub }
func (s *Store) Run(ctx context.Context) error            { return errStub }
func (s *Store) Ping(ctx context.Context) error           { return errStub }
func (s *Store) LockServing() error                       { return errStub }

func (s *Store) CreateTenant(ctx context.Context, t tenant.Tenant, actor string) (tenant.Tenant, error) {
	return t, errStub
}
func (s *Store) Tenants(ctx context.Context) ([]tenant.Tenant, error) { return nil, errStub }
func (s *Store) Realm(ctx context.Context, t tenant.ID) (idp.Realm, error) {
	return idp.Realm{}, errStub
}
func (s *Store) TenantByDomain(ctx context.Context, domain string) (tenant.ID, bool, error) {
	return "", false, errStub
}
func (s *Store) TenantByConnection(ctx context.Context, c idp.ConnectionID) (tenant.ID, bool, error) {
	return "", false, errStub
}
func (s *Store) SoleTenant(ctx context.Context) (tenant.ID, bool, error) { return "", false, errStub }

func (s *Store) CreateConnection(ctx context.Context, c idp.Connection, actor string) (idp.Connection, error) {
	return c, errStub
}
func (s *Store) SetConnectionEnabled(ctx context.Context, t tenant.ID, c idp.ConnectionID, on bool, actor string) error {
	return errStub
}
func (s *Store) DeleteConnection(ctx context.Context, t tenant.ID, c idp.ConnectionID, actor string) error {
	return errStub
}
func (s *Store) CreateMapping(ctx context.Context, m idp.RoleMapping, actor string) (idp.RoleMapping, error) {
	return m, errStub
}
func (s *Store) DeleteMapping(ctx context.Context, t tenant.ID, id, actor string) error {
	return errStub
}

// Declared is one tenant of the configuration file.
type Declared struct {
	Tenant      tenant.Tenant
	Connections []idp.Connection
	Mappings    []idp.RoleMapping
}

func (s *Store) Declare(ctx context.Context, file []Declared) error { return errStub }

// UserQuery selects users to list, in the order they were made.
type UserQuery struct {
	Match string           // part of the user name, or a whole id; empty: all
	After directory.UserID // the last user of the page before
	Limit int              // 0: 100
}

func (s *Store) Person(ctx context.Context, t tenant.ID, id directory.UserID, c tenant.ConnectionID) (directory.Person, error) {
	return directory.Person{}, errStub
}
func (s *Store) User(ctx context.Context, t tenant.ID, id directory.UserID) (directory.User, error) {
	return directory.User{}, errStub
}
func (s *Store) Users(ctx context.Context, t tenant.ID, q UserQuery) ([]directory.User, error) {
	return nil, errStub
}
func (s *Store) Links(ctx context.Context, t tenant.ID, id directory.UserID) ([]directory.Link, error) {
	return nil, errStub
}
func (s *Store) Groups(ctx context.Context, t tenant.ID) ([]directory.Group, error) {
	return nil, errStub
}
func (s *Store) SetActive(ctx context.Context, t tenant.ID, id directory.UserID, active bool, actor string) (directory.User, error) {
	return directory.User{}, errStub
}
func (s *Store) DeleteUser(ctx context.Context, t tenant.ID, id directory.UserID, actor string) error {
	return errStub
}
func (s *Store) LiftTombstone(ctx context.Context, t tenant.ID, id directory.UserID, actor string) error {
	return errStub
}

func (s *Store) Get(ctx context.Context, t tenant.ID, h session.Hash) (session.Session, error) {
	return session.Session{}, errStub
}
func (s *Store) SignIn(ctx context.Context, in session.SignIn) (session.Session, directory.User, error) {
	return session.Session{}, directory.User{}, errStub
}
func (s *Store) Touch(t tenant.ID, h session.Hash, at time.Time) {}
func (s *Store) Revoke(ctx context.Context, t tenant.ID, r session.Revocation) (int, error) {
	return 0, errStub
}
func (s *Store) List(ctx context.Context, t tenant.ID, q session.Query) ([]session.Session, error) {
	return nil, errStub
}
func (s *Store) Tokens(ctx context.Context, t tenant.ID, h session.Hash) (session.Tokens, error) {
	return session.Tokens{}, errStub
}
func (s *Store) Burn(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string, value [sha256.Size]byte, expires time.Time) error {
	return errStub
}

func (s *Store) Keys(ctx context.Context) ([]session.Key, error) { return nil, errStub }
func (s *Store) RotateKeys(ctx context.Context, actor string) ([]session.Key, error) {
	return nil, errStub
}
func (s *Store) Record(ctx context.Context, e audit.Event) error { return errStub }
func (s *Store) AuditEvents(ctx context.Context, t tenant.ID, limit int) ([]audit.Event, error) {
	return nil, errStub
}
func (s *Store) Document(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string) ([]byte, time.Time, bool, error) {
	return nil, time.Time{}, false, errStub
}
func (s *Store) SaveDocument(ctx context.Context, t tenant.ID, c idp.ConnectionID, kind string, body []byte, fetched time.Time) error {
	return errStub
}

var (
	_ session.Store    = (*Store)(nil)
	_ session.Burner   = (*Store)(nil)
	_ directory.Reader = (*Store)(nil)
	_ audit.Sink       = (*Store)(nil)
	_ idp.Documents    = (*Store)(nil)
)
