# Kassabrug: `make demo` and `make test` do all their own set-up; everything else builds on the same environment.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
ARGS ?=
HOURS ?= 2
WORKERS ?= 2

.PHONY: help demo test lint bench soak lock format

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

demo: $(STAMP)  ## both vendors and the daemon on this machine, with a shop in them (ARGS='--once --receipts FILE.csv')
	$(BIN)/kassabrug demo $(ARGS)

lint: $(STAMP)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then every test, with coverage shown (ARGS='-k name')
	$(BIN)/python -m pytest -n $(WORKERS) --cov --cov-report=term $(ARGS)

bench: $(STAMP)  ## ratios and figures; never part of the tests
	$(BIN)/python tests/bench/bench.py $(ARGS)

soak: $(STAMP)  ## sales rung up for hours, and what grows meanwhile (HOURS=2, ARGS='--rate 5')
	$(BIN)/python -m tests.fault.soak --hours $(HOURS) $(ARGS)

fault: $(STAMP)  ## ten thousand and more fault schedules over all flows (ARGS='--seed 7')
	$(BIN)/python -m tests.fault.enumeration $(ARGS)

fuzz: $(STAMP)  ## generated requests from the published document against the eAccounting sandbox
	$(BIN)/python -m tests.contract.fuzz_books $(ARGS)

format: $(STAMP)  ## let ruff lay the code out
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

LOCKER := .venv-lock
$(LOCKER)/.ready: tools/requirements.lock
	$(PYTHON) -m venv --clear $(LOCKER)
	$(LOCKER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $<
	@touch $@

lock: $(LOCKER)/.ready  ## renew the locks, show what changes, ask for known weaknesses (ARGS='--keep', '--young NAME')
	$(LOCKER)/bin/python tools/lock.py $(ARGS)
