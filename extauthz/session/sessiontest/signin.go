package sessiontest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/extauthz/session"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/scim/directory"
)

func signInPromises() []promise {
	return []promise{
		{"SecondSignInIsTheSamePersonInAnotherSession", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			first, second := w.signIn(t, w.A, Identity("acme", c, "alice")), w.signIn(t, w.B, Identity("acme", c, "alice"))
			if first.User != second.User || first.Hash == second.Hash {
				t.Errorf("users %s and %s, sessions %s and %s", first.User, second.User, first.Hash, second.Hash)
			}
			if other := w.signIn(t, w.A, Identity("acme", c, "bob")); other.User == first.User {
				t.Error("two subjects became one person")
			}
		}},
		{"SameSubjectOfAnotherIssuerIsAnotherPerson", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			i := Identity("acme", c, "alice")
			i.Issuer = "https://other.example"
			if a, b := w.signIn(t, w.A, Identity("acme", c, "alice")), w.signIn(t, w.A, i); a.User == b.User {
				t.Error("one person")
			}
		}},
		{"SameNameOverAnotherConnectionIsAnotherPerson", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			contractors := w.Connection(t, "acme")
			if a, b := w.signIn(t, w.A, Identity("acme", c, "alice")), w.signIn(t, w.A, Identity("acme", contractors, "alice")); a.User == b.User {
				t.Error("a second provider asserted its way into the first one's person")
			}
		}},
		{"ReplacedSessionIsRevoked", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			old := w.signIn(t, w.A, Identity("acme", c, "alice"))
			w.want(t, old, session.Valid)
			in := w.request(Identity("acme", c, "alice"))
			in.Replaces = &old.Hash
			fresh, _, err := w.B.SignIn(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			w.want(t, old, session.Revoked)
			w.want(t, fresh, session.Valid)
			if got, err := w.A.Get(t.Context(), "acme", old.Hash); err != nil || got.RevokedReason != "replaced" {
				t.Errorf("reason %q, %v", got.RevokedReason, err)
			}
		}},
		{"OnceValueIsAcceptedOnce", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			i := Identity("acme", c, "alice")
			i.Once = []idp.Once{{Kind: "assertion", Value: "_1", Expires: w.Now().Add(time.Hour)}}
			w.signIn(t, w.A, i)
			in := w.request(i)
			if _, _, err := w.B.SignIn(t.Context(), in); !errors.Is(err, session.ErrUsed) {
				t.Errorf("got %v", err)
			}
			if _, err := w.B.Get(t.Context(), "acme", in.ID.Hash()); !errors.Is(err, session.ErrNotFound) {
				t.Errorf("the replayed sign-in left a session: %v", err)
			}
		}},
		{"AttemptBecomesOneSession", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			in := w.request(Identity("acme", c, "alice"))
			in.Attempt = [16]byte{7}
			if _, _, err := w.A.SignIn(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			in.ID = session.NewID()
			if _, _, err := w.B.SignIn(t.Context(), in); !errors.Is(err, session.ErrUsed) {
				t.Errorf("got %v", err)
			}
		}},
		{"RefusedSignInWritesNothing", refusedWritesNothing},
		{"DeactivatedPersonDoesNotSignInAndReactivationRevivesNothing", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			w.want(t, s, session.Valid)
			setActive(t, w.A, s, false)
			w.want(t, s, session.Ended)
			_, _, err := w.B.SignIn(t.Context(), w.request(Identity("acme", c, "alice")))
			wantCode(t, err, idp.CodeInactive)
			setActive(t, w.B, s, true)
			w.want(t, s, session.Ended)
			w.want(t, w.signIn(t, w.B, Identity("acme", c, "alice")), session.Valid)
		}},
		{"DeletedPersonStaysOut", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			w.want(t, s, session.Valid)
			w.Delete(t, "acme", s.User)
			w.want(t, s, session.Foreign, session.Revoked)
			for _, h := range []Handle{w.A, w.B} {
				_, _, err := h.SignIn(t.Context(), w.request(Identity("acme", c, "alice")))
				wantCode(t, err, idp.CodeDeprovisioned)
			}
			renamed := Identity("acme", c, "alice-2") // a new subject under the old name, in other letters
			renamed.UserName = "ALICE@acme.example"
			_, _, err := w.A.SignIn(t.Context(), w.request(renamed))
			wantCode(t, err, idp.CodeDeprovisioned)
		}},
		{"WithSCIMOnlyProvisionedPeopleSignIn", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", true)
			_, _, err := w.A.SignIn(t.Context(), w.request(Identity("acme", c, "alice")))
			wantCode(t, err, idp.CodeNotProvisioned)
		}},
		{"WithheldGroupsAreNotNoGroups", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.A, Identity("acme", c, "alice"))
			cut := Identity("acme", c, "alice")
			cut.GroupState, cut.Groups = idp.GroupsUnknown, nil
			_, _, err := w.B.SignIn(t.Context(), w.request(cut))
			wantCode(t, err, idp.CodeGroupsOverage)
			if p, err := w.A.Person(t.Context(), "acme", s.User, c); err != nil || !reflect.DeepEqual(p.Groups, []string{"Security"}) {
				t.Errorf("groups %q, %v", p.Groups, err)
			}
		}},
		{"DisabledConnectionSignsNobodyInAndItsSessionsStayEnded", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			s := w.signIn(t, w.B, Identity("acme", c, "alice"))
			w.want(t, s, session.Valid)
			w.Switch(t, "acme", c, false)
			w.want(t, s, session.ConnectionOff)
			_, _, err := w.B.SignIn(t.Context(), w.request(Identity("acme", c, "alice")))
			wantCode(t, err, idp.CodeConnection)
			w.Switch(t, "acme", c, true)
			w.want(t, s, session.Ended)
		}},
		{"AnswerVerifiedBeforeTheConnectionsSessionsWereEndedSignsNobodyIn", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			in := w.request(Identity("acme", c, "alice"))
			in.ConnectionEpoch = w.signIn(t, w.A, Identity("acme", c, "bob")).ConnectionEpoch
			for _, end := range []func() error{
				func() error {
					_, err := w.B.Revoke(t.Context(), "acme", session.Revocation{Connection: c})
					return err
				},
				func() error { w.Switch(t, "acme", c, false); w.Switch(t, "acme", c, true); return nil },
			} {
				if err := end(); err != nil {
					t.Fatal(err)
				}
				_, _, err := w.A.SignIn(t.Context(), in)
				wantCode(t, err, idp.CodeConnection)
				in.ConnectionEpoch = w.signIn(t, w.A, Identity("acme", c, "bob")).ConnectionEpoch
			}
			if _, _, err := w.B.SignIn(t.Context(), in); err != nil {
				t.Errorf("of this epoch: %v", err)
			}
		}},
		{"UnstorableTextIsTheProvidersFault", func(t *testing.T, w World) {
			c := w.Tenant(t, "acme", false)
			for _, bad := range []string{"a\x00b", "a\xffb"} {
				i := Identity("acme", c, bad)
				_, _, err := w.A.SignIn(t.Context(), w.request(i))
				wantCode(t, err, idp.CodeClaims)
				in := w.request(Identity("acme", c, "alice"))
				in.UserAgent, in.IP = bad, bad // the browser's words never make a sign-in fail
				if _, _, err := w.A.SignIn(t.Context(), in); err != nil {
					t.Errorf("user agent %q: %v", bad, err)
				}
			}
		}},
	}
}

func setActive(t testing.TB, h Handle, s session.Session, active bool) {
	t.Helper()
	if u, err := h.SetActive(t.Context(), s.Tenant, s.User, active, "cli"); err != nil || u.Active != active {
		t.Fatalf("active %v, %v", u.Active, err)
	}
}

func refusedWritesNothing(t *testing.T, w World) {
	c := w.Tenant(t, "acme", false)
	old := w.signIn(t, w.A, Identity("acme", c, "alice"))
	setActive(t, w.A, old, false)
	i := Identity("acme", c, "alice")
	i.Groups = []string{"Admins"}
	i.Once = []idp.Once{{Kind: "assertion", Value: "_2", Expires: w.Now().Add(time.Hour)}}
	in := w.request(i)
	kept := w.signIn(t, w.A, Identity("acme", c, "bob"))
	in.Replaces = &kept.Hash
	_, _, err := w.A.SignIn(t.Context(), in)
	wantCode(t, err, idp.CodeInactive)
	if _, err := w.A.Get(t.Context(), "acme", in.ID.Hash()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("session: %v", err)
	}
	w.want(t, kept, session.Valid)
	if p, err := w.B.Person(t.Context(), "acme", old.User, c); err != nil || !reflect.DeepEqual(p.Groups, []string{"Security"}) {
		t.Errorf("groups %q, %v", p.Groups, err)
	}
	if err := w.A.Burn(t.Context(), "acme", c, "assertion", digest("_2"), w.Now().Add(time.Hour)); err != nil {
		t.Errorf("the once-value was burnt: %v", err)
	}
	if _, err := w.A.Person(t.Context(), "acme", directory.NewUserID(), c); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("person: %v", err)
	}
}
