# What a developer and a first user type. Everything happens in .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PINNED := .ci/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help run test coverage check soak panel format schema texts icons clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

run: $(VENV)/.run  ## set everything up and start the daemon
	@$(BIN)/bgzero run

test: check $(VENV)/.dev  ## set everything up and run every check and test
	@$(BIN)/python -m pytest -n 3 --dist worksteal

coverage: $(VENV)/.dev  ## run the tests and show which lines no test reaches, in no process
	@$(BIN)/python -m coverage run -m pytest
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report --skip-covered --show-missing

check: $(VENV)/.dev  ## format, lint, types, architecture
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@report=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$report"; exit 1; }

soak: $(VENV)/.dev  ## the long runs
	@$(BIN)/python -m pytest -m soak --timeout 7200

panel: $(VENV)/.dev  ## the icon in a real panel: needs Xvfb, xfce4-panel, trayer, openbox and dbus-daemon
	@$(BIN)/python -m pytest -m panel

format: $(VENV)/.dev  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schema: $(VENV)/.dev  ## write the configuration's JSON Schema anew
	@$(BIN)/bgzero config schema > config/config.schema.json

texts: $(VENV)/.dev  ## bring the catalogues of translations up to date, and say what is not translated
	@$(BIN)/python -m tests.catalogue

icons: $(VENV)/.dev  ## draw the icon's files anew
	@$(BIN)/python -m bgzero_daemon.tray.icons src/bgzero_daemon/tray/assets/icons

clean:  ## remove what this Makefile made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* .import_linter_cache dist

# Made anew where it was left half-made, and where the checkout has moved: its scripts hold its path.
ifneq ($(shell cat $(VENV)/.made 2>/dev/null),$(CURDIR))
$(VENV)/.made: FORCE
FORCE:
endif

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version); name another: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is incomplete here: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), once: about 60 MB of packages, half a minute or so."
	@$(PYTHON) -m venv --clear $(VENV)
	@printf '%s' '$(CURDIR)' > $@

$(VENV)/.run: $(VENV)/.made pyproject.toml $(PINNED)
	@$(PIP) install --constraint $(PINNED) --editable . || { echo "The packages could not be installed; is there a network?" >&2; exit 1; }
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(PINNED)
	@$(PIP) install --constraint $(PINNED) --editable '.[dev]' || { echo "The packages could not be installed; is there a network?" >&2; exit 1; }
	@touch $@ $(VENV)/.run
