# The same checks as CI, in the same order, on the environment in .venv.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: check install lint types imports test load clients page bench image lock audit supply

check: install lint types imports test load clients page bench image audit

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

# Builds the Dockerfile's stages in a plain Debian and runs what comes of it; takes root and Debian's debootstrap.
image:
	$(BIN)/python -m pytest tests/image

# What runs in production, by version and hash, and its bill of materials; after each change of dependencies.
lock: supply
	PATH="$(BIN):$$PATH" $(BIN)/python -m tests.supply.locks
	$(BIN)/python -m tests.supply.bill

# `make audit REQUIRED=--required` fails too where the advisory service cannot be reached.
audit: supply
	$(BIN)/python -m tests.supply.audit $(REQUIRED)
	$(BIN)/python -m pytest tests/supply/asking

supply:
	$(PYTHON) -m pip --python $(BIN)/python install -q -c constraints.txt -e '.[test,supply]'
