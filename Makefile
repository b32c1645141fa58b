# Two commands need nothing but git, make and Python 3.11 with venv: `make try` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(VENV)/bin
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: try test faults check example format lint floors types lock clean

# A letter from first word to last, with 738 people: make try ARGS="--story failure"
try: $(VENV)/.server-installed
	$(BIN)/undersigned try $(ARGS)

# Every suite whose tools are here; the others are named with the Debian package they need: make test ARGS="-k count"
test: $(VENV)/.test-installed
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

# The database killed and restarted some hundred times while people sign; about three minutes on two cores.
faults: $(VENV)/.test-installed
	UNDERSIGNED_TEST_ALL=1 UNDERSIGNED_FAULT_ROUNDS=50 $(BIN)/python -m pytest tests/log/test_postgresql_faults.py $(ARGS)

check: lint floors types test

# Rewrite spec/example, vectors/undersigned and the examples on spec's pages; then read the difference.
example: $(VENV)/.test-installed
	PYTHONPATH=tests $(BIN)/python -m support.make_example

format: $(VENV)/.test-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(VENV)/.test-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

floors: $(VENV)/.test-installed
	$(BIN)/lint-imports

types: $(VENV)/.test-installed
	$(BIN)/mypy

# A stamp is older than its lock when the lock changed, and the install runs again.
$(VENV)/.%-installed: requirements/%.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# Every wheel's hash as PyPI states it; run it after changing a dependency, and read the difference.
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--default-index https://pypi.org/simple --custom-compile-command "make lock"
lock: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet uv
	$(UV_COMPILE) --extra server pyproject.toml requirements/build.in -o requirements/server.txt
	$(UV_COMPILE) --extra server --extra postgres --extra test -c requirements/server.txt pyproject.toml requirements/build.in \
		-o requirements/test.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
