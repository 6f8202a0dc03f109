# Every command of the house. Each first makes sure of .venv and its packages.

PYTHON  := .venv/bin/python
RUNTIME := .venv/.runtime
DEV     := .venv/.dev
BROWSER := .venv/.browser
REDIS   := .venv/.redis

# Production's settings, so far as the checks want them.
PRODUCTION := DEBUG=false PUBLIC_URL=https://review.example.com \
	ALLOWED_HOSTS=review.example.com PROVIDER=openai OPENAI_API_KEY=sk-lint \
	SECRET_KEY=only-for-make-lint-0123456789-abcdefghijklmnopqrstuvwxyz \
	DATABASE_URL=sqlite://:memory:

# Where `make fuzz` begins, and how many it tries: a hundred take some minutes.
SEEDS := $(shell date +%s)+100

# How many requests for each call of the API, valid and invalid, and which.
FUZZ := 250
FUZZ_SEED := $(shell date +%s)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo run test fuzz mutants lint format schema screenshots chaos bench

help: ## List these commands
	@awk -F ': .*## |## ' '/^[a-z]+:.*## / { split($$0, target, ":"); \
		printf "make %-12s %s\n", target[1], $$NF }' $(MAKEFILE_LIST)

demo: $(RUNTIME) ## Play the whole story; ONCE=1: to its end, CHAOS=1: amid troubles
	$(PYTHON) manage.py demo $(if $(ONCE),--once) $(if $(CHAOS),--chaos) $(ARGS)

run: $(RUNTIME) .env ## Serve, with the settings in .env
	mkdir -p var
	$(PYTHON) manage.py migrate
	$(PYTHON) manage.py collectstatic --noinput
	$(PYTHON) manage.py serve

test: $(DEV) $(BROWSER) ## Run all tests; ALL=1: all on PostgreSQL too; ARGS="-k retry"
	@$(PYTHON) tests/run.py $(if $(ALL),--all) $(ARGS)

fuzz: $(DEV) ## Drive lifecycle and API at random for long; SEEDS=1234+100 ARGS=--db=postgres
	@echo "SEEDS=$(SEEDS) FUZZ=$(FUZZ) FUZZ_SEED=$(FUZZ_SEED)"
	@SEEDS=$(SEEDS) $(PYTHON) -m pytest -q tests/test_interleavings.py $(ARGS)
	@FUZZ=$(FUZZ) FUZZ_SEED=$(FUZZ_SEED) $(PYTHON) -m pytest -q -n auto \
		tests/test_api_fuzz.py $(ARGS)

mutants: $(DEV) ## Take one guard of the gate away at a time: tests must miss it; ARGS="--only claim"
	$(PYTHON) -m tests.mutants $(ARGS)

lint: $(DEV) ## Check style, types, imports, migrations and settings
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(PRODUCTION) .venv/bin/mypy
	.venv/bin/lint-imports
	$(PRODUCTION) $(PYTHON) manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING

format: $(DEV) ## Lay the code out, and mend what can be mended by itself
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

schema: $(DEV) ## Write docs/openapi.yaml anew, unless that would break programs
	@$(PRODUCTION) $(PYTHON) -m tests.contract

screenshots: $(DEV) $(BROWSER) ## Take the pictures of every page
	$(PYTHON) -m tests.e2e.screenshots

chaos: $(DEV) $(REDIS) ## Kill and break everything while jobs run; SHORT=1, ARGS="--seed 7"
	$(PYTHON) -m tests.chaos --jobs $(if $(SHORT),300 --storms 6,1500 --storms 60) $(ARGS)
	$(PYTHON) -m tests.chaos --jobs $(if $(SHORT),100 --storms 3,500 --storms 20) \
		--broker redis $(ARGS)

bench: $(DEV) ## Measure what docs promise
	$(PYTHON) -m tests.bench

$(RUNTIME): requirements.txt
	@.ci/setup runtime

$(DEV): requirements.txt requirements-dev.txt
	@.ci/setup dev

$(BROWSER): $(DEV)
	@.ci/setup browser

$(REDIS): $(DEV)
	@.ci/setup redis

.env:
	@umask 077 && key=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))') && \
		sed "s|^SECRET_KEY=.*|SECRET_KEY=$$key|" .env.example > $@
	@echo "Made .env with a new SECRET_KEY: look into it, PROVIDER is for you to choose."
