package e2e

import (
	"context"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// Press clicks an element and waits for nothing: what follows is a page that leads on by itself.
func (tab *Tab) Press(selector string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		tab.t.Fatalf("click %s: %v", selector, err)
	}
}

// Lands waits until the tab rests on a page whose address begins with prefix, over pages that submit themselves.
func (tab *Tab) Lands(prefix string) {
	tab.t.Helper()
	at := ""
	deadline := time.Now().Add(patience)
	for !strings.HasPrefix(at, prefix) {
		if time.Now().After(deadline) {
			tab.t.Fatalf("rests on %s, want %s: %s", at, prefix, tab.Text())
		}
		time.Sleep(20 * time.Millisecond)
		if now, err := tab.tryEval("document.readyState == 'complete' ? location.href : ''"); err == nil && now != "" {
			at = now
		}
	}
}

// Says waits until a page of a site shows a text, over pages that lead on by themselves.
func (tab *Tab) Says(site, text string) {
	tab.t.Helper()
	tab.Lands(site)
	Eventually(tab.t, "the page says "+text, func() bool {
		shown, err := tab.tryEval("document.readyState == 'complete' && location.href.startsWith('" + site + "') && document.body ? document.body.innerText : ''")
		return err == nil && strings.Contains(shown, text)
	})
}

// tryEval is Eval where the page may be on its way out.
func (tab *Tab) tryEval(script string) (string, error) {
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string](script))
}
