# Every target sets up what it needs. Needed on the machine: Python 3.11+, Node 20+ with npm, make.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.8
UV := $(CURDIR)/.tools/bin/uv
BIN := $(CURDIR)/.venv/bin
SDK_BIN := $(CURDIR)/pipeline_code/.venv/bin

# uv takes the interpreter that is there and never fetches one. Without compiled files the
# first `import aws_cdk` costs 1.5 s more.
export UV_PYTHON := $(PYTHON)
export UV_PYTHON_DOWNLOADS := never
export UV_COMPILE_BYTECODE := 1
export UV_NO_PROGRESS := 1
# Trust what the machine trusts: many companies put a certificate of their own in between.
export UV_SYSTEM_CERTS := 1
# An environment that is active in the caller's shell must not be mistaken for ours.
unexport VIRTUAL_ENV
unexport PYTHONPATH
export PATH := $(BIN):$(CURDIR)/node_modules/.bin:$(PATH)
# Node 20 prints a red end-of-life banner on every jsii start.
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20

.PHONY: help
help: ## Explain every target
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# --- set-up -------------------------------------------------------------------------------------

.tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1). Say which with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.ready: pyproject.toml uv.lock .tools/bin/uv
	@echo "setting up .venv"
	$(UV) sync --quiet --locked
	touch $@

localcloud/.venv/.ready: localcloud/pyproject.toml localcloud/uv.lock .tools/bin/uv
	@echo "setting up localcloud/.venv"
	$(UV) sync --quiet --locked --project localcloud
	touch $@

.venv/bin/localcloud: .venv/.ready localcloud/.venv/.ready
	@ln -sf ../../localcloud/.venv/bin/localcloud $@

localcloud/containers/.venv/.ready: localcloud/containers/pyproject.toml localcloud/containers/uv.lock .tools/bin/uv
	@echo "setting up localcloud/containers/.venv"
	$(UV) sync --quiet --locked --project localcloud/containers --no-install-project
	touch $@

pipeline_code/.venv/.ready: pipeline_code/pyproject.toml pipeline_code/uv.lock .tools/bin/uv
	@echo "setting up pipeline_code/.venv (the SageMaker SDK, about 1 GB)"
	$(UV) sync --quiet --locked --project pipeline_code --no-install-project
	touch $@

.PHONY: node
node:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Node.js 20 or newer with npm is needed and was not found on PATH. Install it, then run this again." >&2; exit 1; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || { echo "Node.js 20 or newer is needed; found: $$(node --version)." >&2; exit 1; }

node_modules/.ready: package.json package-lock.json | node
	@echo "setting up node_modules"
	npm ci --loglevel=error --no-audit --no-fund
	touch $@

localcloud/node_modules/.ready: localcloud/package.json localcloud/package-lock.json | node
	@echo "setting up localcloud/node_modules"
	npm ci --loglevel=error --no-audit --no-fund --prefix localcloud
	touch $@

.PHONY: setup
setup: node .venv/.ready .venv/bin/localcloud localcloud/containers/.venv/.ready node_modules/.ready localcloud/node_modules/.ready ## Set up everything but the SageMaker SDK; the tools are in .venv/bin

# AWS's older scikit-learn container has Python 3.9. Without one its tests are skipped, and say so.
# pyenv's python3.9 on PATH does not start unless that version is chosen: look behind it.
PYTHON39 = $(shell for each in "$$HOME"/.pyenv/versions/3.9.*/bin/python3.9 $$(command -v python3.9); do "$$each" -c '' 2>/dev/null && echo "$$each" && break; done)

localcloud/containers/older/.venv/.ready: localcloud/containers/older/pyproject.toml localcloud/containers/older/uv.lock .tools/bin/uv
	@echo "setting up localcloud/containers/older/.venv"
	$(UV) sync --quiet --locked --project localcloud/containers/older --python "$(PYTHON39)"
	touch $@

.PHONY: setup-older
setup-older: .tools/bin/uv
	@if [ -n "$(PYTHON39)" ]; then $(MAKE) localcloud/containers/older/.venv/.ready; else echo "no Python 3.9: the tests of AWS's older container are skipped"; fi

# Not beside its lock file: what walks benchmarks/ need not walk two gigabytes.
.tools/rivals/.ready: benchmarks/rivals/pyproject.toml benchmarks/rivals/uv.lock .tools/bin/uv
	@echo "setting up .tools/rivals (other monitoring libraries, about 2 GB)"
	UV_PROJECT_ENVIRONMENT=$(CURDIR)/.tools/rivals $(UV) sync --quiet --locked --project benchmarks/rivals
	touch $@

.PHONY: setup-sdk
setup-sdk: pipeline_code/.venv/.ready ## Set up the environment of pipeline_code/ (the SageMaker SDK)

# --- everyday -----------------------------------------------------------------------------------

.PHONY: demo
demo: setup ## Run the platform on this machine, end to end (KEEP=1 leaves it up)
	$(BIN)/python -m demo $(if $(KEEP),--keep)

.PHONY: test
test: setup setup-sdk ## Run all tests
	@$(BIN)/python tools/run_tests.py

.PHONY: proof
proof: setup setup-sdk setup-older ## Run the slow tests: load tests with real traffic, statistical proofs
	@$(BIN)/python tools/run_tests.py --slow

.PHONY: fuzz
fuzz: setup ## Try thousands of random uses of every construct, and hostile templates (FUZZ=2000; SEED=1 repeats a run)
	MLOPS_FUZZ_EXAMPLES=$(or $(FUZZ),2000) $(BIN)/python -m pytest -q -n auto --dist worksteal $(if $(SEED),--hypothesis-seed=$(SEED)) tests/properties tests/rules/test_hostile.py

.PHONY: check
check: setup setup-sdk ## Lint, type-check, and see that generated tables are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd localcloud && .venv/bin/mypy
	cd $(CURDIR)/pipeline_code && .venv/bin/mypy
	cd $(CURDIR) && $(BIN)/python -m pytest -q tests/rules/test_reference.py tests/docs

.PHONY: format
format: .venv/.ready ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: synth
synth: setup ## Synthesise all environments into cdk.out/
	cdk synth --quiet

.PHONY: definitions
definitions: setup-sdk ## Compile pipeline_code/*/pipeline.py to definition.json
	$(SDK_BIN)/python -m pipeline_code.compiler --all

.PHONY: snapshots
snapshots: setup ## Accept the templates as they are now as the new snapshots
	$(BIN)/python -m pytest -q tests/snapshots --snapshot-update

.PHONY: bench
bench: setup setup-sdk .tools/rivals/.ready ## Measure, as ratios against baselines in the same run
	$(BIN)/python -m benchmarks

.PHONY: bench-drift
bench-drift: setup .tools/rivals/.ready ## False alarms and power of the drift checks, thousands of resamples; goes on where it was stopped
	$(BIN)/python -m benchmarks.drift

.PHONY: docs
docs: setup ## Build the site of docs/ into site/, from what is here alone
	$(UV) sync --quiet --locked --inexact --group docs
	$(BIN)/mypy tools/docs_examples.py tools/docs_site.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: docs-serve
docs-serve: setup ## Show the site on http://127.0.0.1:8000 while you write
	$(UV) sync --quiet --locked --inexact --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

.PHONY: docs-pages
docs-pages: setup ## Draw the diagrams and tables of docs/constructs/ anew
	$(BIN)/python tools/update_construct_pages.py

.PHONY: lock
lock: .tools/bin/uv ## Resolve all lock files anew and export requirements.txt
	for project in . localcloud localcloud/containers pipeline_code benchmarks/rivals; do $(UV) lock --quiet --project $$project; done
	if [ -n "$(PYTHON39)" ]; then $(UV) lock --quiet --project localcloud/containers/older --python "$(PYTHON39)"; fi
	$(UV) export --quiet --no-hashes --no-emit-project --no-dev --group app --no-header -o requirements.txt
	npm install --package-lock-only --loglevel=error
	npm install --package-lock-only --loglevel=error --prefix localcloud

.PHONY: clean
clean: ## Remove what the targets made (environments, node_modules, caches, outputs)
	rm -rf .venv .tools localcloud/.venv localcloud/containers/.venv localcloud/containers/older/.venv pipeline_code/.venv build node_modules localcloud/node_modules cdk.out site .demo .localcloud .mypy_cache .pytest_cache .ruff_cache
