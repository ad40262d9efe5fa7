package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/tracio-ai/ssogate/policies"
)

type checkConfigCmd struct {
	Insecure bool `help:"Check for serve --insecure."`
}

// Run reads the configuration and whatever it refers to. It changes nothing: no key is made, no database opened.
func (cmd checkConfigCmd) Run(a *app) error {
	found, err := cmd.check(a)
	if err != nil {
		return err
	}
	if a.json() {
		if found == nil {
			found = problems{}
		}
		if err := a.printJSON(found); err != nil {
			return err
		}
		if len(found) > 0 {
			return silent{}
		}
		return nil
	}
	return found.err()
}

func (cmd checkConfigCmd) check(a *app) (problems, error) {
	c, err := a.config()
	if many, ok := errors.AsType[problems](err); ok {
		return many, nil // the rest would be about a configuration that nobody wrote
	}
	if err != nil {
		return nil, err
	}
	var found problems
	found = found.add(c.allowInsecure(cmd.Insecure))
	found = append(found, c.checkSecrets(a)...)
	found = append(found, c.checkFiles()...)
	names, bad := c.checkPolicy(a)
	found = append(found, bad...)
	if names != nil {
		found = append(found, c.checkRoles(names)...)
	}
	slices.SortStableFunc(found, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return found, nil
}

// checkSecrets reads every secret and forgets it, and every provider's metadata.
func (c Config) checkSecrets(a *app) problems {
	var found problems
	if _, err := c.dsn(a.getenv); err != nil {
		found = found.add(err)
	}
	if c.RootKey.Env != "" || exists(c.RootKey.File) {
		_, err := c.sealer(a.getenv)
		found = found.add(err)
	}
	_, err := c.declared(a.getenv, a.now())
	return found.add(err)
}

// checkFiles looks whether the certificate and the CA file can be used.
func (c Config) checkFiles() problems {
	var found problems
	if c.Proxy.Cert != "" {
		if _, err := tls.LoadX509KeyPair(c.Proxy.Cert, c.Proxy.Key); err != nil {
			found = append(found, c.problem("envoy.tls", "", "envoy.tls: %s", certTrouble(err)))
		}
	}
	if c.Egress.CAFile != "" {
		if _, err := readLimited(c.Egress.CAFile, maxConfig); err != nil {
			found = append(found, c.problem("egress.ca_file", "", "egress.ca_file: %s", fileTrouble(err)))
		}
	}
	return found
}

func certTrouble(err error) string {
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return fileTrouble(err)
	}
	return strings.TrimPrefix(err.Error(), "tls: ")
}

// checkPolicy loads the policy as the gate would, tests included, and returns its roles.
func (c Config) checkPolicy(a *app) ([]string, problems) {
	files, err := c.policyFiles()
	if err != nil {
		return nil, problems(nil).add(err)
	}
	revision, err := policies.Load(a.ctx, files, c.policyOptions())
	if bad, ok := errors.AsType[*policies.LoadError](err); ok {
		var found problems
		for _, f := range bad.Findings {
			f = located(f, shortPath(c.Policy.Path))
			found = append(found, problem{File: f.File, Line: f.Line, Message: f.Message, Hint: f.Hint})
		}
		return nil, found
	}
	if err != nil {
		return nil, problems{c.problem("policy", "", "policy: %s", err)}
	}
	return revision.RoleNames(), nil
}

// checkRoles finds mappings to roles that the policy does not have: they would grant nothing, silently.
func (c Config) checkRoles(names []string) problems {
	var found problems
	for _, t := range c.Tenants {
		for _, m := range t.Mappings {
			if slices.Contains(names, m.Mapping.Role) {
				continue
			}
			hint := "its roles: " + strings.Join(names, ", ")
			if i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, m.Mapping.Role) }); i >= 0 {
				hint = fmt.Sprintf("did you mean %s?", names[i])
			}
			found = append(found, problem{File: c.File, Line: m.line, Hint: hint, Message: fmt.Sprintf("tenant %s: role %s is not in the policy", t.Tenant.ID, quote(m.Mapping.Role))})
		}
	}
	return found
}
