# Two commands are enough: `make run` and `make test`. Every target installs what it needs first.
BIN := .venv/bin
HOME_DIR := .dbyard
LISTEN := 127.0.0.1:7878
# More of them than cores, because tests wait a lot: for servers to start, to die and to be brought back.
WORKERS := 6
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

.PHONY: help setup run stop check test test-fast docs bench clean

help: ## Show this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

setup: ## Install what is missing: Python packages into .venv, database servers into DBYARD_ENGINES
	@scripts/setup

run: setup ## Run the platform on 127.0.0.1:7878 with an example database; Ctrl-C stops it, not the databases
	@$(BIN)/dbyard quickstart --home $(HOME_DIR) --listen $(LISTEN)

stop: ## Stop the platform of `make run` and its databases; `make run` starts them again
	@$(BIN)/dbyard stop --home $(HOME_DIR)

check: setup ## Check format, style, types and who imports whom
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## Run every check and every test
	$(PYTEST) --durations=20

test-fast: setup ## Run the tests of units, operations and the API, in about two minutes; nothing is installed by them
	$(PYTEST) tests/test_architecture.py tests/unit tests/operations tests/api \
	  --ignore-glob 'tests/unit/test_installations*' --ignore tests/unit/test_golang.py

docs: setup ## Write the tables of docs/technologies.md from the catalogue
	@$(BIN)/python scripts/tables.py

bench: setup ## Measure speed beside a floor and print the table
	$(BIN)/python -m benchmarks

clean: ## Remove .venv and all caches of this checkout; databases and database servers stay
	rm -rf .venv .bootstrap dist .*_cache .hypothesis .schemathesis
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
