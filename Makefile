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
.PHONY: help demo run test test-rest test-all steady steady-all durations check check-python \
  check-browser bench install install-dev browser proxies clean

# The tests in two halves that have nothing in common (tests/test_loop.py holds that), and how both
# are run: a file is one worker's, and so are files that share a federation (tests/groups.py).
QUICK := not soak and (main or not (slow or browser))
REST := not soak and (slow or browser) and not main
PYTEST := $(BIN)/python -m pytest
WORKERS := -n 3 --dist loadscope --no-loadscope-reorder
TIMES ?= 50

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.apps ## a whole federation here, seen live (EXIT=1 DATA= MODEL= ROUNDS= SITES=)
	@seconds=$$(cat $(VENV)/.seconds 2>/dev/null || echo 0); rm -f $(VENV)/.seconds; \
	  exec $(BIN)/blossomtune demo --data '$(DATA)' --model '$(MODEL)' --rounds '$(ROUNDS)' \
	  --sites '$(SITES)' --install-seconds "$$seconds" $(if $(EXIT),--exit)

run: $(VENV)/.apps ## serve the web page, nothing else
	@exec $(BIN)/blossomtune serve

test: $(VENV)/.dev browser proxies ## what is quick, and the main job once for real
	$(PYTEST) $(WORKERS) -m '$(QUICK)'

test-rest: $(VENV)/.dev browser proxies ## what `make test` leaves out (not the soak)
	$(PYTEST) $(WORKERS) -m '$(REST)'

test-all: test test-rest ## all tests but the soak

steady: $(VENV)/.dev ## every test of things that happen at once, TIMES=50 times
	$(PYTEST) -n 2 --dist load -m 'concurrent and not soak' --repeat $(TIMES)

steady-all: $(VENV)/.dev browser proxies ## all tests three times, with half a core taken away
	for time in 1 2 3; do \
	  $(BIN)/python -m tests.half_a_core $(PYTEST) $(WORKERS) -m 'not soak' || exit 1; \
	done

durations: $(VENV)/.dev browser proxies ## run all and write down how long each file takes
	$(PYTEST) $(WORKERS) -m 'not soak' --write-durations

check: check-python check-browser ## ruff, mypy, the pre-commit hooks and the browser half's checks

check-python: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	SKIP=ruff-check,ruff-format,mypy $(BIN)/pre-commit run --all-files

check-browser: $(VENV)/.dev ## eslint, types and unit tests of the pages' scripts
	@$(BIN)/python -m tests.browser_half

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
