# The short verbs. `make demo` and `make test` need Python 3.11 to 3.13 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# What `make test` runs.
USUAL := -m "not slow and not browser" --ignore tests/crash --ignore tests/faults

# Holds how many seconds a person waits for the first record: nothing else may run beside it.
FIRST_HOUR := tests/acceptance/test_first_hour.py

# Where the tests are that `make check-browser` runs.
PAGES := tests/acceptance tests/browser tests/docs

# Hundreds of processes start in the tests: whoever has switched this off compiles loopd in each one.
fast test check-browser check-faults check-full coverage soak: export PYTHONDONTWRITEBYTECODE =

export HF_HUB_OFFLINE = 1
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: help demo fast test check check-browser check-faults check-full coverage check-servers check-opensearch check-postgresql check-guests soak mutants lint types format build docs docs-serve pictures install optional clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## build the virtual environment

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "constraints.txt is for Python 3.11 to 3.13; try: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	-$(BIN)/python -m pip uninstall --quiet --yes loopd 2>/dev/null # as it was called before
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[server,postgresql,offline,annotators,spans,tensorboard,mlflow,xlsx,docs,dev]"
	touch $(STAMP)

demo: $(STAMP) ## watch the whole loop work, in a few minutes
	$(BIN)/loopd demo

test: lint types $(STAMP) ## lint, types and all tests that fit into 12 minutes
	$(BIN)/python -m pytest -n 3 --dist loadgroup $(USUAL)

fast: $(STAMP) ## the tests that need no server, no model and no process, in under a minute
	$(BIN)/python -m pytest -n 2 -q -m "not slow and not long and not integration and not acceptance and not browser and not crash"

check: test check-browser check-faults check-guests check-postgresql check-opensearch ## what CI runs

check-browser: $(STAMP) ## the pages in headless Chromium; some 5 minutes
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "browser and not slow" $(PAGES)

check-faults: $(STAMP) ## kills and outages, among other people at work; some 5 minutes
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not slow" tests/crash tests/faults

check-full: lint types optional ## everything, also the slow tests and those of optional packages
	$(BIN)/python -m pytest -n 3 --dist loadgroup --ignore $(FIRST_HOUR)
	$(BIN)/python -m pytest $(FIRST_HOUR)

optional: $(STAMP) ## add what some tests are skipped without; hnswlib needs a C++ compiler
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[setfit]"
	-$(BIN)/python -m pip install --quiet -c constraints.txt hnswlib

soak: $(STAMP) ## the 1,100 histories with faults that are part of check-full; an hour or so, on a quiet machine
	$(BIN)/python -m pytest -n 2 --dist loadgroup tests/faults

coverage: $(STAMP) ## the branches of machine, storage, consensus, annotation and loop that `make test` takes: at least 95 %
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n 3 --dist loadgroup -q $(USUAL) --cov --cov-report=
	$(BIN)/python -m tests.branches

mutants: $(STAMP) ## plant faults in a copy, one by one, and see whether quick tests notice; JOBS=2; a few minutes
	$(BIN)/python -m tests.mutants --jobs $(or $(JOBS),1)

check-servers: $(STAMP) ## the tests on every server of docs/servers.md, or NAMES="...", PARTS=..., or URL=...; for hours
	$(BIN)/python -m tests.servers.matrix $(if $(URL),--url $(URL),$(NAMES)) $(if $(PARTS),--parts $(PARTS))

check-postgresql: $(STAMP) ## the contracts in short on PostgreSQL and Redis
	$(BIN)/python -m pytest tests/postgresql/test_contracts.py -k in_short

check-guests: $(STAMP) ## the long histories in datasets of other people, as far as CI runs them
	$(BIN)/python -m pytest tests/faults/test_attach.py tests/faults/test_in_place.py -k "SDK or small"

check-opensearch: $(STAMP) ## whole runs on Argilla's own search engine
	LOOPD_PATIENCE=5 $(BIN)/python -m pytest --argilla opensearch tests/servers

lint: $(STAMP) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

format: $(STAMP) ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(STAMP) ## write the wheel and the source archive into dist/
	$(BIN)/python -m build

docs: $(STAMP) ## build the documentation as a site, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "open site/index.html"

docs-serve: $(STAMP) ## show the site while you write, on 127.0.0.1:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000 --watch README.md

pictures: $(STAMP) ## draw the pictures of the documentation again; needs chromium, some 10 minutes
	$(BIN)/python docs/tools/pictures.py

clean: ## remove what the verbs made, but no run
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist site *.egg-info
