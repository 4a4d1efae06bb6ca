# What is needed: Python 3.11 or later, git and make. Everything else is fetched into .venv and .local.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

UV_VERSION := 0.13.9
# A uv on PATH that does not run (a shim of another Python's) is as good as none.
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo $(CURDIR)/.local/uv/bin/uv)
PYTHON := .venv/bin/python
SAM := $(CURDIR)/.local/emulator/bin
READY := .venv/.ready .local/emulator/.ready

# The layers are built by uv, and uv is not to think of another project's environment.
export PATH := $(dir $(UV)):$(PATH)
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(READY) ## Install everything (the others do it by themselves)

.PHONY: run
run: $(READY) ## Start the local AWS, send the sample leads and show each one's journey
	@$(PYTHON) -m devstack.commands.demo

.PHONY: test
test: $(READY) ## Run all tests, or some (ARGS="tests/unit")
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@mkdir -p .local; status=0; \
	$(PYTHON) -m pytest tests/stack >.local/test-stack.log 2>&1 & stack=$$!; \
	trap "kill $$stack 2>/dev/null || true" EXIT; \
	nice $(PYTHON) -m pytest --numprocesses 2 --dist worksteal --durations 15 --ignore tests/stack || status=$$?; \
	wait $$stack || status=$$?; cat .local/test-stack.log; exit $$status
endif

.PHONY: test-sam-local
test-sam-local: $(READY) ## Run every sample event through the real `sam local` (skips where Docker does not run)
	@$(PYTHON) -m pytest tests/sam_local

.PHONY: bench
bench: $(READY) ## Measure, and fail where the budget is broken (ROUNDS=0.3, ONLY=cold,warm, WRITE=1: docs/benchmarks.md)
	@$(PYTHON) -m quality.benchmarks $(if $(ROUNDS),--scale $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)

.PHONY: lint
lint: $(READY) ## Check the code and the template
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy .
	@PYTHONPATH=. .venv/bin/lint-imports --no-logo
	@.venv/bin/cfn-lint template.yaml infra/github-role.yaml infra/api-logging.yaml
	@$(PYTHON) -m infra.lint
	@.venv/bin/zizmor --offline --no-progress --quiet .github/workflows

.PHONY: audit
audit: $(READY) .local/audit/.ready ## Look for known weaknesses (STRICT=1 fails where they cannot be asked for)
	@.local/audit/bin/python tools/audit $(UV) $(if $(STRICT),--strict)

.PHONY: check-config
check-config: $(READY) ## Check config/ and say which lines are wrong
	@$(PYTHON) -m tools.config config

.PHONY: openapi
openapi: $(READY) ## Write docs/openapi.json anew from the code
	@$(PYTHON) -m tools.openapi

.PHONY: diagrams
diagrams: $(READY) ## Draw the documentation's pictures anew from the template and the code
	@$(PYTHON) -m tools.diagrams

.PHONY: fuzz
fuzz: $(READY) ## Throw everything at the forms, the API and a delivery's states, long (HYPOTHESIS_PROFILE=nightly)
	@HYPOTHESIS_PROFILE=nightly $(PYTHON) -m pytest \
		tests/unit/forms/test_any_post.py tests/contract/test_openapi.py tests/unit/test_delivery_model.py

.PHONY: chaos
chaos: $(READY) ## Let everything go wrong at once, then balance the books (SEED=7 LEADS=300 RUNS=5)
	@$(PYTHON) -m quality.chaos $(if $(SEED),--seed $(SEED)) $(if $(LEADS),--leads $(LEADS)) $(if $(RUNS),--runs $(RUNS))

.PHONY: build
build: $(READY) ## Build what is deployed to AWS, into .aws-sam
	@PATH="$(SAM):$(PATH)" sam build --config-env $(or $(ENV),prod)

.PHONY: deploy
deploy: $(READY) ## Deploy what was built (ENV=dev or prod; ROLE, BUCKET and PARAMETERS as docs/deploy.md tells)
	@$(if $(filter dev prod,$(ENV)),,echo "Say where to: make deploy ENV=dev" >&2; exit 1)
	@$(PYTHON) -m infra.concurrency $(ENV) $(if $(PARAMETERS),--parameters "$(PARAMETERS)")
	@PATH="$(SAM):$(PATH)" sam deploy --config-env $(ENV) \
		$(if $(ROLE),--role-arn "$(ROLE)" --no-confirm-changeset) \
		$(if $(BUCKET),--no-resolve-s3 --s3-bucket "$(BUCKET)") \
		$(if $(PARAMETERS),--parameter-overrides "$(PARAMETERS)")

.PHONY: check-deployed
check-deployed: $(READY) ## Check a deployment with a test lead (ENV=dev or prod, or STACK=name; API=address)
	@$(PYTHON) -m infra.check $(ENV) $(if $(STACK),--stack "$(STACK)") $(if $(API),--api "$(API)")

.PHONY: up
up: $(READY) ## Start the local AWS in the background; returns when the API answers
	@$(PYTHON) -m devstack up

.PHONY: down
down: $(READY) ## Stop it
	@$(PYTHON) -m devstack down

.PHONY: lead
lead: $(READY) ## Post a sample to it (SAMPLE=good, see events/receive_lead)
	@$(PYTHON) -m devstack.commands.send $(SAMPLE)

.PHONY: address
address: $(READY) ## Say where a form posts to, with its token (SOURCE=plain-credit)
	@$(PYTHON) -m devstack.commands.address $(SOURCE)

.PHONY: form
form: $(READY) ## Serve the form page of docs/form/, posting to it
	@$(PYTHON) -m devstack.commands.form_page

.PHONY: ask
ask: $(READY) ## Ask it something as its operator (ROUTE=/leads)
	@$(PYTHON) -m devstack.commands.ask $(ROUTE)

.PHONY: sam-local
sam-local: $(READY) ## Run `sam local` on it, in Docker (ARGS="invoke FindDue -e events/find_due/tick.json")
	@$(PYTHON) -m devstack.sam_local.run $(ARGS)

.PHONY: logs
logs: $(READY) ## Show what the functions have logged since it was started
	@$(PYTHON) -m devstack logs

.PHONY: clean
clean: ## Stop it and remove everything that was installed or built
	@if [ -x $(PYTHON) ]; then $(PYTHON) -m devstack down; fi
	@rm -rf .venv .local .aws-sam .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.ready: pyproject.toml cli/pyproject.toml uv.lock | uv
	@$(UV) sync --frozen --quiet
	@touch $@

.local/emulator/.ready: devstack/pyproject.toml devstack/uv.lock | uv
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.local/emulator $(UV) sync --project devstack --frozen --quiet
	@touch $@

.local/audit/.ready: tools/audit/pyproject.toml tools/audit/uv.lock | uv
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.local/audit $(UV) sync --project tools/audit --frozen --quiet
	@touch $@

.PHONY: uv
uv: $(UV)
	@$(UV) python find --quiet 3.13 >/dev/null 2>&1 || $(UV) python install --quiet 3.13 || { \
		echo "Python 3.13 was not found and could not be fetched. Install it, then run make again." >&2; exit 1; }

# Run from /, so that a version manager does not insist on this project's 3.13 for a tool that any Python can carry.
$(CURDIR)/.local/uv/bin/uv:
	@cd /; \
	for python in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
		if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			$$python -m venv --clear $(CURDIR)/.local/uv; \
			$(CURDIR)/.local/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
			exit 0; \
		fi; \
	done; \
	echo "No Python of 3.11 or later with venv was found (on Debian: apt-get install python3-venv)." >&2; exit 1
