# make          set up .venv and run the default suite
# make setup    the set-up alone
# make test     set up and run the tests (with CI=true also `make browser`)
# make browser  install Debian's chromium and fetch axe-core, for the browser tests
# make check    formatting, types, lint
# make fuzz     break the files of every parser in 50,000 ways
# make readme   write the table of README.md from the reference results
# make bench    time the blocks against their peers
# make calibration  count the false alarms where 5% are asked for (ANOMARK_DATA), some minutes
# make torture  kill runs, flip stored bytes, feed garbage: reports/torture/summary.csv (SHORT=1: under two minutes)
PYTHON ?= python3
BIN := .venv/bin
CORES ?= all

.PHONY: run setup test check fuzz bench calibration browser torture readme
.DEFAULT_GOAL := run

run: setup
	$(BIN)/snakemake --cores $(CORES)
	@echo "The report is reports/default/index.html"

setup: .venv/.ready

.venv/.ready: pyproject.toml envs/requirements.txt envs/requirements-dev.txt
	@echo "Setting up .venv from the pinned requirements (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "anomark needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; pass PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

test: setup $(if $(CI),browser)
	$(BIN)/python -m pytest

browser:
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } \
	  || echo "chromium could not be installed: the browser tests will be skipped"
	@test -e .venv/axe-core/package/axe.min.js || { mkdir -p .venv/axe-core && cd .venv/axe-core \
	  && npm pack --silent axe-core@4.14.1 >/dev/null && tar -xzf axe-core-4.14.1.tgz; } \
	  || { rm -rf .venv/axe-core; echo "axe-core could not be fetched: the accessibility test will be skipped"; }

check: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/mypy anomark && $(BIN)/mypy methods && $(BIN)/mypy datasets && $(BIN)/mypy metrics
	$(BIN)/snakemake --lint

fuzz: setup
	$(BIN)/python -m tests.fuzz --cases 50000

readme: setup
	$(BIN)/anomark reference readme

bench: setup
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only -n 0

calibration: setup
	$(BIN)/python -m tests.benchmarks.calibration

torture: setup
	$(BIN)/python -m tests.torture $(if $(SHORT),--short)
