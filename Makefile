# Kassabrug: `make demo` and `make test` do all their own set-up; everything else builds on the same environment.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
WHEELS ?=
ARGS ?=
HOURS ?= 2
WORKERS ?= 2
BIN := $(VENV)/bin
# what the tools remember lies in the environment, so that the source may be read-only
REMEMBER = cache="$$(cd "$(VENV)" && pwd)/cache" && export RUFF_CACHE_DIR="$$cache/ruff" MYPY_CACHE_DIR="$$cache/mypy" \
  COVERAGE_FILE="$$cache/coverage" HYPOTHESIS_STORAGE_DIRECTORY="$$cache/hypothesis" PATH="$$(cd "$(BIN)" && pwd):$$PATH" &&

.PHONY: help environment wheels demo lint test coverage test-all bench soak fault people fuzz fuzz-books flood damage format lock

help:  ## show the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' Makefile | expand -t 14

environment:  ## what all others stand on, made once from requirements.lock (PYTHON=python3.12, VENV=DIR, WHEELS=DIR)
	@command -v "$(PYTHON)" >/dev/null || { echo 'There is no $(PYTHON) here; name one with PYTHON=.' >&2; exit 1; }
	@"$(PYTHON)" -m tools.environment --venv "$(VENV)" --wheels "$(WHEELS)"

wheels:  ## fill a folder with all packages, for a machine without a registry (WHEELS=DIR)
	@"$(PYTHON)" -m tools.environment --download "$(or $(WHEELS),wheels)"

demo: environment  ## both vendors and the daemon on this machine, with a shop in them (ARGS='--once --receipts FILE.csv')
	"$(BIN)/kassabrug" demo $(ARGS)

lint: environment  ## ruff, mypy --strict, import-linter, vulture
	$(REMEMBER) ruff check .
	$(REMEMBER) ruff format --check .
	$(REMEMBER) mypy
	$(REMEMBER) lint-imports --cache-dir "$$cache/import-linter"
	$(REMEMBER) vulture

test: lint  ## lint, then every test (ARGS='-k name')
	$(REMEMBER) python -m pytest -o cache_dir="$$cache/pytest" -n $(WORKERS) --dist worksteal $(ARGS)

coverage: environment  ## every test, and which lines none of them reached; slower
	$(REMEMBER) python -m pytest -o cache_dir="$$cache/pytest" -n $(WORKERS) --dist worksteal --cov --cov-report=term $(ARGS)

test-all:  ## the same on every supported Python of this machine (PYTHONS='python3.12 ...')
	@"$(PYTHON)" -m tools.test_all $(PYTHONS)

people: environment  ## people acting on both sides at any moment, judged by both ledgers (ARGS='--examples 2000 --seed 7')
	"$(BIN)/python" -m tests.fault.people $(ARGS)

bench: environment  ## ratios and figures; never part of the tests
	"$(BIN)/python" tests/bench/bench.py $(ARGS)

soak: environment  ## sales rung up for hours, and what grows meanwhile (HOURS=2, ARGS='--rate 5')
	"$(BIN)/python" -m tests.fault.soak --hours $(HOURS) $(ARGS)

fault: environment  ## ten thousand and more fault schedules over all flows (ARGS='--seed 7')
	"$(BIN)/python" -m tests.fault.enumeration $(ARGS)

fuzz: environment  ## spoilt inputs at every place where something comes in from outside (ARGS='--tries 1000 --seed 7')
	"$(BIN)/python" -m tests.fuzz $(ARGS)

damage: environment  ## a thousand damaged states, each cured by what is said of it (ARGS='--times 100 --seed 7')
	"$(BIN)/python" -m tests.fault.damage $(ARGS)

fuzz-books: environment  ## generated requests from the published document against the eAccounting sandbox
	"$(BIN)/python" -m tests.contract.fuzz_books $(ARGS)

flood: environment  ## thousands of half-open connections and a header without end while a day is booked (ARGS='--sales 500')
	"$(BIN)/python" -m tests.system.flood $(ARGS)

format: environment  ## let ruff lay the code out
	$(REMEMBER) ruff check --fix-only .
	$(REMEMBER) ruff format .

lock:  ## renew the locks, show what changes, ask for known weaknesses (ARGS='--keep', '--young NAME')
	@"$(PYTHON)" -m tools.environment --venv .venv-lock --lock tools/requirements.lock
	@.venv-lock/bin/python -m tools.lock $(ARGS)
