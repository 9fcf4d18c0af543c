# `make help` lists what there is. Everything goes through the project's own environment in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Every start of Python would compile this project anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON := .venv/bin/python
STACK ?= local
# What this computer must run for the stack: a cloud, machines, or nothing.
HERE = $(if $(filter local,$(STACK)),account,$(if $(filter hosts,$(STACK)),hosts,))
WITH_ENV = eval "$$($(PYTHON) -m toolchain env)"; eval "$$($(PYTHON) -m localcloud account env)";
# Pulumi writes a salt into the file of a stack: those of this computer are copied, and the checkout stays as it is.
CONFIG = $(if $(HERE),--config-file "$$($(PYTHON) -m toolchain stack $(STACK))")
SHELL_FILES = $$(git ls-files '*.sh' .ci/run)

.PHONY: help setup env up down logs sweep test check bench lock renew audit pictures backup restore doctor support benchmark report cost

help: ## What there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## All that a fresh machine needs; nothing where nothing is missing
	@toolchain/setup.sh

env: ## Lines for your shell: eval "$$(make -s env)", then plain pulumi commands
	@$(PYTHON) -m toolchain env
	@$(PYTHON) -m localcloud account env
	@$(if $(HERE),echo "export TANDEM_STACK_FILE=$$($(PYTHON) -m toolchain stack $(STACK))")

up: setup ## The main job on this computer: a cloud, two machines, one model over both, a URL that answers
	@$(if $(HERE),$(PYTHON) -m localcloud prepare stacks && $(PYTHON) -m localcloud $(HERE) start)
	@$(WITH_ENV) $(if $(HERE),,pulumi stack select --create $(STACK) >/dev/null &&) \
	  pulumi up --stack $(STACK) $(CONFIG) --yes --skip-preview
	@$(WITH_ENV) pulumi stack output --stack $(STACK)

down: ## All of it away again
	@$(WITH_ENV) if pulumi stack select $(STACK) >/dev/null 2>&1; then \
	  pulumi destroy --stack $(STACK) $(CONFIG) --yes --skip-preview; fi
	@$(if $(HERE),$(PYTHON) -m localcloud $(HERE) stop)

logs: ## What all machines of STACK wrote, by time; SINCE=10m, GREP=expression
	@$(WITH_ENV) $(PYTHON) -m stacks.logs $(STACK) $(if $(SINCE),--since '$(SINCE)') $(if $(GREP),--grep '$(GREP)')

backup: ## Keys, budgets and usage of STACK's team (gateway.team) to a file here; TO=file
	@$(WITH_ENV) $(PYTHON) -m stacks.backup $(STACK) $(if $(TO),--to '$(TO)')

restore: ## FILE of `make backup` in place of what STACK's team has
	@$(WITH_ENV) $(PYTHON) -m stacks.backup $(STACK) --restore '$(FILE)'

doctor: ## What is wrong with STACK and what mends it, changing nothing; JSON=1 for programs, ALL=1 tells what was not checked
	@$(WITH_ENV) $(PYTHON) -m stacks.doctor $(STACK) $(CONFIG) $(if $(JSON),--json) $(if $(ALL),--all)

support: ## An archive about STACK for whoever helps: findings, logs, settings, versions; no secrets
	@$(WITH_ENV) $(PYTHON) -m stacks.support $(STACK) $(CONFIG)

benchmark: ## Load on STACK's engine now, beside its plan and its last measurement; FULL=1 with longer prompts
	@$(WITH_ENV) $(PYTHON) -m stacks.benchmark $(STACK) $(CONFIG) $(if $(FULL),--full)

report: ## One page about STACK: plan, machines, timeline, benchmark, costs, events, what differs
	@$(WITH_ENV) $(PYTHON) -m stacks.report $(STACK) $(CONFIG)

cost: ## What STACK has cost until now, and what an hour costs
	@$(WITH_ENV) $(PYTHON) -m stacks.cost $(STACK) $(CONFIG)

sweep: ## What the account still holds of STACK, by tag; DELETE=1 deletes it
	@$(WITH_ENV) $(PYTHON) -m stacks.sweep $(STACK) $(if $(DELETE),--delete)

test: setup ## All tests, with all that they need; LONG=1 adds the long ones
	@$(PYTHON) -m localcloud prepare $(if $(LONG),long,tests)
	@$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 15 -m "$(if $(LONG),,not long)"

check: setup ## ruff, mypy --strict, shellcheck, gofmt and vet
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy .
	@printf '%s\n' $(SHELL_FILES) | xargs -P "$$(nproc)" -n 8 shellcheck
	@unformatted=$$(gofmt -l toolchain); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	@for module in plugins bridge; do (cd toolchain/$$module && go vet -mod=mod ./...); done

pictures: setup ## docs/pictures.md anew: the graph of resources and the house
	@$(PYTHON) -m tests.pictures

bench: setup ## Ratios of times within one run
	@$(PYTHON) -m pytest tests/bench --benchmark -s -p no:xdist

lock: ## Every lock file anew, from the requirements beside it
	@toolchain/lock.sh

renew: lock ## Digests of the default images anew as well, asked of their registries
	@$(PYTHON) -m stacks.supply.renew

audit: ## What nothing pins by digest, hash or signature; fails on what has no reason in stacks/supply/unpinned.toml
	@$(PYTHON) -m stacks.supply.audit
