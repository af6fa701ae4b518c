# Two commands a newcomer needs: `make demo` and `make test`. Everything is installed into .venv/, nothing else.
#
#   make demo [EXPORT=path] [ARGS=--exit]   the whole way, on the bundled example or on an export of yours
#   make test [ARGS="tests/core -x"]        the tests, against the embedded servers
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install demo test test-whole-way test-all fuzz lint format types licences lock docs clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# as many workers as cores, four at most: each has a PostgreSQL and a Redis of its own; a file stays with one of them
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile
# the environment reaches the recipes so: a path with spaces or quotes in it stays one word
export EXPORT

help:
	@sed -n '3,4s/^# *//p' Makefile
	@echo "also: make test-whole-way test-all fuzz lint format types licences lock docs clean"

install: $(STAMP)

# Written last: an installation that broke off is started again.
$(STAMP): requirements.lock pyproject.toml
	@bash .ci/make_venv.sh $(VENV)
	@echo "installing (once; some minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(STAMP)

demo: $(STAMP)
	@if [ -n "$$EXPORT" ]; then exec $(BIN)/forge demo "$$EXPORT" $(ARGS); else exec $(BIN)/forge demo $(ARGS); fi

test: $(STAMP)
	$(BIN)/python -m pytest -m "not slow and not whole_way" $(SIDE_BY_SIDE) $(ARGS)

# From exports to champions that answer, once, through the command.
test-whole-way: $(STAMP)
	$(BIN)/python -m pytest -m whole_way $(ARGS)

test-all: $(STAMP)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

# Every reader of exports under atheris, which has wheels for Linux on x86-64. An hour each: FUZZ_SECONDS=3600.
fuzz: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python -m tests.fuzz.run --seconds $${FUZZ_SECONDS:-20} $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP)
	$(BIN)/mypy

licences: $(STAMP)
	$(BIN)/pip-licenses --order=license

# Pins what this environment has; run it after testing an upgrade.
lock: $(STAMP)
	$(BIN)/python .ci/make_lock.py > requirements.lock.new && mv requirements.lock.new requirements.lock
	@touch $(STAMP)

# The pages of docs/ that are made from the code.
docs: $(STAMP)
	$(BIN)/python docs/generate.py

# Leaves .forge/ alone: it holds a person's data.
clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
