# Everything here needs Python 3.11 or newer, git and make, and nothing else installed beforehand.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The pins are complete. Left to resolve, pip would try the newest release of what another package
# asks for with extras ("coverage[toml]"), and stop there, since that release has no hash here.
INSTALL_PINNED := $(INSTALL) --no-deps --require-hashes

# Other people's tools that ours are tested with, where they cannot share an environment with us.
INTEROP := $(patsubst %,.venv/interop/%/made,jsonl postgres)
# What only the tests need that take minutes.
INTEROP_LONG := $(patsubst %,.venv/interop/%/made,csv dagster)

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadgroup

# Seconds and seed of `make soak` and `make fuzz SECONDS=3600 SEED=7`; without a seed they draw one
# and print it.
SECONDS ?= 600
SEED ?=
# The only case that `make fuzz SEED=7 CASE=123` plays; the file to which it appends its counts.
CASE ?=
COUNTS ?=
# Whose advisories `make audit` asks for; `pip-audit --help` lists the services.
ADVISORIES ?= osv
GENERATED := README.md docs/architecture.md docs/benchmarks.md docs/errors.md meltano.yml plugins/*.yml
MODULES ?= target_marketo_opps.state.ledger target_marketo_opps.delivery.waiting

.PHONY: demo test test-fast test-long soak fuzz bench bench-full mutation lint types check audit dist docs lock clean

demo: .venv/demo  ## run the real tap into the real target, between two sandbox instances
	$(BIN)/marketo-sandbox demo

test: .venv/dev $(INTEROP)  ## all tests but those that take minutes
	$(PYTEST) -m "not long" tests

test-fast: .venv/dev  ## the tests that neither start processes nor wait: under a minute
	$(PYTEST) -m "not slow and not waits and not long" tests

test-long: .venv/dev $(INTEROP) $(INTEROP_LONG)  ## the tests that take minutes
	$(PYTEST) -m long --timeout 3000 tests

soak: .venv/dev  ## the pair for as long as you like, with all that can go wrong
	$(BIN)/python -m tests.soak --seconds $(SECONDS) $(addprefix --seed ,$(SEED)) \
		$(addprefix --counts ,$(COUNTS))

# A claim that does not hold ends it with 1, and yet docs/benchmarks.md tells what was measured.
MEASURE = missed=0; $(BIN)/python benchmarks/bench.py $(1) || missed=$$?; $(MAKE) docs && exit $$missed

fuzz: .venv/dev  ## random runs of tap and target, with faults and kills, judged by a model
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(addprefix --seed ,$(SEED)) \
		$(addprefix --case ,$(CASE)) $(addprefix --counts ,$(COUNTS))

bench: .venv/dev  ## the figures of docs/benchmarks.md, in 20 minutes on a quiet machine
	@$(call MEASURE)

bench-full: .venv/dev  ## the same with up to a million records; takes an hour
	@$(call MEASURE,--size full)

mutation: .venv/dev  ## which broken rules no test notices, in these modules
	$(BIN)/python -m tests.mutation $(MODULES)

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

docs: .venv/dev  ## write the generated tables anew
	$(BIN)/python -m cogapp -r -I docs -I benchmarks $(GENERATED)

check: lint types test  ## what CI runs

# Not part of `check`: a new advisory would fail a change that has nothing to do with it. Strict,
# or a package that the service knows nothing of is passed over, and the rest called clean.
audit: .venv/release/pinned  ## known vulnerabilities in all that is pinned
	.venv/release/bin/pip-audit --strict --disable-pip \
		--vulnerability-service $(ADVISORIES) $(addprefix -r ,$(wildcard requirements/*.txt))

dist: .venv/dev .venv/release/pinned  ## the wheel and the sdist, built offline and checked
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	.venv/release/bin/twine check --strict dist/*

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/demo: requirements/run.txt pyproject.toml | .venv/bin/python
	$(INSTALL_PINNED) -r requirements/run.txt
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt .venv/demo
	$(INSTALL_PINNED) -r requirements/dev.txt
	@touch $@

.venv/release/pinned: requirements/release.txt | .venv/bin/python
	$(BIN)/python -m venv $(@D)
	$(INSTALL_PINNED:$(BIN)%=$(@D)/bin%) -r $<
	@touch $@

# Environments without a pip of their own: made in a second. What old packages are built with is
# pinned, too, so nothing is fetched for that.
.venv/interop/%/made: requirements/interop-%.txt requirements/interop-build.txt | .venv/dev
	$(BIN)/python -m venv --clear --without-pip $(@D)
	$(subst pip install,pip --python $(@D) install,$(INSTALL_PINNED)) -r requirements/interop-build.txt
	$(subst pip install,pip --python $(@D) install,$(INSTALL_PINNED)) --no-build-isolation -r $<
	@touch $@

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate
LOCK := $(COMPILE) --extra sandbox pyproject.toml

lock:  ## pin anew (needs uv)
	$(LOCK) requirements/build.in --group dev -o requirements/dev.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) requirements/release.in -c requirements/dev.txt -o requirements/release.txt
	for each in build csv dagster jsonl postgres; do \
		$(COMPILE) requirements/interop-$$each.in -o requirements/interop-$$each.txt || exit; done

clean:
	rm -rf .venv
