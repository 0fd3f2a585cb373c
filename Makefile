# Guichet: `make help` lists what can be done.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X github.com/educareschool/guichet/pkg/service.version=$(VERSION)
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/
LISTEN ?=
DATA ?= .guichet
PROFILES ?=

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/ingester, bin/worker and bin/guichet.
	@command -v $(GO) >/dev/null || { echo "Go is missing: install it from https://go.dev/dl, then try again." >&2; exit 1; }
	$(BUILD) ./cmd/ingester ./cmd/worker ./cmd/guichet

.PHONY: run
run: build ## Run everything on this machine, play the guide's cases, and keep serving (LISTEN=host:port, DATA=folder).
	@[ -n "$$DATABASE_URL" ] || .ci/need postgresql
	@exec bin/guichet dev --data '$(DATA)' $(if $(LISTEN),--listen '$(LISTEN)')

# Compose reads .env by itself, unless another file is named.
ENV_FILES := $(if $(findstring cluster,$(PROFILES)),$(wildcard .env) deploy/cluster.env)
COMPOSE = $(if $(PROFILES),COMPOSE_PROFILES='$(PROFILES)') VERSION='$(VERSION)' docker compose $(ENV_FILES:%=--env-file %) \
	--file docker-compose.yml $(if $(wildcard deploy/secrets/stripe_api_key),--file deploy/stripe-api.yml)

.PHONY: up
up: ## Run everything in containers on this machine (PROFILES=observe,cluster); mails on http://127.0.0.1:8025.
	@deploy/make-secrets
	$(COMPOSE) up --build --detach --wait

.PHONY: down
down: ## Stop and remove those containers; what they have stored stays.
	$(COMPOSE) --profile '*' down

.PHONY: test
test: ## Run every test, with the race detector where a C compiler is there.
	@.ci/need postgresql prometheus
	@.ci/test

# Scenarios wait more than they work: more of them run at once than there are processors. The package's other tests are
# make test's.
CHAOS = $(GO) test -count=1 -parallel 4 -timeout 5h -v -run NoAcknowledgedEvent ./cmd/chaos | grep --line-buffered -v '^=== '

.PHONY: chaos
chaos: ## Inject every fault a few times and hold every acknowledged event against what came of it; needs root and Linux.
	@.ci/need postgresql strace
	@set -o pipefail; GUICHET_CHAOS=short $(CHAOS)
	$(GO) test -count=1 -run 'ThreeDays|ChangeOfClocks' ./pkg/store
	@.ci/fuzz 10000x blind

.PHONY: chaos-long
chaos-long: ## The same with every fault up to hundreds of times: some hours.
	@.ci/need postgresql strace
	@set -o pipefail; GUICHET_CHAOS=long $(CHAOS)
	$(GO) test -count=20 -timeout 1h -run 'ThreeDays|ChangeOfClocks' ./pkg/store
	@.ci/fuzz 200000x

.PHONY: metrics
metrics: ## Write the table of docs/metrics.md anew, from what the running services tell.
	@.ci/need postgresql
	$(GO) test ./deploy -run TestMetrics_TheTableInTheDocs -update-metrics

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what the programs call, where their database can be reached.
	@.ci/vuln

.PHONY: lint
lint: ## Check format, vet and golangci-lint, at the versions pinned in .ci/tools.
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=.ci/tools/go.mod golangci-lint run ./...
	cd .ci/manifests && $(GO) vet ./... && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...

.PHONY: bench
bench: build bin/bench ## Measure everything beside its baselines, in under ten minutes (BENCH='-rows drain -runs 3', see bin/bench -h).
	bin/bench -json bin/bench.json -benchmarks bin/benchmarks.txt $(BENCH)
	@[ ! -f bin/benchmarks.txt ] || $(GO) tool -modfile=.ci/tools/go.mod benchstat bin/benchmarks.txt

.PHONY: bench-growth
bench-growth: build bin/bench ## Measure what takes long: millions of rows and messages, a hot event, 100,000 deadlines; takes 20 GB of disk.
	bin/bench -growth -json bin/bench-growth.json $(BENCH)

.PHONY: bin/bench
bin/bench:
	@.ci/need postgresql
	$(BUILD) ./cmd/bench

.PHONY: fuzz
fuzz: ## Run each fuzz target FUZZTIME (default 100000x, so many times).
	@.ci/fuzz $${FUZZTIME:-100000x}

.PHONY: clean
clean: ## Remove what was built; data in .guichet stay.
	rm -rf bin
