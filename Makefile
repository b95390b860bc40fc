# Two commands matter: `make run` and `make test`. Both need Python 3.11 or later and nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NB ?=
export DATA ?=

.DEFAULT_GOAL := help
.PHONY: help run test lab notebooks slow lock clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo; echo "make run NB=02            one notebook"; echo "make run DATA=chip.hdf5   your own sample"

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(INSTALLED)  ## execute the notebooks into build/ (NB=02 for one, DATA=path for your own sample)
	$(BIN)/python -m olmoearth_nb run $(if $(NB),--nb $(NB)) $(if $(DATA),--data "$$DATA")

test: $(INSTALLED)  ## style, types, tests, and the notebooks against their committed outputs
	$(BIN)/ruff check olmoearth_nb notebooks tests data benchmarks
	$(BIN)/ruff format --check olmoearth_nb tests data benchmarks
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 2 --dist loadgroup -m "not slow"
	aside=$$(mktemp -d) && TMPDIR=$$aside $(BIN)/pytest --nbval --nbval-current-env --nbval-cell-timeout=300 notebooks \
		-p no:xdist -p no:hypothesispytest -W default; code=$$?; rm -rf $$aside; exit $$code  # nbval kills kernels, which leave files

slow: $(INSTALLED)  ## the tests of large models
	$(BIN)/pytest -m slow

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

notebooks: $(INSTALLED)  ## make the committed notebooks from notebooks/src (NB=02 for one)
	$(BIN)/python -m olmoearth_nb notebooks $(if $(NB),--nb $(NB))

lock:  ## renew requirements.lock from pyproject.toml in a fresh environment
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet torch==2.13.0
	build/lock/bin/python -m pip install --quiet '.[notebooks,data,scale,test]'
	build/lock/bin/python -m pip freeze --exclude olmoearth_nb | sed -E 's/^(torch==[0-9.]+).*/\1/' > requirements.lock
	rm -rf build/lock

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build
