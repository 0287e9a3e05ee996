# Every target does its own set-up: a fresh machine needs python3.11, python3-venv, git and make.
# PYTHON=python3.12 chooses an interpreter; ARGS="-k paths" is passed on to pytest.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
EXAMPLE := examples/s5.toml
WEIGHT := w_131

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup sheet gallery s8 char-rnn transformer test lint format bench bench-kernels lock clean

help: ## this list
	@sed -nE 's/^([a-z0-9-]+):[^#]*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: .venv/dev.stamp ## everything for development in .venv

sheet: .venv/core.stamp ## derive and check one weight of the example, as a page in outputs/
	@$(BIN)/symback sheet $(EXAMPLE) --wrt $(WEIGHT) -o outputs

gallery: .venv/core.stamp ## write the committed gallery anew, in outputs/gallery/
	@$(BIN)/python tests/gallery.py

# matplotlib is an extra, and part of the development lock.
s8: .venv/dev.stamp ## the lectures' notebook: learn from 1,000 points, pictures in outputs/s8/
	@$(BIN)/python examples/s8.py outputs/s8

char-rnn: .venv/core.stamp ## a recurrent network learns a text letter by letter, and writes it
	@$(BIN)/python examples/char_rnn.py

transformer: .venv/core.stamp ## a transformer of one block learns to write sequences backwards
	@$(BIN)/python examples/transformer.py

# loadfile: the examples of one document share their names, so they must meet the same worker.
# loadgroup does not do it: pytest-xdist 3.8 marks its groups where pytest 9.2 no longer looks.
test: .venv/dev.stamp ## all tests, README and docstring examples included
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: .venv/dev.stamp ## style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/basedpyright

format: .venv/dev.stamp ## mend what ruff can mend
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: .venv/dev.stamp ## the benchmarks, timed, one process
	@$(BIN)/python -m pytest benchmarks --benchmark-enable --benchmark-only $(ARGS)

# The rivals are no dependencies: .venv/bin/pip install torch casadi numba, or name an environment that
# has them besides the lock: BENCH=…/bin/python.  OPENBLAS_CORETYPE would cap NumPy's products alone.
BENCH ?= $(BIN)/python

bench-kernels: .venv/dev.stamp ## kernels against NumPy by hand, PyTorch, JAX, CasADi, Numba
	@env -u OPENBLAS_CORETYPE $(BENCH) -m pytest benchmarks/test_kernels.py --benchmark-enable \
		--benchmark-only $(ARGS)

# --no-config and --no-header: a lock must not record the index or the path of the machine it was made on.
LOCK := $(BIN)/uv --no-config pip compile pyproject.toml --quiet --upgrade --no-header --no-annotate \
	--generate-hashes --universal --python-version 3.11

# No torch: its wheels for all platforms are gigabytes, and those for a processor alone have an index
# of their own.
lock: .venv/dev.stamp ## renew .ci/locks/
	@$(LOCK) --group build -o .ci/locks/core.txt
	@$(LOCK) --group dev --extra plot --extra notebook --extra complete --extra jax \
		-c .ci/locks/core.txt -o .ci/locks/dev.txt

clean: ## remove .venv and caches
	rm -rf .venv dist build .pytest_cache .ruff_cache .hypothesis .benchmarks .coverage htmlcov mutants
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps, not .venv/bin/python: where python3-venv is missing, the failed venv leaves that file behind.
.venv/venv.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "symback needs Python 3.11 or newer, and $(PYTHON) is not: apt-get install python3, or make PYTHON=python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv" >&2; \
		exit 1; }
	@echo "setting up .venv (once)"
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@touch $@

# The build backend is in the lock too, so --no-build-isolation leaves nothing unpinned.
.venv/core.stamp: .venv/venv.stamp .ci/locks/core.txt pyproject.toml
	@$(PIP) install --require-hashes -r .ci/locks/core.txt
	@$(PIP) install --no-build-isolation --no-deps -e .
	@touch $@

.venv/dev.stamp: .venv/core.stamp .ci/locks/dev.txt
	@$(PIP) install --require-hashes -r .ci/locks/dev.txt
	@touch $@
