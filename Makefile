# make demo: the whole app with a local portal, ends with Ctrl-C. make test: the whole suite.
# Both set the checkout up first; everything goes into .venv and placements/, nothing outside this folder.
# ARGS are handed on: make demo ARGS="--port 9000", make test ARGS="tests/handlers -x".

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test lint lock pictures chaos bench
PYTHON_HERE := .venv/bin/python
# Tests that wait for a portal, a browser or another process use little of a core: more workers than cores.
WORKERS ?= 6

help:
	@echo 'make demo   the app with a local portal and a partner conference in it; Ctrl-C ends it'
	@echo 'make test   the whole test suite'
	@echo 'make setup  only what both need first: .venv, front-end files, translations'
	@echo 'make lint   ruff and mypy'
	@echo 'make chaos  days on which processes are killed and the portal misbehaves; minutes (ARGS="--help")'
	@echo 'make bench  how fast it is, as ratios; minutes (ARGS="--help")'
	@echo 'make pictures  take the pictures of the README anew'
	@echo 'make lock   write the lock files anew from pyproject.toml (UPGRADE=1 takes newer releases)'

setup:
	@.ci/setup

setup-dev:
	@.ci/setup dev

# A plain command, without a shell around it: Ctrl-C then reaches the app alone and make adds no error of its own.
demo: setup
	@$(PYTHON_HERE) app.py demo $(ARGS)

# A file's tests stay together (they share a portal or a browser), the slow files start first: tests/conftest.py.
# Looked through once before: pytest rewrites every test file, and what one process has kept the others only read.
test: setup-dev
	@export PYTHONDONTWRITEBYTECODE=; $(PYTHON_HERE) -m pytest --collect-only -q $(ARGS) >/dev/null; \
	$(PYTHON_HERE) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup-dev
	@$(PYTHON_HERE) -m ruff check .
	@$(PYTHON_HERE) -m ruff format --check .
	@$(PYTHON_HERE) -m mypy .

lock: setup-dev
	@.ci/lock

chaos: setup-dev
	@$(PYTHON_HERE) -m tests.chaos $(ARGS)

bench: setup-dev
	@$(PYTHON_HERE) -m tests.bench $(ARGS)

pictures: setup-dev
	@$(PYTHON_HERE) -m tests.screenshots.take
