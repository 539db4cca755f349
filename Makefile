# Two commands do everything on a fresh machine that has Python and make:
#   make demo   train on the embedded sample, print the error table, write demo/map.html
#   make test   run all tests
# Each makes .venv and installs into it once; it installs again only when the requirements change.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
NEEDS  := pyproject.toml constraints.txt
JOBS   ?= 2

.PHONY: demo test check docs constraints clean help

help:
	@sed -n '1,4p' Makefile | sed 's/^# \{0,1\}//'

demo: $(VENV)/.installed-map
	$(BIN)/atomscape demo

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

# .installed-EXTRA says that the package is there with that extra, as of the last change of the requirements.
$(VENV)/.installed-%: $(NEEDS) | $(VENV)/bin/python
	@echo "Installing atomscape[$*] into $(VENV) (once; torch is large, so this takes minutes)"
	@$(PIP) install --quiet --progress-bar off -c constraints.txt -e '.[$*]'
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "atomscape needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

constraints:
	$(PYTHON) scripts/constraints.py

clean:
	rm -rf $(VENV) demo docs/_build docs/gallery
