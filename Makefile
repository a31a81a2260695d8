# The same checks as CI, in the same order, on the environment in .venv.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: check install lint types imports test load clients page bench

check: install lint types imports test load clients page bench

install:
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install -q -c constraints.txt -e '.[check]'

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:
	$(BIN)/mypy
	$(BIN)/pyright

imports:
	$(BIN)/lint-imports

test:
	$(BIN)/python -m pytest -n 2 --dist worksteal

load:
	$(BIN)/python -m pytest tests/load

clients:
	npm ci --silent --ignore-scripts --prefix tests/clients
	$(BIN)/python -m pytest tests/clients

page:
	$(BIN)/python -m pytest tests/page

bench:
	$(BIN)/python -m pytest tests/bench
