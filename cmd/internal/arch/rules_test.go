package arch

import "strings"

const modulePath = "github.com/tracio-ai/ssogate"

// floors is the building: a package may import only what stands on a lower floor. Packages under cmd are on top.
//
//	5  cmd/*                                             wire
//	4  extauthz                                          enforce
//	3  extauthz/login  extauthz/store                    act, keep
//	2  idp/oidc idp/saml idp/settings scim session       speak a protocol
//	1  idp  scim/directory  extauthz/audit               nouns
//	0  the rest                                          alphabet
var floors = map[string]int{
	"extauthz":         4,
	"extauthz/login":   3,
	"extauthz/store":   3,
	"extauthz/session": 2,
	"idp/oidc":         2,
	"idp/saml":         2,
	"idp/settings":     2,
	"scim":             2,
	"extauthz/audit":   1,
	"idp":              1,
	"scim/directory":   1,

	"envoy":                      0,
	"extauthz/internal/httpreq":  0,
	"idp/internal/egress":        0,
	"idp/jwt":                    0,
	"idp/saml/internal/xmlguard": 0,
	"idp/secret":                 0,
	"idp/tenant":                 0,
	"policies":                   0,
	"scim/internal/filter":       0,
	"scim/internal/jsonread":     0,
	"scim/internal/patch":        0,
	"scim/internal/schema":       0,
}

const cmdFloor = 5

// neighbours are the imports allowed within a floor, each with its reason.
var neighbours = map[[2]string]string{
	{"idp/jwt", "idp/secret"}: "a signing key is a secret that must not be printed",

	{"scim/internal/filter", "scim/internal/schema"}: "a filter's names and comparisons are the attribute table's",
	{"scim/internal/patch", "scim/internal/schema"}:  "a change's names and characteristics are the attribute table's",
	{"scim/internal/patch", "scim/internal/filter"}:  "the path of a change holds a filter (RFC 7644 §3.5.2)",
}

// testPackages help tests and the demo. Nothing that ships may lean on them.
var testPackages = map[string]bool{
	"extauthz/session/sessiontest": true,
	"idp/idptest":                  true,
	"scim/directory/directorytest": true,
	"scim/scimtest":                true,
}

// forbidden are imports that no shipped package has, each with the reason and the way out. A name ending in a slash
// stands for everything below it.
var forbidden = map[string]string{
	"math/rand":             "its numbers can be guessed, and here nearly every random number is a secret: use crypto/rand",
	"math/rand/v2":          "its numbers can be guessed, and here nearly every random number is a secret: use crypto/rand",
	"unsafe":                "the gate's promises rest on Go's memory safety",
	"net/http/pprof":        "importing it opens profiles on the default mux: mount net/http/pprof on the ops listener by hand, in cmd",
	"expvar":                "importing it opens a page on the default mux: use the metrics of the ops listener",
	"log":                   "it writes past the injected logger, so nothing masks it: take a *slog.Logger",
	"io/ioutil":             "it is deprecated: use io and os",
	"github.com/pkg/errors": "errors are wrapped with fmt.Errorf and %w",
	"testing":               "test code would ship in the binary: move it to a _test.go file or a test package",
	"text/template":         "it does not escape: pages use html/template",
}

// owners are the libraries and who may import them: a library with one owner can be replaced, and its types stay
// out of everybody else's signatures. Tests and cmd/internal may import any.
var owners = []struct {
	library string
	who     []string
	why     string
}{
	{"github.com/open-policy-agent/opa", []string{"policies"}, "policy is asked by policies.Engine"},
	{"github.com/envoyproxy/go-control-plane", []string{"extauthz", "envoy"}, "Envoy's messages are read and written at the edge only"},
	{"github.com/coreos/go-oidc", []string{"idp/oidc"}, "OIDC is spoken in idp/oidc"},
	{"golang.org/x/oauth2", []string{"idp/oidc"}, "OIDC is spoken in idp/oidc"},
	{"github.com/russellhaering/gosaml2", []string{"idp/saml"}, "SAML is spoken in idp/saml"},
	{"github.com/russellhaering/goxmldsig", []string{"idp/saml"}, "SAML is spoken in idp/saml"},
	{"github.com/beevik/etree", []string{"idp/saml", "idp/saml/internal/xmlguard"}, "XML is read behind xmlguard"},
	{"encoding/xml", []string{"idp/saml", "idp/saml/internal/xmlguard"}, "XML is read behind xmlguard"},
	{"github.com/go-jose/go-jose", []string{"idp/jwt"}, "tokens are parsed strictly in one place, idp/jwt"},
	{"modernc.org/sqlite", []string{"extauthz/store"}, "SQL lives in extauthz/store"},
	{"github.com/jackc/pgx", []string{"extauthz/store"}, "SQL lives in extauthz/store"},
	{"database/sql", []string{"extauthz/store"}, "SQL lives in extauthz/store"},
	{"github.com/pressly/goose", []string{"extauthz/store"}, "migrations belong to extauthz/store"},
	{"github.com/hashicorp/golang-lru", []string{"extauthz/store", "policies"}, "caches stand beside their writes"},
	{"google.golang.org/grpc", []string{"extauthz", "cmd"}, "one package serves gRPC"},
	{"github.com/prometheus", []string{"extauthz", "cmd"}, "lower floors report through func fields"},
	{"github.com/fsnotify/fsnotify", []string{"policies"}, "only the policy directory is watched"},
	{"github.com/goccy/go-yaml", []string{"cmd", "envoy"}, "the configuration is read in cmd and rendered in envoy"},
	{"github.com/alecthomas/kong", []string{"cmd"}, "command lines are read in cmd"},
	{"github.com/rogpeppe/go-internal", nil, "testscript is for the tests of cmd/ssogate"},
	{"github.com/chromedp", nil, "the browser is for end-to-end tests"},
	{"github.com/scim2/filter-parser", nil, "it is what the tests of scim/internal/filter compare with"},
	{"os/exec", []string{"cmd/demo"}, "the gate starts no programs"},
}

// envoyFiles are the files of extauthz that may name Envoy's messages: the edge, where a check comes in and goes out.
var envoyFiles = []string{"request", "response", "server", "grpc", "codec"}

// topLevel is everything that lies in the root of the repository; ignored is what git ignores there.
var (
	topLevel = []string{
		".ci", ".github", ".gitignore", ".golangci.yml", "Makefile", "README.md", "cmd", "envoy", "extauthz",
		"go.mod", "go.sum", "idp", "policies", "scim",
	}
	ignored = []string{".git", ".run", ".tools", "bin"}
)

const maxMethods = 6

// inside reports whether a package or library is root or lies below it.
func inside(name, root string) bool {
	return name == root || strings.HasPrefix(name, root+"/")
}
