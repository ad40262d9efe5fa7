package policies

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watched is an engine that follows a directory until the test ends.
type watched struct {
	*Engine
	dir     string
	results chan Result
}

func watch(t *testing.T, dir string, reread time.Duration) *watched {
	t.Helper()
	w := &watched{
		Engine:  &Engine{Timeout: time.Minute, Now: func() time.Time { return noon }},
		dir:     dir,
		results: make(chan Result, 100),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		in := watcher{engine: w.Engine, dir: dir, quiet: 10 * time.Millisecond, reread: reread, report: func(r Result) { w.results <- r }}
		done <- in.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return w
}

// next is the next result that satisfies; earlier ones are a save seen half.
func (w *watched) next(t *testing.T, wanted func(Result) bool) Result {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case r := <-w.results:
			if wanted(r) {
				return r
			}
		case <-timeout:
			t.Fatalf("nothing came; serving %+v", w.Revision())
		}
	}
}

func loaded(r Result) bool { return r.Err == nil }
func broken(r Result) bool { return r.Err != nil }

// serves says whether GET path is allowed to a Viewer.
func (w *watched) serves(t *testing.T, path string) bool {
	t.Helper()
	d, err := w.Decide(t.Context(), ask(w.Engine, "GET", path, "Viewer"))
	if err != nil {
		t.Fatal(err)
	}
	return d.Allowed
}

func rules(path string) string {
	return header + "decision if input.resource.path == \"" + path + "\"\n"
}

func policyDir(t *testing.T, path string) string {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "authz.rego"), rules(path))
	write(t, filepath.Join(dir, "data.json"), `{"roles": {}, "role_order": []}`)
	return dir
}

func TestAnEditGoesLive(t *testing.T) {
	dir := policyDir(t, "/one")
	w := watch(t, dir, time.Hour)
	first := w.next(t, loaded)
	if !w.serves(t, "/one") || first.Revision.Loaded != noon {
		t.Fatalf("got %+v", first)
	}
	write(t, filepath.Join(dir, "authz.rego"), rules("/two"))
	second := w.next(t, loaded)
	if w.serves(t, "/one") || !w.serves(t, "/two") || second.Revision.ID == first.Revision.ID {
		t.Errorf("got %+v", second)
	}

	// Editors write a new file and rename it over the old one.
	write(t, filepath.Join(dir, ".authz.rego.swp"), rules("/three"))
	if err := os.Rename(filepath.Join(dir, ".authz.rego.swp"), filepath.Join(dir, "authz.rego")); err != nil {
		t.Fatal(err)
	}
	w.next(t, loaded)
	if !w.serves(t, "/three") {
		t.Error("a renamed file is not served")
	}
}

func TestABrokenEditKeepsTheLastGoodRevision(t *testing.T) {
	dir := policyDir(t, "/one")
	w := watch(t, dir, time.Hour)
	first := w.next(t, loaded)

	write(t, filepath.Join(dir, "authz.rego"), header+"decision if input.identty.id == \"x\"\n")
	bad := w.next(t, broken)
	if !strings.HasPrefix(bad.Err.Error(), "authz.rego:5:13: ") || bad.Revision.ID != first.Revision.ID {
		t.Errorf("got %+v", bad)
	}
	if !w.serves(t, "/one") || !strings.Contains(w.Revision().LastError, "identty") {
		t.Errorf("got %+v", w.Revision())
	}

	write(t, filepath.Join(dir, "authz.rego"), rules("/one"))
	again := w.next(t, loaded)
	if again.Revision.ID != first.Revision.ID || w.Revision().LastError != "" {
		t.Errorf("mended: %+v", again)
	}

	if err := os.Remove(filepath.Join(dir, "authz.rego")); err != nil {
		t.Fatal(err)
	}
	w.next(t, broken)
	if !w.serves(t, "/one") {
		t.Error("an emptied directory took the policy away")
	}
}

func TestAHalfWrittenSaveIsNeverServed(t *testing.T) {
	dir := policyDir(t, "/one")
	w := watch(t, dir, time.Hour)
	w.next(t, loaded)

	whole := rules("/two")
	f, err := os.Create(filepath.Join(dir, "authz.rego"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(whole[:len(whole)-8]); err != nil {
		t.Fatal(err)
	}
	w.next(t, broken)
	if !w.serves(t, "/one") {
		t.Error("half a file is served")
	}
	if _, err := f.WriteString(whole[len(whole)-8:]); err != nil {
		t.Fatal(err)
	}
	w.next(t, loaded)
	if !w.serves(t, "/two") {
		t.Error("the whole file is not served")
	}
}

func TestNewDirectoriesAreFollowed(t *testing.T) {
	dir := policyDir(t, "/one")
	link := filepath.Join(t.TempDir(), "policy")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	w := watch(t, link, time.Hour)
	w.next(t, loaded)
	write(t, filepath.Join(dir, "plan", "data.json"), `{"open": "/a"}`)
	w.next(t, loaded)
	write(t, filepath.Join(dir, "authz.rego"), header+"decision if input.resource.path == data.plan.open\n")
	w.next(t, loaded)
	write(t, filepath.Join(dir, "plan", "data.json"), `{"open": "/b"}`)
	w.next(t, loaded)
	if !w.serves(t, "/b") {
		t.Error("an edit below a new directory is not served")
	}
}

// configMap lays files out as Kubernetes mounts a ConfigMap: links to ..data, which links to a copy.
func configMap(t *testing.T, dir, version string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		write(t, filepath.Join(dir, version, name), content)
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink(version, filepath.Join(dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func TestAConfigMapUpdateGoesLiveWhole(t *testing.T) {
	dir := t.TempDir()
	files := func(path string) map[string]string {
		return map[string]string{
			"authz.rego": header + "decision if {\n\tinput.resource.path == \"" + path + "\"\n\tdata.path == \"" + path + "\"\n}\n",
			"data.json":  `{"roles": {}, "role_order": [], "path": "` + path + `"}`,
		}
	}
	configMap(t, dir, "..2026_1", files("/one"))
	w := watch(t, dir, time.Hour)
	w.next(t, loaded)
	if !w.serves(t, "/one") {
		t.Fatal("a mounted ConfigMap is not served")
	}
	for i, path := range []string{"/two", "/three", "/four"} {
		configMap(t, dir, "..2026_"+string(rune('2'+i)), files(path))
		w.next(t, loaded)
		if !w.serves(t, path) {
			t.Errorf("%s is not served", path)
		}
	}
	w.Swap(nil)
	select {
	case r := <-w.results:
		t.Errorf("a mix went live: %+v", r)
	default:
	}
}

func TestRereadingFindsWhatNoEventTold(t *testing.T) {
	dir := policyDir(t, "/one")
	link := filepath.Join(t.TempDir(), "policy")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	w := watch(t, link, 20*time.Millisecond)
	w.next(t, loaded)

	// Nothing inside the watched directory changes, only which directory it is.
	other := policyDir(t, "/two")
	if err := os.Symlink(other, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	w.next(t, loaded)
	if !w.serves(t, "/two") {
		t.Error("the new directory is not served")
	}
}

func TestAFailureIsReportedOnce(t *testing.T) {
	dir := policyDir(t, "/one")
	w := watch(t, dir, 5*time.Millisecond)
	w.next(t, loaded)
	replace(t, filepath.Join(dir, "authz.rego"), "package ssogate.authz\n\nx :=\n")
	w.next(t, func(r Result) bool { return broken(r) && strings.Contains(r.Err.Error(), "authz.rego:4") })
	replace(t, filepath.Join(dir, "authz.rego"), rules("/two"))
	if r := <-w.results; r.Err != nil {
		t.Errorf("reported again: %v", r.Err)
	}
}

// replace puts a whole file in the place of another: a watcher this quick would see one that is being written.
func replace(t *testing.T, path, content string) {
	t.Helper()
	whole := filepath.Join(filepath.Dir(path), ".whole")
	write(t, whole, content)
	if err := os.Rename(whole, path); err != nil {
		t.Fatal(err)
	}
}

func TestWatchNeedsADirectory(t *testing.T) {
	var e Engine
	if err := e.Watch(t.Context(), filepath.Join(t.TempDir(), "absent"), nil); err == nil {
		t.Error("an absent directory is watched")
	}
	file := filepath.Join(t.TempDir(), "p.rego")
	write(t, file, header)
	if err := e.Watch(t.Context(), file, nil); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("got %v", err)
	}
}

func TestReloadsUnderLoadFailNoRequest(t *testing.T) {
	dir := policyDir(t, "/one")
	w := watch(t, dir, time.Hour)
	w.next(t, loaded)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if d, err := w.Decide(t.Context(), ask(w.Engine, "GET", "/never", "Viewer")); err != nil || d.Allowed || d.Code != "" {
				t.Errorf("got %+v, %v", d, err)
				return
			}
		}
	}()
	for i := range 20 {
		content, wanted := rules("/v"+string(rune('a'+i))), loaded
		if i%2 == 1 {
			content, wanted = header+"decision if input.nothing"+string(rune('a'+i))+"\n", broken
		}
		write(t, filepath.Join(dir, "authz.rego"), content)
		w.next(t, wanted)
	}
	close(stop)
	<-stopped
}
