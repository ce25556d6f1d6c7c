# The one developer interface. Needs Python 3.11 or newer with its venv module; everything else goes into .venv.

PYTHON   ?= python3
VENV     ?= .venv
NOTEBOOK ?= 1_pasta
HEADLESS ?=
PORT     ?= 8888
PYTEST   ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check

CHROMIUM_FOUND = command -v "$$CHROMIUM" || command -v chromium || command -v chromium-browser || command -v google-chrome
ROOT_FLAG      = $(shell [ "$$(id -u)" -eq 0 ] && echo --allow-root)

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types notebooks ui bench build format clean chromium
.DELETE_ON_ERROR:

help: ## list these words
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'

# --- what a user types ---

demo: $(VENV)/.stamp-demo ## open an example in JupyterLab (NOTEBOOK=2_penguins, HEADLESS=1, PORT=8888)
	@test -f "notebooks/$(NOTEBOOK).ipynb" || { \
	  echo "There is no notebooks/$(NOTEBOOK).ipynb; choose one of:"; \
	  ls notebooks | sed -n 's/\.ipynb$$//p' | sed 's/^/  make demo NOTEBOOK=/'; exit 2; }
ifeq ($(filter-out 0,$(HEADLESS)),)
	@mkdir -p build/demo
	@for example in notebooks/*.ipynb; do \
	  copy="build/demo/$${example##*/}"; \
	  [ "$$copy" -nt "$$example" ] || cp "$$example" "$$copy"; \
	done
	@port=$$($(BIN)/python -c "$$FREE_PORT" $(PORT)); \
	JUPYTER_TOKEN=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(24))'); export JUPYTER_TOKEN; \
	browser=--no-browser; \
	if [ "$$(uname)" = Darwin ]; then opener=open; screen=yes; else opener=xdg-open; screen="$$DISPLAY$$WAYLAND_DISPLAY"; fi; \
	if [ -n "$$screen" ] && command -v "$$opener" >/dev/null; then browser=; fi; \
	echo "Open http://localhost:$$port/lab/tree/$(NOTEBOOK).ipynb?token=$$JUPYTER_TOKEN   (Ctrl-C here stops it)"; \
	cd build/demo && PATH="$(abspath $(BIN)):$$PATH" exec "$(abspath $(BIN))/jupyter-lab" $(ROOT_FLAG) $$browser \
	  --log-level=WARN --ServerApp.port="$$port" --ServerApp.port_retries=0 "$(NOTEBOOK).ipynb"
else
	@rm -rf build/headless && mkdir -p build/headless && cp "notebooks/$(NOTEBOOK).ipynb" build/headless/
	@cd build/headless && unset JO_CONTEXT && for verb in plan run plan; do \
	  echo "$$ jo $$verb $(NOTEBOOK).ipynb"; "$(abspath $(BIN))/jo" "$$verb" "$(NOTEBOOK).ipynb" || exit; \
	done
endif

# Prints the port asked for, or any free one when it is taken.
define FREE_PORT
import socket, sys
for port in int(sys.argv[1]), 0:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(probe.getsockname()[1])
        break
endef
export FREE_PORT

# --- what a developer types ---

test: $(VENV)/.stamp-test chromium ## the whole suite, notebooks and browser tests included (PYTEST="-k name")
ifeq ($(strip $(PYTEST)),)
	$(BIN)/python -m tests.suite
else
	$(BIN)/python -m pytest $(PYTEST)
endif

check: lint types test ## everything that must pass before a change is handed in

lint: $(VENV)/.stamp-dev ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.stamp-dev ## mypy, strict
	$(BIN)/mypy

notebooks: $(VENV)/.stamp-test ## the examples alone, by nbval (part of test)
	$(BIN)/python -m pytest tests/notebook/test_examples.py $(PYTEST)

ui: $(VENV)/.stamp-test chromium ## the browser tests alone (part of test)
	$(BIN)/python -m pytest tests/browser $(PYTEST)

bench: $(VENV)/.stamp-test ## the benchmarks, each figure a ratio
	$(BIN)/python -m benchmarks

build: $(VENV)/.stamp-dev ## wheel and sdist into dist/
	$(BIN)/python -m build

format: $(VENV)/.stamp-dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove all that make has made, .venv too
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what these need; a stamp is newer than pyproject.toml when its set is installed, and a larger set contains the smaller ---

$(VENV)/.stamp-venv:
	@command -v "$(PYTHON)" >/dev/null || { echo "There is no $(PYTHON). Name a Python 3.11 or newer: make PYTHON=python3.12"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$("$(PYTHON)" --version) is too old: 3.11 or newer is needed. Name another: make PYTHON=python3.12"; exit 2; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$$("$(PYTHON)" --version) lacks its venv module. On Debian and Ubuntu: apt-get install python3-venv"; exit 2; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-demo: pyproject.toml | $(VENV)/.stamp-venv
	$(PIP) -e '.[lab,examples]'
	@touch $@

$(VENV)/.stamp-test: pyproject.toml | $(VENV)/.stamp-venv
	$(PIP) -e '.[test]'
	@touch $(VENV)/.stamp-demo $@

$(VENV)/.stamp-dev: pyproject.toml | $(VENV)/.stamp-venv
	$(PIP) -e '.[dev]'
	@touch $(VENV)/.stamp-demo $(VENV)/.stamp-test $@

chromium:
	@{ $(CHROMIUM_FOUND); } >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    echo "No Chromium found: installing it for the browser tests."; \
	    export DEBIAN_FRONTEND=noninteractive; \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } </dev/null >/dev/null; \
	  fi; { $(CHROMIUM_FOUND); } >/dev/null 2>&1; \
	} || echo "No Chromium, and none could be installed: the browser tests will be skipped."
