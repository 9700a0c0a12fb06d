# Searchloom. `make demo` is all it takes; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help setup up down status demo test lint format lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: ## Make the virtual environment, fetch both engines
	@./bootstrap.sh requirements.txt
	@.venv/bin/python -m searchloom.stack.engine_homes

up: setup ## Start the local stack and wait until it is healthy
	@.venv/bin/searchloom up

down: ## Stop the local stack; data stays
	@.venv/bin/searchloom down

status: ## Show the parts of the local stack
	@.venv/bin/searchloom status

demo: ## Set up, start everything, run the DAGs on a real corpus, train own models on it (not with TRAIN=no), report, leave it serving
	@began=$$(date +%s) && $(MAKE) --no-print-directory setup && .venv/bin/searchloom demo --since $$began $(if $(filter no,$(TRAIN)),--no-train)

test: ## Set up, run every test
	@./bootstrap.sh requirements-dev.txt
	@.venv/bin/python -m searchloom.stack.engine_homes
	@.venv/bin/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

lint: ## Check style, types and who imports whom
	@./bootstrap.sh requirements-dev.txt
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: ## Format the code
	@./bootstrap.sh requirements-dev.txt
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

lock: ## Compile requirements*.txt from requirements*.in
	@./bootstrap.sh requirements.txt
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --override overrides.txt requirements.in -o requirements.txt
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --override overrides.txt requirements-dev.in -o requirements-dev.txt

clean: ## Stop the stack; remove its data, the engines and the virtual environment
	@if [ -x .venv/bin/searchloom ]; then .venv/bin/searchloom down; fi
	@for link in .state/engines .cache/engines; do if [ -L $$link ]; then rm -rf "$$(readlink $$link)"; fi; done
	rm -rf .state .cache .venv demo-report.json *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
