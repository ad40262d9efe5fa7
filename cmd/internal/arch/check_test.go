package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// source is a Go file.
type source struct {
	path, dir string
	test      bool // a _test.go file
	name      string
	comment   string
	imports   []string
	ast       *ast.File
}

// ours returns the package of this module that an import path names.
func ours(imported string) (string, bool) {
	return strings.CutPrefix(imported, modulePath+"/")
}

// load parses every Go file. Folders that go build passes over are passed over here too.
func load(tree fs.FS) ([]source, error) {
	var all []source
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		s, err := parse(name, text)
		all = append(all, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the source tree: %w", err)
	}
	return all, nil
}

func parse(name string, text []byte) (source, error) {
	f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{path: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), name: f.Name.Name, ast: f}
	s.comment = f.Doc.Text() // without build constraints, which are no comment
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// check returns every finding about the tree, sorted.
func check(tree fs.FS) ([]string, error) {
	all, err := load(tree)
	if err != nil {
		return nil, err
	}
	var findings []string
	for _, s := range all {
		findings = append(findings, checkPlace(s)...)
		for _, imported := range s.imports {
			findings = append(findings, checkImport(s, imported)...)
		}
	}
	findings = append(findings, checkComments(all)...)
	findings = append(findings, checkInterfaces(all)...)
	top, err := checkTopLevel(tree)
	if err != nil {
		return nil, err
	}
	findings = append(findings, top...)
	slices.Sort(findings)
	return slices.Compact(findings), nil
}

// floorOf returns a package's floor; known is false for one nobody has given a floor.
func floorOf(dir string) (floor int, known bool) {
	if inside(dir, "cmd") {
		return cmdFloor, true
	}
	if testPackages[dir] {
		return cmdFloor, true
	}
	floor, known = floors[dir]
	return floor, known
}

// checkPlace says whether a file may lie where it lies.
func checkPlace(s source) []string {
	if inside(s.dir, "policies/rego") {
		if s.test {
			return nil
		}
		return []string{s.path + ": policies/rego is the security team's folder: Rego and data, no Go; put it into policies"}
	}
	if _, known := floorOf(s.dir); known {
		return nil
	}
	return []string{s.dir + ": this package has no floor: give it the lowest one whose imports suffice, in floors of cmd/internal/arch/rules_test.go, or merge it into a package that has one"}
}

// shipped reports whether a file ends up in the gate: everything but tests, test packages and cmd/internal.
func (s source) shipped() bool {
	return !s.test && !testPackages[s.dir] && !inside(s.dir, "cmd/internal")
}

func checkImport(s source, imported string) []string {
	if !s.shipped() {
		return nil
	}
	if dir, ok := ours(imported); ok {
		return checkFloor(s, dir)
	}
	if why, ok := forbidden[imported]; ok {
		return []string{fmt.Sprintf("%s: must not import %s: %s", s.path, imported, why)}
	}
	return checkOwner(s, imported)
}

func checkFloor(s source, dir string) []string {
	if testPackages[dir] || inside(dir, "cmd/internal") {
		if inside(s.dir, "cmd/demo") {
			return nil
		}
		return []string{fmt.Sprintf("%s: must not import %s: it is for tests and the demo and must not ship", s.path, dir)}
	}
	from, known := floorOf(s.dir)
	if !known {
		return nil // checkPlace has said so
	}
	to, known := floorOf(dir)
	if !known || to < from {
		return nil
	}
	if _, ok := neighbours[[2]string{s.dir, dir}]; ok {
		return nil
	}
	return []string{fmt.Sprintf("%s: floor %d must not import %s on floor %d: declare the interface or func field you need and let cmd pass it in",
		s.path, from, dir, to)}
}

func checkOwner(s source, imported string) []string {
	for _, o := range owners {
		if !inside(imported, o.library) {
			continue
		}
		if !slices.ContainsFunc(o.who, func(w string) bool { return s.dir == w || w == "cmd" && inside(s.dir, w) }) {
			return []string{fmt.Sprintf("%s: must not import %s, which belongs to %s: %s", s.path, imported, ownerNames(o.who), o.why)}
		}
		if s.dir == "extauthz" && o.library == "github.com/envoyproxy/go-control-plane" && !isEnvoyFile(s.path) {
			return []string{fmt.Sprintf("%s: Envoy's messages stop at the edge: only files of extauthz named %s… may import %s; work on Request and Answer",
				s.path, strings.Join(envoyFiles, "…, "), imported)}
		}
	}
	return nil
}

func ownerNames(who []string) string {
	if len(who) == 0 {
		return "tests"
	}
	return strings.Join(who, ", ")
}

func isEnvoyFile(name string) bool {
	return slices.ContainsFunc(envoyFiles, func(prefix string) bool { return strings.HasPrefix(path.Base(name), prefix) })
}

// checkComments wants one package comment in each package, and that it begins like one.
func checkComments(all []source) []string {
	comments := map[string][]source{}
	for _, s := range all {
		if _, seen := comments[s.dir]; !seen {
			comments[s.dir] = nil
		}
		if s.comment != "" {
			comments[s.dir] = append(comments[s.dir], s)
		}
	}
	var findings []string
	for dir, in := range comments {
		if inside(dir, "policies/rego") {
			continue
		}
		if len(in) != 1 {
			findings = append(findings, fmt.Sprintf("%s: %d package comments: want one, saying what it is, what it promises and what it never does", dir, len(in)))
			continue
		}
		if s := in[0]; s.name != "main" && !strings.HasPrefix(s.comment, "Package "+s.name+" ") {
			findings = append(findings, fmt.Sprintf("%s: the package comment must begin with %q", s.path, "Package "+s.name))
		}
	}
	return findings
}

// checkInterfaces counts methods, those of embedded interfaces of the same package included.
func checkInterfaces(all []source) []string {
	type key struct{ dir, name string }
	declared := map[key]*ast.InterfaceType{}
	for _, s := range all {
		for _, decl := range s.ast.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok {
					if i, ok := t.Type.(*ast.InterfaceType); ok {
						declared[key{s.dir, t.Name.Name}] = i
					}
				}
			}
		}
	}
	var count func(dir string, i *ast.InterfaceType, depth int) int
	count = func(dir string, i *ast.InterfaceType, depth int) int {
		n := 0
		for _, field := range i.Methods.List {
			id, embedded := field.Type.(*ast.Ident)
			switch {
			case len(field.Names) > 0:
				n += len(field.Names)
			case embedded && declared[key{dir, id.Name}] != nil && depth < 10:
				n += count(dir, declared[key{dir, id.Name}], depth+1)
			default:
				n++ // another package's: at least one
			}
		}
		return n
	}
	var findings []string
	for _, s := range all {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok {
				if methods := count(s.dir, i, 0); methods > maxMethods {
					findings = append(findings, fmt.Sprintf("%s: an interface with %d methods: at most %d, or nobody can implement or fake it; split it by who calls it",
						s.path, methods, maxMethods))
				}
			}
			return true
		})
	}
	return findings
}

// checkTopLevel compares the root with the list: the first thing a newcomer sees is the architecture.
func checkTopLevel(tree fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(tree, ".")
	if err != nil {
		return nil, fmt.Errorf("read the source tree: %w", err)
	}
	var findings []string
	missing := slices.Clone(topLevel)
	for _, e := range entries {
		name := e.Name()
		if i := slices.Index(missing, name); i >= 0 {
			missing = slices.Delete(missing, i, i+1)
			continue
		}
		if slices.Contains(ignored, name) || slices.Contains([]string{".test", ".prof", ".out"}, path.Ext(name)) {
			continue
		}
		findings = append(findings, name+": does not belong at the top level: move it into the folder whose job it does")
	}
	for _, name := range missing {
		findings = append(findings, name+": is missing at the top level")
	}
	return findings, nil
}
