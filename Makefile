# Each target does all its set-up in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH_SECONDS ?= 1
FUZZ_SECONDS ?= 60
OUTAGE_SECONDS ?= 60
SOURCES := pyproject.toml CMakeLists.txt $(shell find src schema -type f -not -name '*.pyc')

.PHONY: demo test test-faults lint types bench bench-bus fuzz sanitize wheel clean

demo: $(VENV)/.with-demo  ## real rows through the embedded broker and back
	@$(BIN)/atomwire demo

test: $(VENV)/.with-test  ## the tests, on the installed package
	@$(BIN)/python -m pytest -m "not faults"

test-faults: $(VENV)/.with-test  ## brokers killed and frozen, connections cut, disks full
	@BROKER_TESTS_REQUIRED=1 BROKER_OUTAGE_SECONDS=$(OUTAGE_SECONDS) \
	  $(BIN)/python -m pytest tests/broker -m faults

lint: $(VENV)/.with-lint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.with-lint
	@$(BIN)/mypy

bench: $(VENV)/.with-bench $(VENV)/.bench-native  ## the codec beside its peers, and the report
	@$(BIN)/python -m pytest benchmarks --ignore=benchmarks/bus --quiet --benchmark-quiet \
	  --benchmark-json=$(VENV)/bench.json --benchmark-max-time=$(BENCH_SECONDS)
	@$(BIN)/python -m benchmarks.report $(VENV)/bench.json benchmarks/results

fuzz: $(VENV)/.with-test  ## all fuzz targets, FUZZ_SECONDS each
	@$(BIN)/python tests/native/fuzz.py --seconds $(FUZZ_SECONDS)

sanitize: $(VENV)/.python  ## the tests under ASan and UBSan, in a .venv of their own
	@PYTHON=$(PYTHON) tests/native/sanitized_suite.sh

bench-bus: $(VENV)/.with-bench  ## the bus beside raw confluent-kafka and kafka-go, on a real Kafka
	@$(BIN)/python -m benchmarks.bus benchmarks/results

wheel: $(VENV)/.python  ## a wheel and an sdist in dist/
	@$(BIN)/pip install --quiet build
	@$(BIN)/python -m build --outdir dist

clean:
	rm -rf $(VENV) build dist

# One stamp for each set of extras; the package is built anew when a source is newer.
$(VENV)/.with-%: $(VENV)/.python $(SOURCES)
	@echo "Installing atomwire[$*] into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check '.[$*]'
	@touch $@

$(VENV)/.bench-native: $(VENV)/.python $(shell find benchmarks/peers/native -type f) schema/event/v1/atom_event.fbs
	@$(BIN)/pip install --quiet --disable-pip-version-check ./benchmarks/peers/native
	@touch $@

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "atomwire needs Python 3.11 or newer; '$(PYTHON)' is missing or older."; \
	  echo "Install one (Debian, Ubuntu: apt-get install python3), or name it: make PYTHON=python3.12"; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module. Debian, Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -c 'import os, sysconfig as s, sys; \
	  sys.exit(not os.path.exists(os.path.join(s.get_path("include"), "Python.h")))' || { \
	  echo "$(PYTHON) has no headers (Python.h). Debian, Ubuntu: apt-get install python3-dev"; exit 1; }
	@command -v $${CXX:-c++} >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { \
	  echo "No C++ compiler was found. Debian, Ubuntu: apt-get install g++"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@
