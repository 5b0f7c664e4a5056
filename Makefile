# Every target makes the virtual environment it needs. PYTHON is any Python from 3.11 on.
PYTHON ?= python3
PYTEST = .venv-test/bin/python -m pytest -n 2 --dist worksteal

.PHONY: demo test test-full crash test-openai2 bench lint clean

demo: .venv-demo/ready  ## a shop's desk: asks, gets killed, comes back, is replayed
	.venv-demo/bin/python -m examples.retail.demo

test: .venv-test/ready  ## the whole suite; COVERAGE=1 also counts lines and branches
	$(PYTEST) $(if $(COVERAGE),--cov --cov-report=)

test-full: .venv-test/ready  ## and the long forms of the crash and endurance suites
	$(PYTEST) -m "full or not full" --timeout 1800

crash: .venv-test/ready  ## 200 sessions of 20 steps, three workers, one killed, on each engine; SEED=… for the same again
	.venv-test/bin/python -m pytest -s -m full --timeout 900 tests/durable/test_crash_workers.py

test-openai2: .venv-openai2/ready  ## the models room with the SDK's second major version
	.venv-openai2/bin/python -m pytest -n 2 --dist worksteal tests/models

bench: .venv-test/ready  ## against the floors, in one run; writes benchmarks/RESULTS.md
	.venv-test/bin/python -m benchmarks

lint: .venv-test/ready
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy

.venv-demo/ready: pyproject.toml
	$(call environment,.venv-demo,.[server])

.venv-test/ready: pyproject.toml
	$(call environment,.venv-test,.[dev])

.venv-openai2/ready: pyproject.toml
	$(call environment,.venv-openai2,.[dev],'openai<3')

define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "agentkit needs Python 3.11 or later; $(PYTHON) is older. Say: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@echo "making $(1): a minute or two, once"
	@$(PYTHON) -m venv --clear $(1)
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --editable '$(2)' $(3)
	@touch $@
endef

clean:
	rm -rf .venv-demo .venv-test .venv-openai2 .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
