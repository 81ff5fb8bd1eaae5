# Each target makes the environment it needs. PYTHON is the interpreter to build it with, VENV its place.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test experiments-smoke lint types docs bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/.base
	rm -rf runs/demo
	$(BIN)/twofold train digits-cvae --out runs/demo/cvae
	$(BIN)/twofold train digits-cgan --out runs/demo/cgan
	$(BIN)/twofold evaluate runs/demo/cvae runs/demo/cgan
	$(BIN)/twofold compare runs/demo/cvae runs/demo/cgan --out runs/demo/report.html
	@echo
	@echo "Open $(CURDIR)/runs/demo/report.html in a browser."

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

experiments-smoke: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m smoke tests/experiments/test_smoke.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -E -W --keep-going -d docs/_build/doctrees docs docs/_build/html
	@echo "Open $(CURDIR)/docs/_build/html/index.html in a browser."

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/training_speed.py

clean:
	rm -rf $(VENV) build dist docs/_build src/*.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Twofold needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.base
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[bench]'
	@touch $@
