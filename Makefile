# Every command of the project. `make` alone prints this list.
#
# Each recipe sources scripts/env.sh first, which picks the compiler and the tools that scripts/setup.sh provided,
# so that every target, on every machine, builds with the same ones.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

ENV := source scripts/env.sh;
SERVER := target/release/tidemark

.PHONY: help
help: ## Print this list.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## Set up, build, and run Tidemark with a demo workspace on a local database.
	@scripts/setup.sh compiler packages tools
	@$(MAKE) --no-print-directory build
	@$(ENV) exec $(SERVER) demo

.PHONY: test
test: ## Set up and run every check: format, lints, tests of both faces, and real browsers.
	@scripts/setup.sh compiler packages tools browser
	@for target in lint unit golden build e2e; do $(MAKE) --no-print-directory "$$target" || exit 1; done

.PHONY: setup
setup: ## Install everything that any target needs, and nothing that is already there.
	@scripts/setup.sh compiler packages tools browser watcher

.PHONY: dev
dev: ## Rebuild on every change and serve it at 127.0.0.1:3000; reload the page yourself.
	@scripts/setup.sh compiler packages tools watcher
	@$(ENV) exec cargo leptos watch --split -- demo

# As many connections as the figure for idle ones opens, on both ends.
.PHONY: bench
bench: ## Measure this machine: pure code, then a real server with real clients; see docs/BENCHMARKS.md.
	$(ENV) cargo bench --locked --features ssr --bench merge
	$(ENV) cargo build --release --locked --features ssr --bin tidemark
	ulimit -n 8192 2>/dev/null || ulimit -n "$$(ulimit -Hn)"; exec $(SERVER) bench $(BENCH)

.PHONY: bench-node
bench-node: ## Measure writes and propagation beside a bare server in Node, whose packages it fetches first.
	npm ci --prefix benches/node
	$(ENV) cargo build --release --locked --features ssr --bin tidemark
	ulimit -n 8192 2>/dev/null || ulimit -n "$$(ulimit -Hn)"; \
	exec $(SERVER) bench --only writes,propagation --beside 'node benches/node/server.mjs'

.PHONY: build
build: ## Build the product: the server with its browser face, optimised.
	@scripts/build.sh

.PHONY: fmt
fmt: ## Format the Rust code.
	$(ENV) cargo fmt

# Clippy uses the profiles and folders of the real builds, so that build scripts and macros are compiled once.
.PHONY: lint
lint: ## Check format, lints of both faces with warnings denied, and the types of the browser tests.
	$(ENV) cargo fmt --check
	$(ENV) cargo clippy --release --locked --features ssr --all-targets -- --deny warnings
	$(ENV) cargo clippy --profile wasm-release --locked --lib --features hydrate \
	  --target wasm32-unknown-unknown --target-dir target/front -- --deny warnings
	$(ENV) npm run --silent typecheck

.PHONY: unit
unit: ## Run the tests that need no browser: units, properties, simulation, store, server, style.
	$(ENV) cargo test --release --locked --features ssr

# Without a face the crate is `model` and `sync` alone, so nothing of the screens is compiled for this.
.PHONY: golden
golden: ## Check in WebAssembly that every message has its frozen bytes, as `make unit` does natively.
	$(ENV) CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
	  cargo test --locked --target wasm32-unknown-unknown --test golden

.PHONY: e2e
e2e: ## Run the browser tests in end2end/ against the product that `make build` made.
	$(ENV) npm run --silent e2e
