package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
)

// patience is how long a page may take on a machine that is busy with other things.
const patience = 60 * time.Second

// CompanyIdP is a name that every Chromium here takes to this machine.
const CompanyIdP = "idp.company.example"

// Chromium is a running browser. What its people do is kept apart by Profile.
type Chromium struct {
	ctx context.Context //nolint:containedctx // chromedp's handle on the browser
}

// StartChromium starts a browser with a folder of its own, which is gone when the test ends. Beside what the system
// trusts it accepts the given certificates.
func StartChromium(t testing.TB, trusted ...*TLS) *Chromium {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(tools.Require(t, tools.NameChromium)),
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP "+CompanyIdP+" 127.0.0.1"),
		chromedp.WindowSize(1000, 800),
	)
	var pins []string
	for _, c := range trusted {
		pins = append(pins, c.Pin(t))
	}
	if len(pins) > 0 {
		options = append(options, chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(pins, ",")))
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &Chromium{ctx: ctx}
}

// Profile is somebody's browser: all its tabs share one cookie jar, and no other profile sees it.
type Profile struct {
	t    testing.TB
	ctx  context.Context //nolint:containedctx // chromedp's handle on the profile
	id   cdp.BrowserContextID
	main *Tab
}

// Profile makes an empty one, which lasts as long as t.
func (c *Chromium) Profile(t testing.TB) *Profile {
	t.Helper()
	p := &Profile{t: t}
	p.main = &Tab{t: t}
	ctx, end := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.main.listen))
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a profile: %v", err)
	}
	p.ctx, p.main.ctx, p.id = ctx, ctx, chromedp.FromContext(ctx).BrowserContextID
	return p
}

// Main is the profile's first tab.
func (p *Profile) Main() *Tab { return p.main }

// Tabs opens n further tabs on an empty page.
func (p *Profile) Tabs(n int) []*Tab {
	p.t.Helper()
	tabs, errs := make([]*Tab, n), make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			tab := &Tab{t: p.t}
			ctx, end := chromedp.NewContext(p.ctx, chromedp.WithListener(tab.listen))
			p.t.Cleanup(end)
			tab.ctx, tabs[i] = ctx, tab
			errs[i] = chromedp.Do(ctx)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			p.t.Fatalf("open tab %d: %v", i, err)
		}
	}
	return tabs
}

// Cookies is everything in the profile's jar, by name. Two cookies of one name fail the test.
func (p *Profile) Cookies() map[string]*network.Cookie {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	got, err := cdp.Call(ctx, chromedp.FromContext(p.ctx).Browser, storage.GetCookies, storage.GetCookiesParams{BrowserContextID: p.id})
	if err != nil {
		p.t.Fatalf("read cookies: %v", err)
	}
	jar := map[string]*network.Cookie{}
	for _, c := range got.Cookies {
		if jar[c.Name] != nil {
			p.t.Fatalf("two cookies are called %s: %s%s and %s%s", c.Name, c.Domain, c.Path, jar[c.Name].Domain, jar[c.Name].Path)
		}
		jar[c.Name] = c
	}
	return jar
}

// Drop deletes cookies from the jar, as a browser does that was closed and keeps no session cookies.
func (p *Profile) Drop(names ...string) {
	p.t.Helper()
	jar := p.Cookies()
	for _, name := range names {
		c := jar[name]
		if c == nil {
			p.t.Fatalf("no cookie is called %s", name)
		}
		if _, err := chromedp.Call(p.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, Domain: c.Domain, Path: c.Path}); err != nil {
			p.t.Fatalf("delete cookie %s: %v", name, err)
		}
	}
}

// Visit is one answer a tab received for a page, redirects included.
type Visit struct {
	Method string
	URL    string
	Status int
}

// Tab is one tab. Its methods wait for the page they lead to.
type Tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // chromedp's handle on the tab

	mu         sync.Mutex
	method     string // of the request on its way
	visits     []Visit
	complaints []string
	bytes      int // of the longest Cookie header sent
}

// listen runs inside the loop that reads the browser's messages: it must not wait for anything.
func (tab *Tab) listen(event any) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Type != network.ResourceTypeDocument {
			return
		}
		if r := e.RedirectResponse; r != nil {
			tab.visits = append(tab.visits, Visit{tab.method, r.URL, int(r.Status)})
		}
		tab.method = e.Request.Method
	case *network.EventResponseReceived:
		if e.Type == network.ResourceTypeDocument {
			tab.visits = append(tab.visits, Visit{tab.method, e.Response.URL, int(e.Response.Status)})
		}
	case *network.EventRequestWillBeSentExtraInfo:
		for name, value := range e.Headers {
			if text, ok := value.(string); ok && strings.EqualFold(name, "cookie") {
				tab.bytes = max(tab.bytes, len(text))
			}
		}
	case *network.EventResponseReceivedExtraInfo:
		for _, b := range e.BlockedCookies {
			name, _, _ := strings.Cut(b.CookieLine, "=")
			tab.complaints = append(tab.complaints, fmt.Sprintf("cookie %s is not kept: %v", name, b.BlockedReasons))
		}
	case *log.EventEntryAdded:
		// The console repeats each status above 399; visits have it.
		if e.Entry.Source != log.EntrySourceNetwork {
			tab.complaints = append(tab.complaints, fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text))
		}
	case *runtime.EventConsoleAPICalled:
		tab.complaints = append(tab.complaints, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		tab.complaints = append(tab.complaints, "exception: "+e.ExceptionDetails.Text)
	}
}

// Visits are the answers since Forget, oldest first.
func (tab *Tab) Visits() []Visit {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]Visit(nil), tab.visits...)
}

// Complaints are what the browser put on the console since Forget, such as violations of a Content-Security-Policy,
// and the cookies it did not accept.
func (tab *Tab) Complaints() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string(nil), tab.complaints...)
}

// CookieBytes is the length of the longest Cookie header the tab sent.
func (tab *Tab) CookieBytes() int {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return tab.bytes
}

// Forget starts the records anew.
func (tab *Tab) Forget() {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.visits, tab.complaints, tab.bytes = nil, nil, 0
}

// Follow does something that leads to another page, and returns that page's status.
func (tab *Tab) Follow(what string, steps ...chromedp.Action[chromedp.Void]) (status int, err error) {
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, steps...)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", what, err)
	case r == nil:
		return 0, fmt.Errorf("%s: no page was loaded", what)
	default:
		return int(r.Status), nil
	}
}

// TryOpen is Open for several tabs at once: only the test's own goroutine may end the test.
func (tab *Tab) TryOpen(address string) (status int, err error) {
	return tab.Follow("open "+address, chromedp.Navigate(address))
}

// Open types an address and returns the status of the page it leads to, through all redirects.
func (tab *Tab) Open(address string) (status int) {
	tab.t.Helper()
	return tab.must(tab.TryOpen(address))
}

// TryReload is Reload for several tabs at once.
func (tab *Tab) TryReload() (status int, err error) {
	return tab.Follow("reload", chromedp.Reload())
}

// Reload loads the page again.
func (tab *Tab) Reload() (status int) {
	tab.t.Helper()
	return tab.must(tab.TryReload())
}

// Back presses the button of that name and returns the address it leads to. Where the browser shows a page it kept,
// there is no answer and so no status.
func (tab *Tab) Back() (address string) {
	tab.t.Helper()
	before := tab.URL()
	tab.Eval("history.back(), ''")
	Eventually(tab.t, "the page before is shown", func() bool {
		ctx, cancel := context.WithTimeout(tab.ctx, patience)
		defer cancel()
		at, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.readyState == 'complete' ? location.href : ''"))
		address = at
		return err == nil && at != "" && at != before // an error: the page is on its way out
	})
	return address
}

// Click clicks an element that leads to another page.
func (tab *Tab) Click(selector string) (status int) {
	tab.t.Helper()
	return tab.must(tab.TryClick(selector))
}

// TryClick is Click for several tabs at once.
func (tab *Tab) TryClick(selector string) (status int, err error) {
	return tab.Follow("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// TryPick is Pick for several tabs at once.
func (tab *Tab) TryPick(person string) (status int, err error) {
	return tab.TryClick(fmt.Sprintf("button[data-user=%q]", person))
}

// Pick clicks a person on the pretend provider's page and returns the status of the page that follows.
func (tab *Tab) Pick(person string) (status int) {
	tab.t.Helper()
	return tab.must(tab.TryPick(person))
}

// Type fills in a field.
func (tab *Tab) Type(selector, text string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS(selector), text)); err != nil {
		tab.t.Fatalf("type into %s: %v", selector, err)
	}
}

// Eval returns what a script on the page says, as a string.
func (tab *Tab) Eval(script string) string {
	tab.t.Helper()
	out, err := tab.tryEval(script)
	if err != nil {
		tab.t.Fatalf("evaluate %s: %v", script, err)
	}
	return out
}

// URL is the address in the tab's bar.
func (tab *Tab) URL() string { tab.t.Helper(); return tab.Eval("location.href") }

// Text is what a reader sees.
func (tab *Tab) Text() string {
	tab.t.Helper()
	return tab.Eval("document.body ? document.body.innerText : ''")
}

// Screenshot writes the page into .run/e2e, for people to look at.
func (tab *Tab) Screenshot(name string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		tab.t.Fatalf("screenshot: %v", err)
	}
	root, err := tools.Root()
	if err != nil {
		tab.t.Fatal(err)
	}
	path := filepath.Join(root, ".run", "e2e", name+".png")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tab.t.Fatal(err)
	}
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		tab.t.Fatal(err)
	}
}

func (tab *Tab) must(status int, err error) int {
	tab.t.Helper()
	if err != nil {
		tab.t.Fatal(err)
	}
	return status
}
