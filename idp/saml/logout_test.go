package saml_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tracio-ai/ssogate/idp"
	"github.com/tracio-ai/ssogate/idp/idptest"
	"github.com/tracio-ai/ssogate/idp/saml"
)

const slo = "https://dashboard.tracio.example/auth/saml/acme-saml/slo"

var (
	aliceName = idp.NameID{Value: "alice@acme.example", Format: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", NameQualifier: "https://idp.example/saml", SPNameQualifier: entityID}
	sloSP     = idptest.SAMLSP{EntityID: entityID, ACS: acs, SLO: slo}
)

func (r *rp) receive(req *http.Request) (idp.LogoutMessage, error) {
	return r.connector.ReceiveLogout(r.tb.Context(), r.conn, req)
}

func (r *rp) byQuery(query string) *http.Request {
	return httptest.NewRequestWithContext(r.tb.Context(), http.MethodGet, slo+"?"+query, http.NoBody)
}

// send has the provider send a message over a binding.
func (r *rp) send(binding idp.SAMLBinding, o idptest.LogoutOptions) *http.Request {
	r.tb.Helper()
	o.SP = sloSP
	if o.Now.IsZero() {
		o.Now = r.now
	}
	if o.InResponseTo == "" && o.NameID == (idp.NameID{}) {
		o.NameID = aliceName
	}
	if binding == idp.BindingPOST {
		form, err := r.idp.LogoutPost(o)
		if err != nil {
			r.tb.Fatal(err)
		}
		return post(form)
	}
	query, err := r.idp.LogoutRedirect(o)
	if err != nil {
		r.tb.Fatal(err)
	}
	return r.byQuery(query)
}

var bindings = []idp.SAMLBinding{idp.BindingRedirect, idp.BindingPOST}

func TestProvidersSignOutNamesTheSessionsToEnd(t *testing.T) {
	for _, kind := range []string{"rsa", "p256", "p384", "p521"} {
		for _, binding := range bindings {
			r := newRP(t, idptest.SAMLOptions{Key: kind})
			m, err := r.receive(r.send(binding, idptest.LogoutOptions{ID: "_out1", SessionIndexes: []string{"_s1", "_s2"}, Relay: "r/1?x", LowerCase: true, NotOnOrAfter: noon.Add(time.Minute)}))
			if err != nil {
				t.Fatalf("%s, %s: %v (%s)", kind, binding, err, reason(err))
			}
			once := []idp.Once{{Kind: saml.OnceLogout, Value: "_out1", Expires: noon.Add(8 * time.Minute)}}
			if !m.Request || m.ID != "_out1" || m.NameID != aliceName || !slices.Equal(m.SessionIndexes, []string{"_s1", "_s2"}) || m.Relay != "r/1?x" || !slices.Equal(m.Once, once) {
				t.Errorf("%s, %s: %+v", kind, binding, m)
			}
		}
	}
}

func TestProvidersAnswerIsReadWhole(t *testing.T) {
	for _, binding := range bindings {
		r := newRP(t, idptest.SAMLOptions{})
		m, err := r.receive(r.send(binding, idptest.LogoutOptions{ID: "_a1", InResponseTo: "_req", Relay: "0a1b2c3d"}))
		if err != nil || m.Request || m.InResponseTo != "_req" || !m.Success || m.Relay != "0a1b2c3d" || m.ID != "_a1" || m.Once != nil {
			t.Errorf("%s: %v, %+v", binding, reason(err), m)
		}
		m, err = r.receive(r.send(binding, idptest.LogoutOptions{InResponseTo: "_req", Status: "urn:oasis:names:tc:SAML:2.0:status:Responder"}))
		if err != nil || m.Success {
			t.Errorf("%s: %v, %+v", binding, reason(err), m)
		}
	}
}

func TestSignOutThatIsNotTheProvidersIsRefused(t *testing.T) {
	stranger := samlKey(t, "rsa", noon.AddDate(1, 0, 0))
	for name, c := range map[string]struct {
		o    idptest.LogoutOptions
		edit func(*rp)
		want string
	}{
		"unsigned":             {o: idptest.LogoutOptions{Unsigned: true}, want: "saml-signature/none"},
		"unsigned answer":      {o: idptest.LogoutOptions{Unsigned: true, InResponseTo: "_r"}, want: "saml-signature/none"},
		"another key":          {o: idptest.LogoutOptions{Key: &stranger}, want: "saml-key/unknown"},
		"pending key":          {edit: func(r *rp) { r.conn.SAML.IdP.Keys[0].State = idp.KeyPending }, want: "saml-config/no-key"},
		"SHA-1":                {o: idptest.LogoutOptions{Algorithm: idptest.AlgRSASHA1}, want: "saml-sha1/sha1"},
		"another issuer":       {o: idptest.LogoutOptions{Issuer: "https://other.example"}, want: "saml-issuer/logout"},
		"another destination":  {o: idptest.LogoutOptions{Destination: acs}, want: "saml-destination/other"},
		"too old":              {o: idptest.LogoutOptions{Now: noon.Add(-5*time.Minute - saml.Skew)}, want: "saml-time/logout-old"},
		"too old an answer":    {o: idptest.LogoutOptions{InResponseTo: "_r", Now: noon.Add(-5*time.Minute - saml.Skew)}, want: "saml-time/logout-old"},
		"of the future":        {o: idptest.LogoutOptions{Now: noon.Add(saml.Skew + time.Second)}, want: "saml-time/logout-future"},
		"expired":              {o: idptest.LogoutOptions{NotOnOrAfter: noon.Add(-saml.Skew)}, want: "saml-time/logout-expired"},
		"no name":              {o: idptest.LogoutOptions{NameID: idp.NameID{Format: "urn:f"}}, want: "saml-nameid/logout"},
		"a name too long":      {o: idptest.LogoutOptions{NameID: idp.NameID{Value: strings.Repeat("a", 257)}}, want: "saml-nameid/logout"},
		"an empty index":       {o: idptest.LogoutOptions{SessionIndexes: []string{""}}, want: "saml-shape/session-index"},
		"too many indexes":     {o: idptest.LogoutOptions{SessionIndexes: slices.Repeat([]string{"_s"}, 65)}, want: "saml-shape/session-indexes"},
		"RelayState too long":  {o: idptest.LogoutOptions{Relay: strings.Repeat("r", 81)}, want: "saml-form/relay-state"},
		"no provider is known": {edit: func(r *rp) { r.conn.SAML.IdP.EntityID = "" }, want: "saml-config/entity-id"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, binding := range bindings {
				r := newRP(t, idptest.SAMLOptions{})
				if c.edit != nil {
					c.edit(r)
				}
				m, err := r.receive(r.send(binding, c.o))
				if reason(err) != c.want {
					t.Errorf("%s: %s (%v), want %s", binding, reason(err), err, c.want)
				}
				if m.ID != "" || m.Once != nil || m.NameID.Value != "" {
					t.Errorf("%s: a refusal came with %+v", binding, m)
				}
				if known := c.want != "saml-key/unknown"; known != (r.unknown == 0) {
					t.Errorf("%s: an unknown key is reported %d times", binding, r.unknown)
				}
			}
		})
	}
}

func TestSignOutAtTheEdgeOfTimeIsTaken(t *testing.T) {
	for _, binding := range bindings {
		for name, o := range map[string]idptest.LogoutOptions{
			"old":      {Now: noon.Add(-5*time.Minute - saml.Skew + time.Second)},
			"future":   {Now: noon.Add(saml.Skew)},
			"expiring": {NotOnOrAfter: noon.Add(-saml.Skew + time.Second)},
		} {
			r := newRP(t, idptest.SAMLOptions{})
			if _, err := r.receive(r.send(binding, o)); err != nil {
				t.Errorf("%s, %s: %s", name, binding, reason(err))
			}
		}
		r := newRP(t, idptest.SAMLOptions{})
		r.conn.SAML.AllowSHA1 = noon.Add(time.Hour)
		if _, err := r.receive(r.send(binding, idptest.LogoutOptions{Algorithm: idptest.AlgRSASHA1})); err != nil || r.sha1 != 1 {
			t.Errorf("SHA-1 by exception, %s: %s, counted %d", binding, reason(err), r.sha1)
		}
	}
}

// posted is a message as the provider signs it for POST.
func posted(tb testing.TB, r *rp, o idptest.LogoutOptions) []byte {
	tb.Helper()
	o.SP, o.Now, o.NameID = sloSP, r.now, aliceName
	form, err := r.idp.LogoutPost(o)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := base64.StdEncoding.DecodeString(form.Get("SAMLRequest"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestFormIsTakenAsItWasSigned(t *testing.T) {
	r := newRP(t, idptest.SAMLOptions{})
	good := string(posted(t, r, idptest.LogoutOptions{SessionIndexes: []string{"_s1"}}))
	form := func(xml string) *http.Request { return post(url.Values{"SAMLRequest": {encode([]byte(xml))}}) }
	swap := func(old, by string) *http.Request {
		if !strings.Contains(good, old) {
			t.Fatalf("no %s in %s", old, good)
		}
		return form(strings.Replace(good, old, by, 1))
	}
	inQuery := post(url.Values{"SAMLRequest": {encode([]byte(good))}})
	inQuery.URL.RawQuery = "RelayState=x"
	other := post(url.Values{"SAMLRequest": {encode([]byte(good))}})
	other.Method = http.MethodPut
	assertion := r.respond(nil)
	for name, c := range map[string]struct {
		req  *http.Request
		want string
	}{
		"as sent":                {form(good), ""},
		"another name":           {swap("alice@acme.example", "bob@acme.example"), "saml-signature/digest"},
		"another session":        {swap("_s1", "_s2"), "saml-signature/digest"},
		"a comment in the name":  {swap("alice@acme.example", "alice@acme.example<!---->.evil"), "saml-xml/comment"},
		"two names":              {swap("<saml:NameID", `<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">bob</saml:NameID><saml:NameID`), "saml-shape/two-name-ids"},
		"a sign-in's answer":     {post(url.Values{"SAMLResponse": {assertion}}), "saml-shape/root"},
		"two messages":           {post(url.Values{"SAMLRequest": {encode([]byte(good))}, "SAMLResponse": {"x"}}), "saml-form/two-messages"},
		"twice":                  {post(url.Values{"SAMLRequest": {encode([]byte(good)), encode([]byte(good))}}), "saml-form/repeated"},
		"nothing":                {post(url.Values{"a": {"b"}}), "saml-form/missing"},
		"query beside the form":  {inQuery, "saml-form/query"},
		"another method":         {other, "saml-form/method"},
		"deflated as by query":   {form(string(deflated(t, []byte(good)))), "saml-xml/utf8"},
		"larger than a sign-out": {form(good + strings.Repeat(" ", 64<<10)), "saml-form/too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.receive(c.req)
			if c.want == "" && err != nil || c.want != "" && reason(err) != c.want {
				t.Errorf("%s (%v), want %q", reason(err), err, c.want)
			}
		})
	}
}

func TestOurSignOutRepeatsTheProvidersNameExactly(t *testing.T) {
	for _, binding := range bindings {
		r := newBegin(t, idptest.SAMLOptions{})
		r.conn.SAML.IdP.Endpoints.SLOBinding = binding
		odd := idp.NameID{Value: "a&b <c> \"d\" é", Format: "urn:f", NameQualifier: "q&", SPNameQualifier: "s"}
		for _, l := range []idp.Logout{
			{NameID: odd, SID: "_s&1", RequestID: "_0011", Relay: "0a1b2c3d"},
			{NameID: idp.NameID{Value: "alice"}, RequestID: "_0012"},
		} {
			out, err := r.connector.Logout(t.Context(), r.conn, l)
			if err != nil {
				t.Fatal(reason(err))
			}
			root := carriedBy(t, out, "SAMLRequest")
			name := root.FindElement("./NameID")
			got := idp.NameID{Value: name.Text(), Format: name.SelectAttrValue("Format", ""), NameQualifier: name.SelectAttrValue("NameQualifier", ""), SPNameQualifier: name.SelectAttrValue("SPNameQualifier", "")}
			if got != l.NameID || root.SelectAttrValue("ID", "") != l.RequestID || root.SelectAttrValue("Destination", "") != provider+"/slo" || root.FindElement("./Issuer").Text() != entityID {
				t.Errorf("%s: %+v", binding, got)
			}
			if index := root.FindElement("./SessionIndex"); (index == nil) != (l.SID == "") || index != nil && index.Text() != l.SID {
				t.Errorf("%s: session index %v", binding, index)
			}
			w := r.deliver(out)
			if w.Code >= http.StatusBadRequest {
				t.Errorf("%s: the provider refuses: %s", binding, w.Body)
			}
			back, err := url.Parse(w.Header().Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := r.receive(r.byQuery(back.RawQuery))
			if err != nil || m.InResponseTo != l.RequestID || !m.Success || m.Relay != l.Relay {
				t.Errorf("%s: the provider's answer: %s, %+v", binding, reason(err), m)
			}
		}
	}
}

func TestProviderWithoutSignOutHasNone(t *testing.T) {
	r := newBegin(t, idptest.SAMLOptions{})
	if _, err := r.connector.Logout(t.Context(), r.conn, idp.Logout{RequestID: "_1"}); !errors.Is(err, idp.ErrNoLogout) {
		t.Errorf("a session without a name: %v", err)
	}
	if _, err := r.connector.Logout(t.Context(), r.conn, idp.Logout{NameID: aliceName}); err == nil || errors.Is(err, idp.ErrNoLogout) {
		t.Errorf("a request without an ID: %v", err)
	}
	r.conn.SAML.IdP.Endpoints.SLOURL = "http://idp.example/slo"
	if _, err := r.connector.Logout(t.Context(), r.conn, idp.Logout{NameID: aliceName, RequestID: "_1"}); reason(err) != "saml-config/slo-url" {
		t.Errorf("http: %v", err)
	}
	r.conn.SAML.IdP.Endpoints.SLOURL = ""
	if _, err := r.connector.Logout(t.Context(), r.conn, idp.Logout{NameID: aliceName, RequestID: "_1"}); !errors.Is(err, idp.ErrNoLogout) {
		t.Errorf("no address: %v", err)
	}
	if _, err := r.connector.AnswerLogout(t.Context(), r.conn, idp.LogoutMessage{ID: "_1"}, false); !errors.Is(err, idp.ErrNoLogout) {
		t.Errorf("no address to answer at: %v", err)
	}
}

func TestAnswerGoesWhereAnswersAreWanted(t *testing.T) {
	for _, binding := range bindings {
		for _, partial := range []bool{false, true} {
			r := newBegin(t, idptest.SAMLOptions{})
			r.conn.SAML.IdP.Endpoints.SLOResponseURL, r.conn.SAML.IdP.Endpoints.SLOBinding = provider+"/slo/done", binding
			out, err := r.connector.AnswerLogout(t.Context(), r.conn, idp.LogoutMessage{ID: "_theirs", Relay: strings.Repeat("é", 40)}, partial)
			if err != nil {
				t.Fatal(reason(err))
			}
			root := carriedBy(t, out, "SAMLResponse")
			if root.SelectAttrValue("InResponseTo", "") != "_theirs" || root.SelectAttrValue("Destination", "") != provider+"/slo/done" || !strings.HasPrefix(out.URL, provider+"/slo/done") {
				t.Errorf("%s: to %s", binding, out.URL)
			}
			if code := root.FindElement("./Status/StatusCode"); code.SelectAttrValue("Value", "") != "urn:oasis:names:tc:SAML:2.0:status:Success" || (len(code.ChildElements()) == 1) != partial {
				t.Errorf("%s: partial %v, status %v", binding, partial, code)
			}
			relay := out.Form.Get("RelayState")
			if binding == idp.BindingRedirect {
				relay = query(t, out.URL).Get("RelayState")
			}
			if relay != strings.Repeat("é", 40) {
				t.Errorf("%s: RelayState %q", binding, relay)
			}
			long, err := r.connector.AnswerLogout(t.Context(), r.conn, idp.LogoutMessage{ID: "_theirs", Relay: strings.Repeat("r", 81)}, partial)
			if err != nil || query(t, long.URL).Has("RelayState") || long.Form.Has("RelayState") {
				t.Errorf("%s: an overlong RelayState goes back", binding)
			}
		}
	}
}

func query(tb testing.TB, address string) url.Values {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	return u.Query()
}
