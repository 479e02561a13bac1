# Everything runs in .venv, made here with the exact versions of constraints.txt. Needs Python >= 3.11, git and make.
#   make test PYTHON=python3.12          another interpreter (before .venv exists)
#   make test PIP_ARGS="--index-url ..." another source of packages, say for a build of torch without CUDA
PYTHON ?= python3
PIP_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
# The packages that bench measures beside ours: one of them has our import name.
BENCH := .venv-bench
# The viewer that test-viewers starts: it needs exactly one version of NumPy.
VIEWERS := .venv-viewers
# The oldest versions that pyproject.toml allows, and the newest that there are.
LOWEST := .venv-lowest
NEWEST := .venv-newest
# What is in the wheel, and no more.
WHEEL := .venv-wheel
CHROMIUM ?=
INSTALL := $(BIN)/python -m pip install $(PIP_ARGS) --disable-pip-version-check -c constraints.txt
# Needs the pip that constraints.txt names, so pip comes first.
INSTALL_HERE = $(INSTALL) --build-constraint constraints.txt -e .
# One thread per test process: many small operations on shared cores stall each other.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types imports pytest test-viewers test-tutorials chromium test-lowest test-newest test-wheel bench docs notebooks priors build clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.runtime ## run the demo
	MPLBACKEND=Agg $(BIN)/python tutorials/demo.py

test: lint pytest ## style, types, imports, tests and docstring examples

lint: format types imports ## style, types and imports

format: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

# -n logical: psutil would count cores without hyperthreads for -n auto, which is one on small machines.
pytest: $(VENV)/.dev
	MPLBACKEND=Agg $(ONE_THREAD) $(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal

# One process: all tests look at one server with one browser.
test-viewers: $(VENV)/.viewers $(VIEWERS)/.cellxgene chromium ## what others show of our files, in a browser
	MPLBACKEND=Agg $(ONE_THREAD) CHROMIUM=$(CHROMIUM) CELLXGENE=$(VIEWERS)/bin/cellxgene $(BIN)/pytest tests/viewers

chromium:
	@test -n "$(CHROMIUM)" || which chromium chromium-browser google-chrome >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && which apt-get >/dev/null 2>&1; then \
	    apt-get update -q && apt-get install -q -y --no-install-recommends chromium; \
	  else \
	    echo "test-viewers needs a browser: install the package 'chromium' (Debian: apt-get install chromium)," >&2; \
	    echo "or say where Chromium or Chrome is: make test-viewers CHROMIUM=/path/to/it" >&2; exit 1; \
	  fi; }

test-tutorials: $(VENV)/.dev ## run all notebooks, also those that `test` leaves out
	MPLBACKEND=Agg EDGE2TORCH_ALL_TUTORIALS=1 $(ONE_THREAD) $(BIN)/pytest -n logical --maxprocesses 4 --dist worksteal tests/tutorials

# Old packages on a new Python, and new ones that we have not seen, warn of things that are not ours to mend.
TEST_OTHERS := -m pytest -n logical --maxprocesses 4 --dist worksteal -o filterwarnings=default --ignore=tests/tutorials

test-lowest: $(LOWEST)/.made ## tests with the oldest versions that are allowed (needs several GB)
	MPLBACKEND=Agg $(ONE_THREAD) $(LOWEST)/bin/python $(TEST_OTHERS)

test-newest: $(NEWEST)/.made ## tests with the newest versions of all packages (make test-newest PYTHON=python3.13)
	MPLBACKEND=Agg $(ONE_THREAD) $(NEWEST)/bin/python $(TEST_OTHERS)

test-wheel: build ## the demo with what pip installs from the wheel, and no optional package
	rm -rf $(WHEEL)
	$(PYTHON) -m venv $(WHEEL)
	$(WHEEL)/bin/python -m pip install $(PIP_ARGS) --disable-pip-version-check -c constraints.txt dist/*.whl
	$(WHEEL)/bin/python -m pip check
	$(WHEEL)/bin/python -W error -c "import edge2torch"
	MPLBACKEND=Agg $(WHEEL)/bin/python tutorials/demo.py --out dist/demo

bench: $(VENV)/.runtime $(BENCH)/.peers ## measure speed beside other packages, write docs/speed.md
	$(ONE_THREAD) $(BIN)/python tests/bench/speed.py --peers $(BENCH)/bin/python

docs: $(VENV)/.docs ## make the site, docs/_build/html/index.html; warnings are errors
	$(BIN)/sphinx-build -E -W --keep-going -q -b html docs docs/_build/html

notebooks: $(VENV)/.dev ## run the notebooks again and save their output
	$(BIN)/python tutorials/execute.py

priors: $(VENV)/.priors ## build the prior tables in data/ again (on Debian 12)
	$(BIN)/python data/build.py

build: $(VENV)/.dev ## make sdist and wheel in dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean: ## remove the environments, caches and whatever was built
	rm -rf $(VENV) $(BENCH) $(VIEWERS) $(LOWEST) $(NEWEST) $(WHEEL) build dist demo_output docs/_api docs/_build docs/_pages docs/_tutorials .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests data -name __pycache__ -type d -prune -exec rm -rf {} +

# Parts of test run in this order, also under make -j.
types: format
imports: types
pytest: imports

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "edge2torch needs Python 3.11 or newer, but '$(PYTHON)' is missing or older. Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Stamps: an install is done again when the requirements or the pins have changed.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) pip
	$(INSTALL_HERE)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) pip
	$(INSTALL_HERE) --group dev
	@touch $(VENV)/.runtime $@

$(VENV)/.docs: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) pip
	$(INSTALL_HERE) --group docs
	@touch $(VENV)/.runtime $@

$(VENV)/.priors: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) pip
	$(INSTALL_HERE) --group priors
	@touch $(VENV)/.runtime $@

$(VENV)/.viewers: $(VENV)/.dev
	$(INSTALL_HERE) --group dev --group viewers
	@touch $@

# Without constraints.txt: its own file names every version.
$(VIEWERS)/.cellxgene: tests/viewers/requirements.txt
	$(PYTHON) -m venv $(VIEWERS) || { rm -rf $(VIEWERS); exit 1; }
	$(VIEWERS)/bin/python -m pip install $(PIP_ARGS) --disable-pip-version-check -r $<
	@touch $@

# pip always takes the newest, so uv installs; its options come from the environment (UV_INDEX_URL and others).
$(LOWEST)/.made: pyproject.toml
	$(PYTHON) -m venv $(LOWEST) || { rm -rf $(LOWEST); exit 1; }
	$(LOWEST)/bin/python -m pip install $(PIP_ARGS) --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --python $(LOWEST)/bin/python --resolution lowest-direct -e ".[all]" --group test
	@touch $@

$(NEWEST)/.made: pyproject.toml
	$(PYTHON) -m venv $(NEWEST) || { rm -rf $(NEWEST); exit 1; }
	$(NEWEST)/bin/python -m pip install $(PIP_ARGS) --disable-pip-version-check --upgrade pip
	$(NEWEST)/bin/python -m pip install $(PIP_ARGS) --disable-pip-version-check --upgrade -e ".[all]" --group test
	@touch $@

$(BENCH)/.peers: tests/bench/peers.txt constraints.txt | $(BIN)/python
	$(PYTHON) -m venv $(BENCH) || { rm -rf $(BENCH); exit 1; }
	$(subst $(BIN),$(BENCH)/bin,$(INSTALL)) pip
	$(subst $(BIN),$(BENCH)/bin,$(INSTALL)) -r tests/bench/peers.txt
	@touch $@
