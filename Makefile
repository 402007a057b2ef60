# `make demo` and `make test` need only Python 3.11 to 3.13 with its headers, make and a C compiler.

.DEFAULT_GOAL := help
.PHONY: help demo test coverage bench check style types protos contract prove clean

# The first Python that fits and, as LightFM is compiled where it has no wheel, has its headers.
FITS := import os, sys, sysconfig; \
  header = os.path.join(sysconfig.get_path("include"), "Python.h"); \
  sys.exit(not ((3, 11) <= sys.version_info < (3, 14) and os.path.exists(header)))
# Looked for when it is first needed, and then no more.
PYTHON ?= $(eval PYTHON := $(firstword $(foreach name,python3 python3.12 python3.13 python3.11,\
  $(shell $(name) -c '$(FITS)' 2>/dev/null && echo $(name)))))$(PYTHON)

NO_PYTHON := no Python 3.11 to 3.13 with headers found; on Debian: \
  apt install python3 python3-venv python3-dev; or: make PYTHON=/path/to/python3

BIN := .venv/bin
# uv takes the Python of .venv and never fetches one.
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
# Where Python may not keep what it compiled, each start of a server compiles 1,000 files: 5 s of CPU.
export PYTHONDONTWRITEBYTECODE :=
# The pip of PYTHON does, where there is one: a pip of its own is most of the work of a new .venv.
PIP_INSTALL := install --quiet --disable-pip-version-check --root-user-action ignore
UV_SYNC := $(BIN)/uv sync --quiet --frozen --inexact

help:
	@echo 'make demo           simulate a retailer, train, serve, follow one customer;'
	@echo '                    KEEP=1 stays up, PORT=N serves on that port (0: any that is free)'
	@echo 'make test           run the tests'
	@echo 'make coverage       run the tests and list the lines that none of them reaches'
	@echo 'make check          lint, types and the contract: make style, and make types'
	@echo 'make prove          run the long proofs and print what each one showed'
	@echo 'make bench          measure what a Recommend costs'
	@echo 'make protos         generate the Python code of the contract again'
	@echo 'make contract       make the protos of today the contract that must not be broken'
	@echo 'make clean          remove the environment and what the demo left'

demo: .venv/.demo
	$(BIN)/throughline demo$(if $(KEEP), --keep)$(if $(PORT), --port $(PORT))

# A test that hangs where its timeout cannot end it, as in a `finally`, ends its process, which
# prints all stacks. A new process would begin with that very test: there is none.
BOUNDED := --timeout 600 -o faulthandler_timeout=660 -o faulthandler_exit_on_timeout=true \
  --max-worker-restart 0
# Of the tests, each file is run by one of a few processes.
TESTS := pytest -q -n logical --maxprocesses 4 --dist loadfile -m 'not prove' $(BOUNDED)

test: .venv/.all
	@$(BIN)/python -c 'import service.decisions.active_release' # compiled once, not by every worker
	$(BIN)/$(TESTS)

coverage: .venv/.all
	$(BIN)/coverage erase
	$(BIN)/coverage run -m $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

prove: .venv/.all
	$(BIN)/pytest -m prove

bench: .venv/.all
	$(BIN)/python -m bench.stages
	$(BIN)/python -m bench.speed
	$(BIN)/python -m bench.speed --first-stage
	$(BIN)/python -m bench.speed --policy bench/policy.toml
	$(BIN)/python -m bench.workers

check: style types

style: .venv/.all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python protos/generate.py --check
	$(BIN)/buf lint
	$(BIN)/buf breaking --against protos/contract.binpb

types: .venv/.all
	$(BIN)/mypy

protos: .venv/.all
	$(BIN)/python protos/generate.py

contract: .venv/.all
	$(BIN)/buf build --output protos/contract.binpb

clean:
	rm -rf .venv var

# Stamps: an environment is made once, and again when the lock or the project file changes.
.venv/.uv:
	@test -n '$(PYTHON)' || { echo '$(NO_PYTHON)' >&2; exit 1; }
	@echo 'Making .venv with $(PYTHON)'
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then \
	  $(PYTHON) -m venv --without-pip .venv && \
	  $(PYTHON) -m pip --python $(BIN)/python $(PIP_INSTALL) 'uv>=0.8'; \
	else $(PYTHON) -m venv .venv && $(BIN)/python -m pip $(PIP_INSTALL) 'uv>=0.8'; fi
	@touch $@

.venv/.demo: .venv/.uv uv.lock pyproject.toml
	@echo 'Installing what the demo needs into .venv'
	@$(UV_SYNC) --extra train --extra data
	@touch $@

.venv/.all: .venv/.uv uv.lock pyproject.toml
	@echo 'Installing everything into .venv'
	@$(UV_SYNC) --all-extras
	@touch $@ .venv/.demo
