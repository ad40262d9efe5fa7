package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tracio-ai/ssogate/cmd/internal/e2e/tools"
	"github.com/tracio-ai/ssogate/idp/idptest"
)

// demo is one start of everything.
type demo struct {
	options
	out    io.Writer
	root   string // of the repository
	ports  *ports
	client *http.Client // asks the parts how they are
	panel  *idptest.Panel
	saml   *idptest.SAMLIdP
	parts  []*part // in the order they were started
}

func newDemo(o options, out io.Writer) (*demo, error) {
	root, err := tools.Root()
	if err != nil {
		return nil, fmt.Errorf("%w\n  run it inside the repository", err)
	}
	if o.dir == "" {
		o.dir = filepath.Join(root, ".run", "demo")
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return nil, fmt.Errorf("find --dir: %w", err)
	}
	return &demo{options: o, out: out, root: root, client: &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// url is the one address to open. Browsers leave out port 80.
func (d *demo) url() string {
	if d.ports.public.port == 80 {
		return "http://localhost"
	}
	return "http://localhost:" + strconv.Itoa(d.ports.public.port)
}

// issuer lies on 127.0.0.1, not localhost: cookies ignore ports, and the provider is to be another site as it is in
// real life.
func (d *demo) issuer() string { return "http://" + d.ports.idp.address() }

func (d *demo) file(name string) string { return filepath.Join(d.dir, name) }

func (d *demo) binary() string { return filepath.Join(d.root, ".run", "ssogate") }

// run starts everything, and ends everything before it returns.
func (d *demo) run(ctx context.Context) (err error) {
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if d.ports, err = reserve(d.options); err != nil {
		return err
	}
	defer d.ports.free()
	defer d.end(ctx)
	if err := d.start(ctx); err != nil {
		return err
	}
	d.banner()
	return d.watch(ctx)
}

// lock keeps a second demo out of the folder: it would overwrite the files of the first.
func (d *demo) lock() (unlock func(), err error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the demo's folder: %w\n  choose another with --dir", err)
	}
	f, err := os.OpenFile(d.file("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the demo's folder: %w\n  choose another with --dir", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner, _ := io.ReadAll(io.LimitReader(f, 20)) // only to name it
		_ = f.Close()
		return nil, fmt.Errorf("a demo runs already in %s (process %s)\n  end it with Ctrl-C where it runs, or choose another folder and ports:   go run ./cmd/demo --dir .run/demo2 --port 0 --idp-port 0", short(d.dir), owner)
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return func() { _ = f.Close() }, nil // closing unlocks
}

func (d *demo) start(ctx context.Context) error {
	if err := d.build(ctx); err != nil {
		return err
	}
	envoy, version, err := d.findEnvoy(ctx)
	if err != nil {
		return err
	}
	say(d.out, "starting: Envoy %s, the gate, the demo identity provider, the demo dashboard …", version)
	if err := d.startServers(); err != nil {
		return err
	}
	if err := d.startGate(ctx); err != nil {
		return err
	}
	if err := d.introduceSAML(ctx); err != nil {
		return err
	}
	if err := d.startEnvoy(ctx, envoy, version); err != nil {
		return err
	}
	return d.provision(ctx)
}

// findEnvoy looks for Envoy, and installs it where there is none.
func (d *demo) findEnvoy(ctx context.Context) (path, version string, err error) {
	path, version, err = tools.NameEnvoy.Find(ctx, false)
	if err == nil {
		return path, version, nil
	}
	say(d.out, "installing Envoy into .tools (a download of some tens of megabytes) …")
	path, version, err = tools.Envoy(ctx)
	if err != nil {
		return "", "", fmt.Errorf("find Envoy: %w", err)
	}
	return path, version, nil
}

// build makes the gate. Go's own cache makes the second time quick.
func (d *demo) build(ctx context.Context) error {
	say(d.out, "building the gate into %s (the first time takes some minutes) …", short(d.binary()))
	if err := os.MkdirAll(filepath.Dir(d.binary()), 0o755); err != nil {
		return fmt.Errorf("build the gate: %w", err)
	}
	p, err := startProgram("go build", d.file("build.log"), d.root, "go", "build", "-o", d.binary(), "./cmd/ssogate")
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		p.stop()
		return ctx.Err()
	case <-p.ended:
	}
	if p.err != nil {
		return p.died()
	}
	return nil
}

// startServers starts what runs in this process: the pretend provider, with new keys each time, and the dashboard.
func (d *demo) startServers() error {
	secret, err := clientSecret(d.file("client.secret"))
	if err != nil {
		return err
	}
	op, err := idptest.New(idptest.Options{
		Issuer: d.issuer(), People: persons(), Now: time.Now, Note: "Their groups decide what they may do.", Panel: panelPath,
		Clients: []idptest.Client{{
			ID: clientID, Secret: secret,
			RedirectURIs:           []string{d.url() + "/auth/callback/oidc/" + connectionID, d.url() + "/auth/callback/oidc"},
			PostLogoutRedirectURIs: []string{d.url() + "/auth/logout"},
		}},
	})
	if err != nil {
		return fmt.Errorf("demo identity provider: %w", err)
	}
	if d.saml, err = d.samlProvider(); err != nil {
		return err
	}
	if err := d.serve("the demo identity provider", "idp.log", d.ports.idp, d.provider(op)); err != nil {
		return err
	}
	return d.serve("the demo dashboard", "dashboard.log", d.ports.dashboard, newDashboard(&verifier{
		KeySet: "http://" + d.ports.http.address() + "/auth/jwks.json", Issuer: d.url(), Audience: d.url(),
		Client: d.client, Now: time.Now,
	}))
}

func (d *demo) serve(name, log string, at *reservation, h http.Handler) error {
	p, err := startServer(name, d.file(log), at.take(), h)
	if err != nil {
		return err
	}
	d.parts = append(d.parts, p)
	return nil
}

func (d *demo) startGate(ctx context.Context) error {
	config := d.file("ssogate.yaml")
	if err := os.WriteFile(config, []byte(d.settings()), 0o600); err != nil {
		return fmt.Errorf("write the gate's configuration: %w", err)
	}
	if err := os.Remove(d.file("decisions.log")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("begin the decision log anew: %w", err)
	}
	for _, r := range []*reservation{d.ports.check, d.ports.http, d.ports.ops} {
		r.free()
	}
	p, err := startProgram("the gate", d.file("gate.log"), d.dir, d.binary(), "serve", "--insecure", "-c", config)
	if err != nil {
		return err
	}
	d.parts = append(d.parts, p)
	return p.wait(ctx, "get ready", func(ctx context.Context) bool {
		return d.answers(ctx, d.ports.ops, "/readyz", http.StatusOK)
	})
}

// startEnvoy renders Envoy's configuration with the gate's own command and waits until a check goes all the way.
func (d *demo) startEnvoy(ctx context.Context, envoy, version string) error {
	socket, err := d.adminSocket()
	if err != nil {
		return err
	}
	rendered, err := d.ssogate(ctx, "envoy", "config", "--plain",
		"-c", d.file("ssogate.yaml"), "--admin", socket, "--target", release(version))
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.file("envoy.yaml"), rendered, 0o600); err != nil {
		return fmt.Errorf("write Envoy's configuration: %w", err)
	}
	d.ports.public.free()
	p, err := startProgram("Envoy", d.file("envoy.log"), d.dir, envoy,
		"-c", d.file("envoy.yaml"), "--log-level", "warning", "--disable-hot-restart", "--concurrency", "2")
	if err != nil {
		return err
	}
	d.parts = append(d.parts, p)
	return p.wait(ctx, "ask the gate", func(ctx context.Context) bool {
		return d.answers(ctx, d.ports.public, "/api/v1/events", http.StatusUnauthorized)
	})
}

// ssogate runs a command of the gate's and returns what it printed.
func (d *demo) ssogate(ctx context.Context, args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, d.binary(), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ssogate %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// adminSocket names a free socket for Envoy's admin interface. A socket's path has room for about a hundred bytes.
func (d *demo) adminSocket() (string, error) {
	path := d.file("admin.sock")
	if len(path) > 100 {
		path = filepath.Join(os.TempDir(), fmt.Sprintf("ssogate-demo-%d.sock", os.Getpid()))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("remove the old admin socket: %w", err)
	}
	return path, nil
}

// release is the newest configuration format that this Envoy reads.
func release(version string) string {
	major, minor := 0, 0
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major != 1 || minor > 40 {
		return "1.40"
	}
	return fmt.Sprintf("%d.%d", major, minor)
}

// answers asks a part on its port. The host is the dashboard's, whom Envoy alone answers for.
func (d *demo) answers(ctx context.Context, at *reservation, path string, want int) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at.address()+path, nil)
	if err != nil {
		return false
	}
	if at == d.ports.public {
		r.Host = net.JoinHostPort("localhost", strconv.Itoa(at.port))
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == want
}

// watch is quiet until the demo is to end, a part ends by itself or the policy changes.
func (d *demo) watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last, _ := d.policy(ctx)
	for {
		for _, p := range d.parts {
			select {
			case <-p.ended:
				return p.died()
			default:
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if now, ok := d.policy(ctx); ok && now != last {
				last = now
				now.tell(d.out)
			}
		}
	}
}

// inForce is which policy the gate serves, and why it did not take a newer one.
type inForce struct {
	Revision  string `json:"revision"`
	LastError string `json:"last_error"`
}

func (p inForce) tell(out io.Writer) {
	if p.LastError == "" {
		say(out, "policy: your edit is in force (revision %.19s)", p.Revision)
		return
	}
	say(out, "policy: your edit is not taken over, revision %.19s stays in force:\n  %.2000s", p.Revision, p.LastError)
}

func (d *demo) policy(ctx context.Context) (inForce, bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.ports.ops.address()+"/readyz", nil)
	if err != nil {
		return inForce{}, false
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return inForce{}, false
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	var body struct{ Policy inForce }
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body)
	return body.Policy, err == nil && body.Policy.Revision != ""
}

// end stops every part, the one in front first: nobody is answered by half of it.
func (d *demo) end(ctx context.Context) {
	if len(d.parts) > 0 && ctx.Err() != nil {
		say(d.out, "\nending (the gate lets go of its checks for five seconds) …")
	}
	for _, p := range slices.Backward(d.parts) {
		p.stop()
	}
	_ = os.Remove(d.file("admin.sock")) // Envoy leaves it behind
	if ctx.Err() != nil {
		say(d.out, "everything has ended; database, keys and logs are in %s", short(d.dir))
	}
}
