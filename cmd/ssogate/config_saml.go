package main

import (
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tracio-ai/ssogate/extauthz/store"
	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/saml"
)

const maxMetadata = 1 << 20 // bytes of a provider's metadata

// samlKeys are the words of a declared SAML connection. Of a choice whose first word stands for the zero value, that
// word is read as "".
type samlKeys struct {
	metadata    source // a file; the provider's own document
	certificate source // a file of PEM certificates
	settings    idp.SAMLSettings
}

// The words of each choice; the first is the default and stands for the zero value.
var (
	signRequestsWords = []string{"auto", string(idp.SignAlways), string(idp.SignNever)}
	wantSignedWords   = []string{"either", string(idp.SignedAssertion), string(idp.SignedResponse), string(idp.SignedBoth)}
	certExpiryWords   = []string{"alarm", string(idp.ExpiryStrict)}
	idpInitiatedWords = []string{"off", string(idp.InitiatedBounce)}
	keyRolloverWords  = []string{"signed", string(idp.RolloverAuto)}
	bindingWords      = []string{string(idp.BindingRedirect), string(idp.BindingPOST)}
)

// samlFields are the keys of a SAML connection.
func (r *reader) samlFields(folder string, k *samlKeys) fields {
	s := &k.settings
	return fields{
		"metadata":         r.fileNamed(folder, &k.metadata),
		"metadata_url":     r.str(&s.MetadataURL),
		"idp_entity_id":    r.str(&s.IdP.EntityID),
		"sso_url":          r.str(&s.IdP.Endpoints.SSOURL),
		"sso_binding":      r.oneOf((*string)(&s.IdP.Endpoints.SSOBinding), bindingWords...),
		"slo_url":          r.str(&s.IdP.Endpoints.SLOURL),
		"slo_response_url": r.str(&s.IdP.Endpoints.SLOResponseURL),
		"slo_binding":      r.oneOf((*string)(&s.IdP.Endpoints.SLOBinding), bindingWords...),
		"certificate":      r.fileNamed(folder, &k.certificate),
		"sign_requests":    choice(r, &s.SignRequests, signRequestsWords),
		"want_signed":      choice(r, &s.WantSigned, wantSignedWords),
		"want_encrypted":   r.flag(&s.WantEncrypted),
		"allow_sha1_until": r.date(&s.AllowSHA1),
		"cert_expiry":      choice(r, &s.CertExpiry, certExpiryWords),
		"nameid_format":    r.nameIDFormat(&s.NameIDFormat),
		"subject_from":     r.str(&s.SubjectFrom),
		"attributes": func(path string, n ast.Node) {
			a := &s.Attributes
			r.mapping(path, n, fields{
				"user_name": r.names(&a.UserName), "email": r.names(&a.Email), "given_name": r.names(&a.GivenName),
				"family_name": r.names(&a.FamilyName), "display_name": r.names(&a.DisplayName), "groups": r.names(&a.Groups),
			})
		},
		"idp_initiated": choice(r, &s.IdPInitiated, idpInitiatedWords),
		"force_authn":   r.flag(&s.ForceAuthn),
		"requested_acr": r.strs(&s.RequestedACR),
		"key_rollover":  choice(r, &s.KeyRollover, keyRolloverWords),
	}
}

// choice makes a reader of one word, where the first of the words is the default.
func choice[T ~string](r *reader, to *T, words []string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		var word string
		r.oneOf(&word, words...)(path, n)
		*to = chosen[T](word, words)
	}
}

// chosen is the value of a word: the first word's is the zero value.
func chosen[T ~string](word string, words []string) T {
	if word == words[0] {
		return ""
	}
	return T(word)
}

// wordOf is the word of a value.
func wordOf[T ~string](value T, words []string) string {
	if value == "" {
		return words[0]
	}
	return string(value)
}

// fileNamed makes a reader of {file: PATH}.
func (r *reader) fileNamed(folder string, to *source) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		var file string
		switch n.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			r.mapping(path, n, fields{"file": r.str(&file)})
		default:
			r.problem(n, fmt.Sprintf("write %s: {file: PATH}", lastKey(path)), "%s: want a file", path)
			return
		}
		if file == "" {
			r.problem(n, fmt.Sprintf("write %s: {file: PATH}", lastKey(path)), "%s: want a file", path)
			return
		}
		*to = source{File: below(folder, file), place: problem{File: r.file, Line: n.GetToken().Position.Line, Message: path}}
	}
}

// names makes a reader of one name or a list of them.
func (r *reader) names(to *[]string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		if _, list := n.(*ast.SequenceNode); list {
			r.strs(to)(path, n)
			return
		}
		if s, ok := r.text(path, n); ok {
			*to = []string{s}
		}
	}
}

// date makes a reader of a day, whose end counts.
func (r *reader) date(to *time.Time) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		end, err := endOfDay(s)
		if err != nil {
			r.problem(n, "write it as 2027-03-31", "%s: %s is not a date", path, quote(s))
			return
		}
		*to = end
	}
}

// endOfDay reads a day as the instant at which it is over: until a day includes it.
func endOfDay(s string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, errors.New("not a date")
	}
	return day.AddDate(0, 0, 1), nil
}

// formats are the short words of the name formats that providers offer (SAML 2.0 Core §8.3).
var formats = map[string]string{
	"persistent":  "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
	"transient":   idp.NameIDTransient,
	"email":       "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
	"unspecified": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
}

func (r *reader) nameIDFormat(to *string) func(string, ast.Node) {
	return func(path string, n ast.Node) {
		s, ok := r.text(path, n)
		if !ok {
			return
		}
		if *to, ok = nameIDFormat(s); !ok {
			r.problem(n, formatHint, "%s: %s is not a NameID format", path, quote(s))
		}
	}
}

const formatHint = "choose persistent, email, transient or unspecified, or give the whole urn:oasis:names:tc:SAML:…"

// nameIDFormat reads a short word or a whole URI; "" is any format.
func nameIDFormat(s string) (string, bool) {
	if uri, ok := formats[s]; ok {
		return uri, true
	}
	return s, s == "" || strings.Contains(s, ":")
}

// completeSAML turns what the file says into settings; files that it names are read when the gate starts.
func (r *reader) completeSAML(path string, n ast.Node, cc *ConnectionConfig, k samlKeys) {
	conn := &cc.Connection
	if conn.Provider == "" {
		r.missing(path, n, "provider", "provider: "+strings.Join(samlProviders(), ", "))
		return
	}
	k.settings.IdP.Endpoints = withBindings(k.settings.IdP.Endpoints)
	conn.SAML = withPreset(conn.Provider, k.settings)
	cc.Metadata, cc.Certificate = k.metadata, k.certificate
	r.samlSource(path, n, k)
}

// samlSource wants exactly one of the ways to say who the provider is.
func (r *reader) samlSource(path string, n ast.Node, k samlKeys) {
	e := k.settings.IdP
	byHand := e.Endpoints != (idp.SAMLEndpoints{}) || k.certificate.set()
	switch {
	case k.metadata.set() && k.settings.MetadataURL != "":
		r.problem(n, "keep metadata_url where the provider has one: its keys change", "%s: want one of metadata and metadata_url", path)
	case (k.metadata.set() || k.settings.MetadataURL != "") && byHand:
		r.problem(n, "remove sso_url, slo_url, their bindings and certificate: the metadata says all of them", "%s: metadata and settings by hand", path)
	case k.metadata.set() || k.settings.MetadataURL != "":
	case !byHand && e.EntityID == "":
		r.problem(n, "write metadata_url: https://…, or metadata: {file: PATH}", "%s: the identity provider's metadata is missing", path)
	default:
		for _, want := range []struct {
			key, example string
			there        bool
		}{
			{"idp_entity_id", "idp_entity_id: as the provider spells it", e.EntityID != ""},
			{"sso_url", "sso_url: https://…, where the provider takes requests", e.Endpoints.SSOURL != ""},
			{"certificate", "certificate: {file: idp.pem}", k.certificate.set()},
		} {
			if !want.there {
				r.missing(path, n, want.key, want.example)
			}
		}
	}
}

// withPreset fills in what a provider's preset says and nobody said otherwise.
func withPreset(p idp.Provider, s idp.SAMLSettings) idp.SAMLSettings {
	preset := saml.Preset(p)
	for to, from := range map[*[]string][]string{
		&s.Attributes.UserName: preset.Attributes.UserName, &s.Attributes.Email: preset.Attributes.Email,
		&s.Attributes.GivenName: preset.Attributes.GivenName, &s.Attributes.FamilyName: preset.Attributes.FamilyName,
		&s.Attributes.DisplayName: preset.Attributes.DisplayName, &s.Attributes.Groups: preset.Attributes.Groups,
	} {
		if *to == nil {
			*to = from
		}
	}
	s.NameIDFormat = cmp.Or(s.NameIDFormat, preset.NameIDFormat)
	if s.SubjectFrom = cmp.Or(s.SubjectFrom, preset.SubjectFrom); s.SubjectFrom == byNameID {
		s.SubjectFrom = ""
	}
	s.SignRequests = cmp.Or(s.SignRequests, preset.SignRequests)
	s.WantSigned = cmp.Or(s.WantSigned, preset.WantSigned)
	return s
}

// declaredSAML completes a declared connection with the files that it names. The instants at which its keys were first
// seen stay zero: a gate that starts anew must not take the same file for a change.
func (c Config) declaredSAML(cc ConnectionConfig, now time.Time) (idp.SAMLSettings, problems) {
	s := cc.Connection.SAML
	switch {
	case cc.Metadata.set():
		given, _, err := readMetadataFile(cc.Metadata.File, s.IdP.EntityID, now)
		if c.outdated && outdated(err) {
			given, _, err = readMetadataFile(cc.Metadata.File, s.IdP.EntityID, time.Unix(0, 0))
		}
		if err != nil {
			return s, problems{placed(cc.Metadata.place, err)}
		}
		s.IdP = given
	case cc.Certificate.set():
		keys, _, err := readCertificates(cc.Certificate.File, now)
		if err != nil {
			return s, problems{placed(cc.Certificate.place, err)}
		}
		s.IdP.Keys = keys
	}
	for i := range s.IdP.Keys {
		s.IdP.Keys[i].FirstSeen = time.Time{}
	}
	var found problems
	for _, p := range slices.Concat(saml.Validate(s, c.Insecure()), saml.ValidateSHA1(s.AllowSHA1, now.Add(24*time.Hour))) { // the last day counts whole
		found = append(found, c.problemOf(cc, fieldWord(p.Field), p))
	}
	return s, found
}

// outdated reports metadata whose time is over, and nothing else about it.
func outdated(err error) bool {
	e, ok := errors.AsType[*idp.Error](err)
	return ok && e.Code == idp.CodeMetadata && e.Detail == "expired"
}

// warnOutdated says which connections rest on a file of metadata whose time is over.
func warnOutdated(log *slog.Logger, file []store.Declared, now time.Time) {
	for _, d := range file {
		for _, c := range d.Connections {
			if until := c.SAML.IdP.ValidUntil; c.SAML.MetadataURL == "" && !until.IsZero() && now.After(until) {
				log.Warn("metadata file is not valid any more: download it again", "tenant", d.Tenant.ID, "connection", c.ID, "valid_until", until)
			}
		}
	}
}

// problemOf is about a field of a connection: at its line, or where that stands in a file of the provider's, at the
// line that names the file.
func (c Config) problemOf(cc ConnectionConfig, field string, p saml.Problem) problem {
	out := c.problem(cc.path+"."+field, p.Hint, "%s.%s: %s", cc.path, field, p.Text)
	if out.Line == 0 {
		out.Line = cc.line
		if cc.Metadata.set() {
			out.Line = cc.Metadata.place.Line
		}
	}
	return out
}

// fieldWord spells a field of the settings as the configuration file does.
func fieldWord(field string) string {
	switch field {
	case "entity_id":
		return "idp_entity_id"
	case "certificates":
		return "certificate"
	}
	return field
}

// withBindings gives endpoints that were entered by hand the binding that nearly every provider takes.
func withBindings(e idp.SAMLEndpoints) idp.SAMLEndpoints {
	if e.SSOURL != "" {
		e.SSOBinding = cmp.Or(e.SSOBinding, idp.BindingRedirect)
	}
	if e.SLOURL != "" {
		e.SLOBinding = cmp.Or(e.SLOBinding, idp.BindingRedirect)
	}
	return e
}

// placed puts an error at a line of the file.
func placed(at problem, err error) problem {
	p, ok := errors.AsType[problem](err)
	if !ok {
		p = problem{Message: err.Error()}
	}
	if bad, ok := errors.AsType[*idp.Error](err); ok {
		p = problem{Message: bad.Error(), Hint: bad.Hint}
	}
	p.File, p.Line, p.Message = at.File, at.Line, at.Message+": "+p.Message
	return p
}

// readMetadataFile reads a provider's metadata as an admin was given it.
func readMetadataFile(path, entityID string, now time.Time) (idp.SAMLIdP, []string, error) {
	text, err := readLimited(path, maxMetadata)
	if err != nil {
		return idp.SAMLIdP{}, nil, problem{Message: fileTrouble(err)}
	}
	given, warnings, err := saml.ParseMetadata(text, entityID, now)
	if err != nil {
		return idp.SAMLIdP{}, nil, err
	}
	for i := range given.Keys {
		given.Keys[i].Source = sourceUpload
	}
	return given, warnings, nil
}

// sourceUpload marks keys that an admin gave.
const sourceUpload = "upload"

// readCertificates reads a file of the provider's certificates: one in any form, or several as PEM.
func readCertificates(path string, now time.Time) ([]idp.SAMLKey, []string, error) {
	text, err := readLimited(path, maxSecret)
	if err != nil {
		return nil, nil, problem{Message: fileTrouble(err)}
	}
	var keys []idp.SAMLKey
	var warnings []string
	for _, one := range certificates(text) {
		key, more, err := saml.ParseCertificate(one, now)
		if err != nil {
			return nil, nil, err
		}
		if !slices.ContainsFunc(keys, func(k idp.SAMLKey) bool { return k.SHA256 == key.SHA256 }) {
			keys, warnings = append(keys, key), append(warnings, more...)
		}
	}
	return keys, warnings, nil
}

// certificates splits a file of PEM blocks; what is not a row of them stays whole.
func certificates(text []byte) [][]byte {
	var all [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, pem.EncodeToMemory(block))
	}
	if len(all) == 0 {
		return [][]byte{text}
	}
	return all
}
