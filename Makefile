# Two commands do all their own set-up: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Each process computes in one thread: more would fight for the cores, the tests' servers too.
PROCESSES ?= 2
# What `make test` runs; all where nothing is named.
TESTS ?=

# Packages are installed uncompiled; without this each start would compile them again, 5 s longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint docs clean system-packages
# The system's packages come first: they bring what an environment is made with.
.NOTPARALLEL:

demo: $(INSTALLED)
	$(BIN)/python -m monailabel_app.demo

test: system-packages $(INSTALLED)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest $(TESTS) \
	  -n $(PROCESSES) --dist loadfile --no-loadscope-reorder

# Where they cannot be installed, tests are left out; the last line of the run says which.
system-packages:
	@.ci/system-packages || true

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/python -m documentation build/site

# setup.py names every package; a change of it installs again.
$(INSTALLED): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.10, 3.11 or 3.12 is needed; name one: make PYTHON=python3.11 demo"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the packages into $(VENV); the first time takes a few minutes and 8 GB."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[all,docs,slicer-test,test]'
	touch $@

clean:
	rm -rf .demo build *.egg-info
