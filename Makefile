# The one list of commands. Each does only what is not up to date.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

KUMO_HOME ?= .kumo
BIN := .venv/bin

WEB_SOURCES := $(shell find web -type f -not -path 'web/node_modules/*' -not -path 'web/dist/*' -not -name '*.spec.ts' 2>/dev/null)

.PHONY: help run install test check format web wheel bench chaos lock openapi clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

run: install ## Install what is missing and start Kumo, with an example project, in ./.kumo
	@exec $(BIN)/kumo serve --example --home $(KUMO_HOME)

install: .venv/run.stamp kumo/web/index.html ## Make .venv, install Kumo into it, build the web UI

test: dev check ## Run the checks and all tests
	@scripts/test

check: dev ## Check formatting, lint, types, imports, generated files
	@scripts/check

format: .venv/dev.stamp ## Format the Python sources and mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

web: kumo/web/index.html ## Build the web UI into kumo/web

wheel: install ## Build dist/kumo_scheduler-*.whl, web UI included
	@rm -rf dist
	@$(BIN)/uv build --quiet --wheel --out-dir dist
	@ls dist/*.whl

bench: dev ## Measure how fast runs start and end, beside a bare loop on this machine
	@$(BIN)/python -m bench

chaos: dev ## Kill, stop and flood Kumo for half an hour, and write docs/reliability.md
	@CHAOS_FAKETIME="$$(scripts/faketime-path)" $(BIN)/python -m chaos

lock: .venv/run.stamp ## Renew requirements*.lock from pyproject.toml, with the newest versions allowed
	@scripts/lock --upgrade

openapi: .venv/dev.stamp web/node_modules/.package-lock.json ## Renew web/openapi.json, the web UI's types, kumo.toml's schema
	@$(BIN)/kumo openapi > web/openapi.json.new
	@mv web/openapi.json.new web/openapi.json
	@$(BIN)/kumo apply --schema > kumo/declarations/kumo.toml.schema.json.new
	@mv kumo/declarations/kumo.toml.schema.json.new kumo/declarations/kumo.toml.schema.json
	@scripts/npm run --silent api

clean: ## Remove everything that is made here, except the data in ./.kumo
	rm -rf .venv .tools build dist kumo/web web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find kumo tests bench chaos -name __pycache__ -prune -exec rm -rf {} +

# --- what the commands above need -------------------------------------------------------------------------------------

.PHONY: dev
dev: .venv/dev.stamp kumo/web/index.html

.venv/bin/uv:
	@scripts/make-venv
	@touch $@

# The packages for development include those for running: once they are there, `make install` keeps them.
.venv/run.stamp: requirements.lock requirements-dev.lock pyproject.toml | .venv/bin/uv
	@scripts/sync $$(if [ -e .venv/dev.stamp ]; then echo requirements-dev.lock; else echo requirements.lock; fi)
	@if [ -e .venv/dev.stamp ]; then touch .venv/dev.stamp; fi
	@touch $@

.venv/dev.stamp: requirements-dev.lock pyproject.toml | .venv/bin/uv
	@scripts/sync requirements-dev.lock
	@touch .venv/run.stamp $@

web/node_modules/.package-lock.json: web/package-lock.json | .venv/run.stamp
	@echo "Installing the web UI's packages"
	@scripts/npm ci --silent
	@touch $@

kumo/web/index.html: $(WEB_SOURCES) web/node_modules/.package-lock.json
	@echo "Building the web UI"
	@scripts/build-web
