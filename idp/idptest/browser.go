package idptest

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// Browser is a person without a screen: it keeps cookies, follows redirects, and where it lands on a page of the
// pretend provider it picks Person and goes on.
type Browser struct {
	Person string // sub, user name or e-mail of whom to pick
	Client *http.Client
	// Stop ends the journey before a request is sent, as a test that wants to look at a redirect needs.
	Stop func(u *url.URL) bool
}

// NewBrowser returns a browser with an empty cookie jar. transport may be nil.
func NewBrowser(person string, transport http.RoundTripper) *Browser {
	jar, _ := cookiejar.New(nil) // fails only with options
	b := &Browser{Person: person, Client: &http.Client{Jar: jar, Transport: transport}}
	b.Client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > 20 {
			return errors.New("more than 20 redirects")
		}
		if b.Stop != nil && b.Stop(r.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return b
}

// Page is where a journey ended.
type Page struct {
	URL      *url.URL
	Status   int
	Header   http.Header
	Body     string
	Location *url.URL // of a redirect that Stop held back
}

// Open navigates to address as a browser does, through sign-in at the provider.
func (b *Browser) Open(ctx context.Context, address string) (Page, error) {
	p, err := b.send(ctx, http.MethodGet, address, nil)
	for range 12 { // a provider may ask again, for a newer sign-in, and SAML goes from page to page
		switch {
		case err != nil:
			return p, err
		case strings.Contains(p.Body, `name="person"`):
			p, err = b.pick(ctx, p)
		case autoPattern.MatchString(p.Body):
			form, to, ferr := submission(p)
			if ferr != nil || b.Stop != nil && b.Stop(to) {
				return p, ferr
			}
			p, err = b.send(ctx, http.MethodPost, to.String(), form)
		default:
			return p, nil
		}
	}
	return p, err
}

// Form reads the form of a page that submits itself, and where it goes.
func (p Page) Form() (url.Values, *url.URL, error) { return submission(p) }

var (
	actionPattern = regexp.MustCompile(`<form[^>]* action="([^"]*)"`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
	autoPattern   = regexp.MustCompile(`name="(SAMLRequest|SAMLResponse|again)"`)
	personPattern = regexp.MustCompile(`(?s)name="person" value="([^"]*)".*?</button>`)
)

// pick fills in the page that lists the people.
func (b *Browser) pick(ctx context.Context, p Page) (Page, error) {
	form, to, err := submission(p)
	if err != nil {
		return p, err
	}
	for _, m := range personPattern.FindAllStringSubmatch(p.Body, -1) {
		text := html.UnescapeString(m[0])
		if html.UnescapeString(m[1]) == b.Person || strings.Contains(text, ">"+b.Person+"<") || strings.Contains(text, `data-user="`+b.Person+`"`) {
			form.Set("person", html.UnescapeString(m[1]))
		}
	}
	if !form.Has("person") {
		return p, fmt.Errorf("the page lists nobody called %q", b.Person)
	}
	return b.send(ctx, http.MethodPost, to.String(), form)
}

// submission is the page's form with its hidden fields.
func submission(p Page) (url.Values, *url.URL, error) {
	form := url.Values{}
	for _, m := range hiddenPattern.FindAllStringSubmatch(p.Body, -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	action := actionPattern.FindStringSubmatch(p.Body)
	if action == nil {
		return nil, nil, errors.New("the page has no form")
	}
	to, err := p.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		return nil, nil, fmt.Errorf("form action: %w", err)
	}
	return form, to, nil
}

func (b *Browser) send(ctx context.Context, method, address string, form url.Values) (Page, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return Page{}, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Accept", "text/html,application/xhtml+xml")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	resp, err := b.Client.Do(r)
	if err != nil {
		return Page{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return Page{}, err
	}
	p := Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
	if to, err := resp.Location(); err == nil {
		p.Location = to
	}
	return p, nil
}
