# Two commands matter: `make run` and `make test`. Both need Python 3.11 to 3.14 and nothing else.
MODERN := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'
PYTHON ?= $(or $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name $(MODERN) 2>/dev/null && command -v $$name && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
LOCKED := pyproject.toml --extra notebooks --extra data --extra scale --extra test --quiet --no-annotate --no-header
# What a user gives is text: $(value) and := keep make from expanding it, and recipes name only the shell's variables.
override NB := $(value NB)
override DATA := $(value DATA)
override OPTIONS := $(value OPTIONS)
override REAL := $(value REAL)
MINUTES ?= 60
override MINUTES := $(value MINUTES)
export NB DATA OPTIONS REAL MINUTES
ONE = $${NB:+"--nb=$$NB"}
OWN = $${DATA:+"--data=$$DATA"} $${OPTIONS:+"--options=$$OPTIONS"}
BROWSER = $(BIN)/python tests/helpers/browsers.py
BOOK := .venv-book
BOOK_INSTALLED := $(BOOK)/.installed

.DEFAULT_GOAL := help
.PHONY: help run test test-browser fuzz lab notebooks slow book test-book bundle test-bundle colab lock clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo; echo "make run NB=02            one notebook"; echo "make run DATA=chip.hdf5   your own sample"; \
		echo "make run DATA=mine.npz OPTIONS='--scale reflectance'"; echo "                          and how to open it"

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) $(MODERN) 2>/dev/null || { echo 'This needs Python 3.11 to 3.14, and $(PYTHON) is none of them: install one,' \
		'or name it by make PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(INSTALLED)  ## execute the notebooks into build/ (NB=02 for one, DATA=path for your own sample)
	$(BIN)/python -m olmoearth_nb run $(ONE) $(OWN)

test: $(INSTALLED)  ## style, types, tests, the notebooks against their committed outputs, and in a browser if there is one
	$(BIN)/ruff check olmoearth_nb notebooks tests data benchmarks book
	$(BIN)/ruff format --check olmoearth_nb tests data benchmarks book
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses 2 --dist loadgroup -m "not slow and not browser and not book and not bundle"
	aside=$$(mktemp -d) && TMPDIR=$$aside $(BIN)/pytest --nbval --nbval-current-env notebooks \
		--nbval-cell-timeout=3600 --nbval-kernel-startup-timeout=600 -p no:xdist -p no:hypothesispytest -W default; \
		code=$$?; rm -rf $$aside; exit $$code  # nbval kills kernels, which leave files
	$(BROWSER)

test-browser: $(INSTALLED)  ## the notebooks in JupyterLab in Chromium, their widgets moved; pictures in build/browser
	$(BROWSER)

$(BOOK_INSTALLED): requirements-book.lock
	$(PYTHON) -m venv $(BOOK)
	$(BOOK)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-book.lock
	@touch $@

book: $(BOOK_INSTALLED)  ## make the book from notebooks, docs and docstrings; it opens at build/book/html/index.html
	$(BOOK)/bin/python book/build.py

test-book: $(INSTALLED) book  ## links and pictures of the book, and every page of it in Chromium; pictures in build/browser
	$(BIN)/pytest tests/book tests/browser -m book -n 0

bundle: $(INSTALLED)  ## wheels, data and notebooks for a room without network, in build/bundle
	$(BIN)/python book/bundle.py

test-bundle: $(INSTALLED) bundle  ## install from the bundle without an index and run notebooks 01 to 03
	$(BIN)/pytest tests/book -m bundle -n 0 -s

colab:  ## what Colab has, built anew: nothing of it may change, and all notebooks run (PYTHON=python3.13)
	$(PYTHON) tests/helpers/colab.py

slow: $(INSTALLED)  ## the tests of large models
	$(BIN)/pytest -m slow

fuzz: $(INSTALLED)  ## open 10,000 damaged files of each format (MINUTES=60 in all; REAL=folder of your own files)
	$(BIN)/python tests/helpers/fuzz.py "--minutes=$$MINUTES" $${REAL:+"--real=$$REAL"}

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

notebooks: $(INSTALLED)  ## make the committed notebooks from notebooks/src (NB=02 for one)
	$(BIN)/python -m olmoearth_nb notebooks $(ONE)

lock:  ## renew the lock files, for every Python and system (a pin that still fits stays)
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv
	build/lock/bin/uv pip compile $(LOCKED) --universal --python-version 3.11.0 --fork-strategy fewest \
		--upgrade-package torch==2.13.0 --output-file requirements.lock
	build/lock/bin/uv pip compile $(LOCKED) --python-version 3.13 --python-platform linux \
		--constraints requirements-colab.in --output-file requirements-colab.lock
	{ echo "# Made by make lock. What the book is made with; it needs no torch."; build/lock/bin/uv pip compile \
		requirements-book.in --quiet --no-annotate --no-header --universal --python-version 3.11.0 \
		--fork-strategy fewest; } > build/lock/book && mv build/lock/book requirements-book.lock
	for file in requirements.lock requirements-colab.lock; do \
		grep -vE '^(nvidia-|cuda-|triton=|#)' $$file > build/lock/pins && \
		{ echo "# Made by make lock. What torch needs for a GPU is not listed: each build of torch names its own."; \
		cat build/lock/pins; } > $$file || exit 1; done
	rm -rf build/lock

clean:  ## remove the environment and everything built
	rm -rf $(VENV) $(BOOK) build
