package policies

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Result is one attempt to take over an edit: a new revision went live, or Err says why it did not.
type Result struct {
	Revision RevisionInfo // what is served now
	Err      error
}

// Watch serves what the directory holds, and follows it until ctx ends; it then returns nil. It reads
// the directory at once, so an edit since the first Load is not missed. A broken edit keeps the last
// good revision. onReload, which may be nil, hears of every swap, of every new failure and of its end,
// one at a time.
func (e *Engine) Watch(ctx context.Context, dir string, onReload func(Result)) error {
	if onReload == nil {
		onReload = func(Result) {}
	}
	w := watcher{engine: e, dir: dir, report: onReload, quiet: 100 * time.Millisecond, reread: 30 * time.Second}
	return w.run(ctx)
}

// watcher is one run of Watch.
type watcher struct {
	engine *Engine
	dir    string
	report func(Result)

	quiet  time.Duration // without events before a read: editors write in several steps
	reread time.Duration // for what no event tells: NFS, overflowing queues

	failed string // the failure reported last, so that a broken file is reported once
}

func (w *watcher) run(ctx context.Context) error {
	if info, err := os.Stat(w.dir); err != nil {
		return fmt.Errorf("watch policy: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("watch policy: %s is not a directory", w.dir)
	}
	var events chan fsnotify.Event
	var errs chan error
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.fail(fmt.Errorf("watch %s: %w; reading it every %s instead", w.dir, err, w.reread))
	} else {
		defer func() { _ = notify.Close() }()
		events, errs = notify.Events, notify.Errors
	}

	w.follow(notify)
	w.reload(ctx)
	tick := time.NewTicker(w.reread)
	defer tick.Stop()
	pause := time.NewTimer(w.quiet)
	pause.Stop()
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-events:
			if !open {
				events = nil
				continue
			}
			pause.Reset(w.quiet)
		case _, open := <-errs: // events were lost: what they were about is read now
			if !open {
				errs = nil
				continue
			}
			pause.Reset(w.quiet)
		case <-pause.C:
			w.follow(notify)
			w.reload(ctx)
		case <-tick.C:
			w.follow(notify)
			w.reload(ctx)
		}
	}
}

// follow watches every directory below: the notifications are not recursive, and editors and
// ConfigMaps replace files rather than write them. A directory watched already is no error.
func (w *watcher) follow(notify *fsnotify.Watcher) {
	if notify == nil {
		return
	}
	root := w.dir + string(filepath.Separator) // the separator makes a link to a directory that directory
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // gone again; the next event or the next tick sees what is left
		}
		if !entry.IsDir() {
			return nil
		}
		if strings.HasPrefix(entry.Name(), ".") && path != root {
			return fs.SkipDir
		}
		return notify.Add(path)
	})
	if err != nil {
		w.fail(fmt.Errorf("watch %s: %w; reading it every %s instead", w.dir, err, w.reread))
	}
}

// reload loads what is there now and serves it unless it is what is served already.
func (w *watcher) reload(ctx context.Context) {
	e := w.engine
	rev, err := loadUnless(ctx, os.DirFS(w.dir), e.Options, e.Revision().ID)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		e.fail(err)
		w.fail(err)
		return
	}
	mended := w.failed != ""
	w.failed = ""
	e.fail(nil)
	if rev != nil {
		e.Swap(rev)
	}
	if rev != nil || mended {
		w.report(Result{Revision: e.Revision()})
	}
}

func (w *watcher) fail(err error) {
	if err.Error() == w.failed {
		return
	}
	w.failed = err.Error()
	w.report(Result{Revision: w.engine.Revision(), Err: err})
}
