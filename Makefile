# `make` or `make help` lists the targets.
PYTHON ?= python3
VENV ?= .venv
JSON ?= bench.json

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types imports bench clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: ## Make the environment in .venv (VENV=folder, PYTHON=python3.12)
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not found: sudo apt install python3 python3-venv python3-dev" >&2; exit 1; }
	@$(PYTHON) tools/bootstrap.py --venv $(VENV)

demo: setup ## Replay the sample recording through all nodes and write report/index.html
	@$(VENV)/bin/edge-mm demo

test: setup ## Run all tests (ARGS="-k name" and the like go to pytest)
	@$(VENV)/bin/python -m pytest $(ARGS)

lint: setup ## Check style and formatting
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check

types: setup ## Check types
	@$(VENV)/bin/mypy

imports: setup ## Check which room imports which
	@$(VENV)/bin/lint-imports

bench: setup ## Measure: make bench NAME=latency JSON=bench.json
	@$(VENV)/bin/edge-mm bench $(or $(NAME),latency) --json $(JSON)

clean: ## Remove the environment and everything built
	find edge_mm_ros -name '*.so' -delete
	rm -rf $(VENV) build install log report *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
