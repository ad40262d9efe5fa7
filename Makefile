# Bare `make` lists the targets. Only Go and make are needed to begin: `make tools` fetches the rest, and `make run`
# and `make test` call for what they need of it.

LINT_VERSION  := v2.15.0
PERF_VERSION  := v0.0.0-20260908200009-22c9c6c9d4da
LINT          := .tools/bin/golangci-lint-$(LINT_VERSION)
FUZZTIME      ?= 30s
BENCH         ?= .
BENCHCOUNT    ?= 10
BENCHBASE     ?= .run/bench-base.txt
SOURCES       := cmd envoy extauthz idp policies scim

.PHONY: help tools run test unit check bench bench-save fuzz update testrun
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

tools: testrun ## install what is missing: by apt-get (sudo where not root), Envoy and Node into .tools
	@.run/testrun tools

run: testrun ## the whole story: Envoy, gate, pretend IdP, pretend dashboard; prints the URL to open
	@.run/testrun tools ENVOY
	@go build -o .run/demo-bin ./cmd/demo && exec .run/demo-bin

test: testrun ## everything that can fail, on real tools; one that is missing is a failure
	@.run/testrun test ./...

unit: ## the fast part of it, no tools needed, about a minute
	@go test $$(go list ./... | grep -v /cmd/internal/e2e)

check: $(LINT) ## gofmt, vet, go fix, lint, the tree's own rules, policy check, go.mod
	@files=$$(gofmt -l $(SOURCES)); test -z "$$files" || { echo "gofmt -w $$files"; exit 1; }
	go vet ./...
	go fix -diff ./...
	$(LINT) run ./...
	go test -count=1 ./cmd/internal/arch
	go run ./cmd/ssogate policy check
	go mod tidy -diff

bench: ## benchmarks, compared with those `make bench-save` kept; BENCH=Check chooses
	@mkdir -p .run
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) -timeout 2h ./... > .run/bench.txt || { cat .run/bench.txt; exit 1; }
	@base=; test ! -f $(BENCHBASE) || base=$(BENCHBASE); \
		go run golang.org/x/perf/cmd/benchstat@$(PERF_VERSION) $$base .run/bench.txt

bench-save: ## keep the last benchmarks as what the next ones are compared with
	cp .run/bench.txt $(BENCHBASE)

fuzz: ## every fuzz target for 30 s, one after the other; FUZZTIME=5m for longer
	@set -eu; for package in $$(go list ./...); do \
		found=$$(go test -list '^Fuzz' $$package); \
		for target in $$(echo "$$found" | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

update: ## write the golden files anew; look at the difference before you commit it
	UPDATE=1 go test ./...

testrun:
	@mkdir -p .run
	@go build -o .run/testrun ./cmd/internal/testrun

$(LINT):
	@mkdir -p .tools/bin
	GOBIN=$(CURDIR)/.tools/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv .tools/bin/golangci-lint $@
