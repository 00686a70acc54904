# HNP: everything a person runs, by name. `make` lists it. Plain POSIX sh and GNU make 3.81 or newer.
#
# One feature set and one set of flags for every native command (NATIVE), one for the browser (CLIENT):
# cargo then builds each crate once for all of them. Never narrow one of them with `-p`.

NATIVE := --workspace --exclude frontend --features app/ssr
CLIENT := -p app -p frontend --features app/hydrate --target wasm32-unknown-unknown
LOCKED := $(if $(CI),--locked)

TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(CURDIR)/target)
SITE   := $(TARGET)/site

# What the browser tests drive: the debug server is already built by the unit tests, and the release
# client is the one whose size is judged, so nothing is built for them alone. E2E_SERVER=release and
# CLIENT_PROFILE=dev are for trying other pairs.
E2E_SERVER     ?= debug
CLIENT_PROFILE ?= release
# Passed on by demo, dev, e2e, unit and bench.
ARGS ?=

NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)
STEP    := .ci/step

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-test demo dev test lint lint-native lint-client fmt fmt-check licences floors advisories \
        e2e-types unit doctest doc client size fuzz e2e e2e-server bench chaos mutants release clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## check tools, install what building needs
	@.ci/setup demo

setup-test: ## check tools, install what testing needs
	@.ci/setup test

demo: setup ## build and run the whole product on embedded parts (ARGS="--seed 7")
	@node frontend/build.mjs --profile release --out "$(SITE)"
	@cargo build $(LOCKED) --release -p server --bin hnp
	@HNP_SITE="$(SITE)" "$(TARGET)/release/hnp" demo $(ARGS)

dev: setup ## the demo, rebuilt and restarted at every change of a source
	@node frontend/dev.mjs $(ARGS)

# Cheapest first. `make -k test` goes on after a failure and shows them all.
test: setup-test fmt-check e2e-types licences floors advisories lint unit doctest doc client size fuzz e2e ## everything CI runs

lint: lint-native lint-client ## clippy, warnings refused

lint-native:
	@$(STEP) clippy-native cargo clippy $(LOCKED) $(NATIVE) --all-targets -- -D warnings

lint-client:
	@$(STEP) clippy-client cargo clippy $(LOCKED) $(CLIENT) --lib -- -D warnings

fmt: ## format the sources
	@cargo fmt --all

fmt-check:
	@$(STEP) fmt cargo fmt --all --check

licences: ## licences, refused and duplicate crates
	@$(STEP) licences node .ci/checks.mjs licences

floors: ## who may depend on whom; lengths of files
	@$(STEP) floors node .ci/checks.mjs floors

advisories: ## known vulnerabilities, where the database can be reached
	@.ci/advisories

e2e-types:
	@$(STEP) e2e-types sh -c 'cd end2end && node_modules/.bin/tsc --noEmit'

unit: ## unit, property and integration tests (ARGS=name)
	@$(STEP) -t unit cargo $(if $(NEXTEST),nextest run --no-tests=pass,test --lib --bins --tests) --no-fail-fast $(LOCKED) $(NATIVE) $(ARGS)

doctest: ## the examples in the documentation
	@$(STEP) -t doctest cargo test --doc --no-fail-fast $(LOCKED) $(NATIVE)

doc: ## the code's documentation, broken links refused (target/doc)
	@$(STEP) doc env RUSTDOCFLAGS="-D warnings" cargo doc --no-deps $(LOCKED) $(NATIVE)

client: ## build the browser's half into target/site
	@$(STEP) client node frontend/build.mjs --profile $(CLIENT_PROFILE) --out "$(SITE)"

size: ## judge the first visit's bytes (after `make client`)
	@$(STEP) size node .ci/checks.mjs size "$(SITE)"

# `--tests` so that the features are those of the unit tests: after them this builds nothing.
e2e-server:
	@$(STEP) e2e-server cargo build $(LOCKED) $(NATIVE) --bins $(if $(filter release,$(E2E_SERVER)),--release,--tests)

e2e: setup-test client e2e-server ## journeys in a real browser (ARGS="switches --headed")
	@rm -f end2end/.out/results.json
	@$(STEP) -t e2e sh -c 'cd end2end && HNP_BIN="$(TARGET)/$(E2E_SERVER)/hnp" HNP_SITE="$(SITE)" node_modules/.bin/playwright test $(ARGS)'

# Says by itself how it ended: where it was skipped, nothing is counted.
fuzz: setup-test e2e-server ## hold a running demo against its own OpenAPI description (EXAMPLES=100)
	@node .ci/fuzz.mjs "$(TARGET)/$(E2E_SERVER)/hnp" "$(SITE)" $(or $(EXAMPLES),12)

# The same features as everything native: one release build serves all. --docs writes docs/benchmarks.md.
bench: setup-test client ## measure against the budgets (ARGS="fan --docs"), never a failure by time
	@ulimit -n $$(ulimit -H -n) 2>/dev/null; HNP_SITE="$(SITE)" cargo bench $(LOCKED) $(NATIVE) --bench live -- $(ARGS)

# Random faults on both sides of the release binary, and the truth at the end. --seed says which faults.
# Not part of `make test`: it builds a copy. The model itself is a unit test and finds broken servers in every run.
mutants: ## plant bugs in the live stream that its model must find (ARGS="stale-in-the-log")
	@node .ci/mutants.mjs $(ARGS)

chaos: ## minutes of faults, then: does everybody know the truth? (ARGS="--minutes 5 --seed 7")
	@ulimit -n $$(ulimit -H -n) 2>/dev/null; cargo bench $(LOCKED) $(NATIVE) --bench chaos -- $(ARGS)

release: setup ## server and site as one archive (target/dist)
	@node frontend/build.mjs --profile release --out "$(SITE)"
	@cargo build $(LOCKED) --release -p server --bin hnp
	@.ci/pack "$(TARGET)"

clean: ## remove what was built; keeps data/
	cargo clean
	rm -rf node_modules end2end/node_modules end2end/.out
