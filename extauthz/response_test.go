package extauthz

import (
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/tracio-ai/ssogate/envoy"
)

func goldenAnswers(t *testing.T) map[string]Answer {
	var u upstream
	u.SetIdentity(envoy.HeaderUser, "u1")
	u.SetIdentity(envoy.HeaderEmail, "zoë@acme.example")
	u.SetIdentity(envoy.HeaderRole, "Viewer")
	u.SetIdentity(envoy.HeaderTenant, "ac\x00me") // left out
	u.Remove("x-sso-tenant")
	u.Remove("X_SSO_ROLE")
	u.Remove(envoy.HeaderUser) // set above: must stay
	u.set = append(u.set, header{"cookie", "theme=dark"})
	u.response = []header{{"set-cookie", "a=1"}, {"set-cookie", "b=2"}}
	denied, ok := deny(envoy.OutcomeSignIn, http.StatusFound, []header{{"location", "https://idp.example/"}, {"set-cookie", "a=1"}, {"set-cookie", "b=2"}}, "")
	if !ok {
		t.Fatal("deny refused a redirect")
	}
	ids := map[string]string{envoy.MetadataDecisionID: "d1", envoy.MetadataOutcome: "allow", envoy.MetadataUser: ""}
	return map[string]Answer{
		"allow":          allow(envoy.OutcomeAllow, u).metadata(map[string]any{"outcome": "forged", "extra": 1.0}, ids),
		"redirect":       denied.metadata(nil, map[string]string{envoy.MetadataDecisionID: "d2"}),
		"fault":          bareFault().metadata(nil, nil),
		"error_response": bareFault().fault(true).metadata(nil, nil),
	}
}

func TestAnswersAreTheseBytes(t *testing.T) {
	for name, a := range goldenAnswers(t) {
		if !a.finished() {
			t.Errorf("%s: not finished", name)
		}
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(a.response)
		if err != nil {
			t.Fatal(err)
		}
		got := hex.Dump(b)
		file := filepath.Join("testdata", "answers", name+".hex")
		if os.Getenv("UPDATE") != "" {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: bytes changed; the message is now\n%s", name, prototext.Format(a.response))
		}
	}
}

func TestIdentityHeadersOverwriteOnEveryEnvoyVersion(t *testing.T) {
	ok := goldenAnswers(t)["allow"].response.GetOkResponse()
	if len(ok.GetHeaders()) == 0 {
		t.Fatal("no headers")
	}
	for _, h := range ok.GetHeaders() {
		said := h.GetAppend() //nolint:staticcheck // deprecated, and all that Envoy 1.38 and later read
		if said == nil || said.GetValue() || h.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s: append %v, action %v", h.GetHeader().GetKey(), said, h.GetAppendAction())
		}
		for _, gone := range ok.GetHeadersToRemove() {
			if gone == h.GetHeader().GetKey() {
				t.Errorf("%s is set and removed: Envoy removes last", gone)
			}
		}
	}
}

func TestUnfinishedAnswersAreRecognised(t *testing.T) {
	okStatus := &rpcstatus.Status{}
	for name, a := range map[string]Answer{
		"zero":                    {},
		"empty response":          {response: &authv3.CheckResponse{}, outcome: envoy.OutcomeDeny},
		"denied with status 0":    {response: &authv3.CheckResponse{Status: okStatus, HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{}}}, outcome: envoy.OutcomeDeny},
		"error with status 0":     {response: &authv3.CheckResponse{Status: okStatus, HttpResponse: &authv3.CheckResponse_ErrorResponse{ErrorResponse: &authv3.DeniedHttpResponse{}}}, outcome: envoy.OutcomeFault},
		"allow without outcome":   {response: allow(envoy.OutcomeAllow, upstream{}).response},
		"allow called a refusal":  {response: allow(envoy.OutcomeAllow, upstream{}).response, outcome: envoy.OutcomeDeny},
		"refusal called an allow": {response: bareFault().response, outcome: envoy.OutcomeAllow},
	} {
		if a.finished() {
			t.Errorf("%s passes for a finished answer", name)
		}
	}
}

func TestAnswerEnvoyCannotSendIsNotMade(t *testing.T) {
	for name, make := range map[string]func() (Answer, bool){
		"unknown status": func() (Answer, bool) { return deny(envoy.OutcomeDeny, 418, nil, "") },
		"status 0":       func() (Answer, bool) { return deny(envoy.OutcomeDeny, 0, nil, "") },
		"bad body":       func() (Answer, bool) { return deny(envoy.OutcomeDeny, 403, nil, "\xff") },
		"bad header":     func() (Answer, bool) { return deny(envoy.OutcomeDeny, 403, []header{{"a", "x\r\ny: z"}}, "") },
	} {
		if _, ok := make(); ok {
			t.Errorf("%s: made", name)
		}
	}
}

func TestAllowThatWouldNotMarshalIsNotMade(t *testing.T) {
	for name, u := range map[string]upstream{
		"set":      {set: []header{{"cookie", "a=\xff"}}},
		"more":     {more: []header{{"a", "\xff"}}},
		"response": {response: []header{{"a\xff", "b"}}},
		"remove":   {remove: []string{"x-sso-\xff"}},
		"query":    {cutQuery: []string{"\xff"}},
	} {
		if allow(envoy.OutcomeAllow, u).finished() {
			t.Errorf("%s: made", name)
		}
	}
}

func TestDecisionIDsAreDistinctUUIDsOfVersion8(t *testing.T) {
	ids, seen := newDecisionIDs(), map[string]bool{}
	for range 10_000 {
		id := ids.New()
		if len(id) != 36 || id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// TestMetadataThatWouldNotMarshalIsLeftOut: gRPC would answer an error in its place, which a front end judges by its own
// failure mode: where that is open, a denial would be an allow.
func TestMetadataThatWouldNotMarshalIsLeftOut(t *testing.T) {
	a := bareFault().metadata(map[string]any{"a\xff": 1.0, "b": "\xff", "c": map[string]any{"\xff": 1.0}, "d": "kept"}, nil)
	if _, err := proto.Marshal(a.response); err != nil {
		t.Fatal(err)
	}
	if got := a.response.GetDynamicMetadata().GetFields(); len(got) != 1 || got["d"].GetStringValue() != "kept" {
		t.Errorf("fields %v", got)
	}
}
