# BlossomTune: everything one types. `make help` lists it.
# Needs make and Python 3.11 or newer; the rest is installed into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXIT ?=
DATA ?= auto
MODEL ?= auto
ROUNDS ?= 3
SITES ?= 2
ONLY ?=
SMOKE ?=

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench install install-dev browser proxies clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.apps ## a whole federation here, seen live (EXIT=1 DATA= MODEL= ROUNDS= SITES=)
	@seconds=$$(cat $(VENV)/.seconds 2>/dev/null || echo 0); rm -f $(VENV)/.seconds; \
	  exec $(BIN)/blossomtune demo --data '$(DATA)' --model '$(MODEL)' --rounds '$(ROUNDS)' \
	  --sites '$(SITES)' --install-seconds "$$seconds" $(if $(EXIT),--exit)

run: $(VENV)/.apps ## serve the web page, nothing else
	@exec $(BIN)/blossomtune serve

test: $(VENV)/.dev browser proxies ## install what is missing and run the tests (not the soak)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev ## ruff, mypy and the pre-commit hooks on all files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pre-commit run --all-files

bench: $(VENV)/.dev ## run the benchmarks (ONLY=startup for one, SMOKE=1 in small)
	@$(BIN)/python -m benchmarks $(ONLY) $(if $(SMOKE),--smoke)

install: $(VENV)/.apps ## install without starting anything

install-dev: $(VENV)/.dev ## install what tests and checks need too

browser: $(VENV)/.dev
	@$(BIN)/python -m tests.browser_install

proxies: $(VENV)/.dev
	@$(BIN)/python -m tests.proxy_install

clean: ## remove the installation and the demonstration's data
	rm -rf $(VENV) data/demo

# torch first and alone: its wheel is by far the largest, and whatever CPU or GPU build is to be
# had for the pinned version is then kept by all that follows.
$(VENV)/.apps: pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (some minutes the first time) ..."
	@began=$$(date +%s) && \
	  { test -x $(BIN)/python || $(PYTHON) -m venv $(VENV); } && \
	  $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch && \
	  $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[apps]' && \
	  echo $$(( $$(date +%s) - began )) > $(VENV)/.seconds
	@touch $@

$(VENV)/.dev: $(VENV)/.apps
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[apps,dev]'
	@touch $@
