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
# Thousands of short processes import the same modules: without the cache each of them compiles these again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(READY) ## Install everything (the other commands do this too)

.PHONY: run
run: $(READY) ## Start the local AWS, send the sample leads and print each lead's timeline
	@$(PYTHON) -m devstack run

# One worker for each core.
WORKERS := --numprocesses auto --dist worksteal

.PHONY: test
test: $(READY) ## Run all tests, or some (ARGS="tests/unit")
ifdef ARGS
	@$(PYTHON) -m pytest $(if $(findstring tests/sta,$(ARGS))$(findstring tests/sam,$(ARGS)),,$(WORKERS)) $(ARGS)
else
	@$(PYTHON) -m quality.run_tests
endif

.PHONY: screenshots
screenshots: $(READY) ## Renew the pictures of the console in docs/console
	@$(PYTHON) -m pytest --quiet tests/browser/screenshots.py

.PHONY: coverage
coverage: $(READY) ## Measure the branch coverage of the tests that need no emulator (report: .local/coverage)
	@mkdir -p .local/coverage
	@$(PYTHON) -m pytest $(or $(ARGS),tests/unit tests/contract tests/cli) $(WORKERS) --cov --cov-report html
	@$(PYTHON) -m coverage report --format markdown >.local/coverage/summary.md
	@echo "Branch coverage: $$($(PYTHON) -m coverage report --format total) %"

.PHONY: test-sam-local
test-sam-local: $(READY) ## Run every sample event through the real `sam local` (skips where Docker does not run)
	@$(PYTHON) -m pytest tests/sam_local

.PHONY: bench
bench: $(READY) ## Run the benchmarks and fail if one exceeds its budget (ROUNDS=0.3, ONLY=cold,warm, WRITE=1: docs/benchmarks.md)
	@$(PYTHON) -m quality.benchmarks $(if $(ROUNDS),--scale $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(if $(WRITE),--write)

.PHONY: bench-compare
bench-compare: $(READY) ## Compare with n8n and Node-RED, which npm installs into .local (ROUNDS=3, WRITE=1: docs/benchmarks.md)
	@$(PYTHON) -m quality.benchmarks.compare $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(WRITE),--write)

.PHONY: lint
lint: $(READY) ## Check the code, the template and the workflows
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy .
	@PYTHONPATH=. .venv/bin/lint-imports --no-logo
	@$(PYTHON) -m infra.lint
	@.venv/bin/zizmor --offline --no-progress --quiet .github/workflows

.PHONY: audit
audit: $(READY) .local/audit/.ready ## Scan for known vulnerabilities (STRICT=1 fails if a scan cannot run)
	@.local/audit/bin/python tools/audit $(UV) $(if $(STRICT),--strict)

.PHONY: check-config
check-config: $(READY) ## Check config/ and list the wrong lines
	@$(PYTHON) -m tools.config config

.PHONY: schemas
schemas: $(READY) ## Generate the JSON Schemas of config/ from the settings models
	@$(PYTHON) -m tools.config.schema

.PHONY: openapi
openapi: $(READY) ## Generate docs/openapi.json from the code
	@$(PYTHON) -m tools.openapi

.PHONY: diagrams
diagrams: $(READY) ## Generate the diagrams of states in the documentation from the code
	@$(PYTHON) -m tools.diagrams

.PHONY: fuzz
fuzz: $(READY) ## Run all property tests with more examples; those of forms, API and delivery states with many more
	@HYPOTHESIS_PROFILE=deep $(PYTHON) -m pytest $(WORKERS) -m hypothesis tests/unit tests/sandbox
	@HYPOTHESIS_PROFILE=nightly $(PYTHON) -m pytest \
		tests/unit/forms/test_any_post.py tests/contract/test_openapi.py tests/unit/services/test_delivery_model.py

.PHONY: chaos
chaos: $(READY) ## Inject faults everywhere, then reconcile all records (SEED=7 LEADS=300 RUNS=5)
	@$(PYTHON) -m quality.chaos $(if $(SEED),--seed $(SEED)) $(if $(LEADS),--leads $(LEADS)) $(if $(RUNS),--runs $(RUNS))

.PHONY: build
build: $(READY) ## Build for AWS, into .aws-sam (ENV=dev or prod)
	@PATH="$(SAM):$(PATH)" sam build --config-env $(or $(ENV),prod)

.PHONY: deploy
deploy: $(READY) ## Deploy the build (ENV=dev or prod; ROLE, BUCKET, PARAMETERS: docs/deploy.md)
	@$(if $(filter dev prod,$(ENV)),,echo "Name the environment: make deploy ENV=dev" >&2; exit 1)
	@test -f .aws-sam/build/template.yaml || { echo "There is no build: run make build ENV=$(ENV) first." >&2; exit 1; }
	@$(PYTHON) -m infra.concurrency $(ENV) $(if $(PARAMETERS),--parameters "$(PARAMETERS)")
	@PATH="$(SAM):$(PATH)" sam deploy --config-env $(ENV) \
		$(if $(ROLE),--role-arn "$(ROLE)" --no-confirm-changeset) \
		$(if $(BUCKET),--no-resolve-s3 --s3-bucket "$(BUCKET)") \
		$(if $(PARAMETERS),--parameter-overrides "$(PARAMETERS)")

.PHONY: check-deployed
check-deployed: $(READY) ## Verify a deployment with a test lead (ENV=dev or prod, or STACK=name; API=address)
	@$(PYTHON) -m infra.check $(ENV) $(if $(STACK),--stack "$(STACK)") $(if $(API),--api "$(API)")

.PHONY: up
up: $(READY) ## Start the local AWS in the background; return when the API answers
	@$(PYTHON) -m devstack up

.PHONY: reload
reload: $(READY) ## Apply changed code, console files and config/ to the local stack within seconds
	@$(PYTHON) -m devstack reload

.PHONY: watch
watch: $(READY) ## Reload after each change, until Ctrl-C
	@$(PYTHON) -m devstack watch

.PHONY: down
down: $(READY) ## Stop the local AWS
	@$(PYTHON) -m devstack down

.PHONY: lead
lead: $(READY) ## Post a sample lead to the local stack (SAMPLE=good; samples: events/receive_lead), or a file in its place (BODY=lead.json)
	@$(PYTHON) -m devstack lead "$(SAMPLE)" "$(BODY)"

.PHONY: webhook-url
webhook-url: $(READY) ## Print the address that a form posts to, with its token (SOURCE=plain-credit)
	@$(PYTHON) -m devstack webhook-url $(SOURCE)

.PHONY: form
form: $(READY) ## Serve the example form of docs/form/, which posts to the local stack
	@$(PYTHON) -m devstack form

.PHONY: get
get: $(READY) ## Call GET on a route of the local stack as the operator (ROUTE=/leads)
	@$(PYTHON) -m devstack get $(ROUTE)

.PHONY: sam-local
sam-local: $(READY) ## Run `sam local` in Docker against the local stack (ARGS="invoke FindDue -e events/find_due/tick.json")
	@$(PYTHON) -m devstack sam-local $(ARGS)

.PHONY: logs
logs: $(READY) ## Print the logs of all functions since the local stack started
	@$(PYTHON) -m devstack logs

.PHONY: clean
clean: ## Stop the local AWS and remove everything that was installed or built
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
