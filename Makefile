# `make up` brings up the local stack and proves it; `make test` runs every test. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# The first that runs and is new enough; python3 itself, which then says what is wrong, if none is.
PYTHON ?= $(shell for v in python3 python3.13 python3.12 python3.11; do \
    $$v -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$v && exit; done; echo python3)
VENV := .venv/bin/python
STACK ?= dev
export STACK

.PHONY: help adopt plan graph reference status new metadata-export rollback baseline repair rehearse seed bench rotate-drill web tools images up down preview refresh outputs prove test soak contract ci-plan ci-fingerprint ci-comment ci-deploy ci-drift-issue ci-review-up ci-review-down ci-review-sweep doctor setup setup-dev activate env backup restore shell lint format pin pin-images requirements

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## set up, bring up the stack, prove that one user cannot see another's row
	@$(PYTHON) -m local.toolchain setup --no-warnings
	@$(VENV) -m local.stack up

preview: images ## show what `make up` would change
	@$(VENV) -m local.stack preview

plan: images ## what `make up` would change, as a document: make plan DRIFT=1 EXPECT=<fingerprint>
	@$(VENV) -m local.stack plan

graph: images ## who sees what, drawn as Markdown and as a page; DIFF=1 marks what is not as it was deployed
	@$(VENV) -m local.stack graph

refresh: tools ## read back what is really there (drift)
	@$(VENV) -m local.stack refresh

outputs: tools ## the stack's outputs as JSON; SECRETS=1 shows secrets too
	@$(VENV) -m local.stack outputs

env: tools ## what a front end needs, as dotenv: make env FILE=.env.local ENV_PREFIX=VITE_
	@$(VENV) -m local.stack env

backup: tools ## a backup of both databases, restored and compared before it is kept: make backup FOLDER=...
	@$(VENV) -m local.stack backup

restore: tools ## put a backup in the place of the databases: make restore FILE=... YES=1
	@$(VENV) -m local.stack restore

adopt: tools ## take over a Hasura that was set up by hand: make adopt URL=https://... STACK=prod; BASELINE=, PENDING=1, OVERWRITE=1
	@$(VENV) -m local.stack adopt

prove: tools ## prove again that one user cannot see another's row
	@$(VENV) -m local.stack prove

rotate-drill: images ## rehearse a rotation of Clerk's signing key on throwaway containers; two minutes
	@$(VENV) -m local.stack rotate_drill

web: tools ## serve a page that signs in and shows its user's own row; needs the stack up
	@$(VENV) -m examples.web

status: tools ## every migration: its folder, the ledger, what the Hasura CLI believes
	@$(VENV) -m local.stack migrations status || test $$? -eq 3    # something is pending: for scripts, not for people

new: tools ## a new migration's folder: make new NAME=add_email
	@$(VENV) -m local.stack migrations new $(or $(NAME),--help)

metadata-export: tools ## write the engine's metadata into its files, as clicked together: OVERWRITE=1 also over uncommitted ones
	@$(VENV) -m local.stack migrations export $(if $(filter 1,$(OVERWRITE)),--overwrite)

rollback: tools ## undo the newest N (1) migrations by the down SQL that the ledger keeps
	@$(VENV) -m local.stack migrations down $(N)

baseline: tools ## take over a database that nobody migrated: make baseline VERSION=1700000000000
	@$(VENV) -m local.stack migrations baseline $(or $(VERSION),--help)

repair: tools ## settle a migration by hand: make repair ARGS="--done 1700000000000"
	@$(VENV) -m local.stack migrations repair $(or $(ARGS),--help)

rehearse: tools ## run what is pending in a transaction that always rolls back
	@$(VENV) -m local.stack migrations rehearse

seed: tools ## apply the files of seeds/ that have changed
	@$(VENV) -m local.stack migrations seed

down: tools ## remove every container, volume and network of the stack
	@$(VENV) -m local.stack down

pin: ## fetch the vendor's checksums of the pinned versions into pins.json
	@$(PYTHON) -m local.toolchain pin

pin-images: tools ## write the digests of a stack's images into its file: make pin-images STACK=prod
	@$(VENV) -m local.image_digests

reference: setup-dev ## write the tables of settings from Pulumi.yaml: docs/reference/settings.md and README.md
	@$(VENV) -m local.settings_reference

requirements: setup-dev ## pin what the requirements*.in files name, with hashes
	@for file in requirements requirements-dev local/images/stand-ins/requirements; do \
	    CUSTOM_COMPILE_COMMAND="make requirements" .venv/bin/pip-compile --quiet --generate-hashes --strip-extras \
	        --allow-unsafe --no-emit-index-url --no-emit-find-links --output-file $$file.txt $$file.in || exit 1; done

doctor: ## which tools are used, their versions and where they came from
	@$(PYTHON) -m local.toolchain doctor

setup: ## every tool and image, each with one line that says where it came from
	@$(PYTHON) -m local.toolchain setup

# What most commands need, without a word about what is there.
tools:
	@$(PYTHON) -m local.toolchain setup --no-images --quiet

images:
	@$(PYTHON) -m local.toolchain setup --quiet

setup-dev:
	@$(PYTHON) -m local.toolchain setup --dev

activate: tools ## print the lines that put the tools on PATH, for eval
	@$(PYTHON) -m local.toolchain activate
	@echo 'pulumi stack --show-name >/dev/null 2>&1 || pulumi stack select $(STACK) 2>/dev/null || :'

shell: images ## a shell with the tools on PATH and the local stack selected
	@$(VENV) -m local.stack shell

test: setup-dev ## set up and run every test
	@$(VENV) -m local.stack test $(ARGS)

soak: setup-dev ## random steps and kills for a long time: make soak; SOAK_STEPS=300 SOAK_SEED=... KILLS=1000
	@$(VENV) -m local.stack soak $(ARGS)

contract: setup-dev ## replay the engine's contract and attack it: make contract ENGINE_IMAGE=hasura/graphql-engine:v2.48.10
	@$(VENV) -m local.stack contract $(ENGINE_IMAGE)

# What pipelines call (docs/ci.md). They work in the backend that the environment names.
ci-plan: tools ## a pipeline: the plan of STACK; DRIFT=1, EXPECT=<fingerprint>
	@$(VENV) -m pipeline plan

ci-fingerprint: ## a pipeline: the fingerprint of the plan made last
	@$(VENV) -m pipeline fingerprint

ci-comment: ## a pipeline: the plan made last as the one comment under PULL_REQUEST
	@$(VENV) -m pipeline comment

ci-deploy: tools ## a pipeline: plan, stop unless it is EXPECT, deploy under the policy pack, prove
	@$(VENV) -m pipeline deploy

ci-drift-issue: ## a pipeline: open, update or close the one issue about drift of STACK
	@$(VENV) -m pipeline drift-issue

ci-review-up: STACK := dev
ci-review-up: images ## a pipeline: the stack of PULL_REQUEST: up, proof, comment
	@$(VENV) -m pipeline review-up

ci-review-down: tools ## a pipeline: remove the stack of PULL_REQUEST
	@$(VENV) -m pipeline review-down

ci-review-sweep: tools ## a pipeline: remove stacks of pull requests that are not open any more
	@$(VENV) -m pipeline review-sweep

bench: setup-dev ## compare with the Hasura CLI and psql, side by side: make bench ARGS="--write --rounds 10"
	@$(VENV) -m benchmarks $(ARGS)

lint: setup-dev ## style, types, migrations, workflows, shell, secrets, links, vulnerabilities; ARGS=style
	@$(VENV) -m local.lint $(ARGS)

format: setup-dev ## rewrite the sources in the project's style
	@$(VENV) -m ruff format . && $(VENV) -m ruff check --fix .
