# Perch's targets; `make` alone says what there is. ARGS are passed on: make demo ARGS="--port 8081", make test ARGS="-k mqtt";
# tests run beside each other (a third of their time is waiting: one worker more than cores), WORKERS=0 runs them one by one.

PYTHON ?=
PYTHONS ?=
ARGS ?=
UPGRADE ?=
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
bin := .venv/bin
# A file is run by one worker, as its tests share what takes long to start; the order is that of tests/conftest.py.
pytest := $(bin)/pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Tests start Python some hundred times: what was compiled is kept, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-long test-pythons lint bench accuracy chaos docs lock dist sbom audit release

help:
	@echo 'make demo       the whole system on this machine, with simulated people (Ctrl-C ends it)'
	@echo 'make setup      everything for working on Perch, in .venv'
	@echo 'make test       the tests, on real servers and a real browser'
	@echo 'make test-long  the tests that take minutes, and every property on more examples'
	@echo 'make test-pythons  the core of the tests under each Python that is to be had here (PYTHONS="3.12" chooses)'
	@echo 'make lint       style, types, and whether the committed dashboards are what the code builds'
	@echo 'make bench      speed and size, beside peers measured in the same run'
	@echo 'make accuracy   how right the estimator is, on recordings and simulated spaces: prints tables, renews docs/accuracy.md'
	@echo 'make chaos      break a whole Perch on purpose for half a minute, and count what became of every event'
	@echo 'make docs       the pages as a site that needs no network, in site/'
	@echo 'make lock       resolve the dependencies anew into locks/ (UPGRADE=1 takes newer versions)'
	@echo 'make dist       wheel and source archive, in dist/'
	@echo 'make release    the same with a list of what is in it, signed by KEY=~/.ssh/key (docs/releasing.md)'
	@echo 'make sbom       that list alone; make audit asks whether anything in it is known to be vulnerable'

# The stamps say which lock .venv was last made with; the development one holds all that the demo needs.
.venv/.demo: locks/demo.txt pyproject.toml
	@PYTHON='$(PYTHON)' scripts/make-venv demo
	@touch $@

.venv/.dev: locks/dev.txt pyproject.toml
	@PYTHON='$(PYTHON)' scripts/make-venv dev
	@touch $@ .venv/.demo

setup: .venv/.dev

demo: .venv/.demo
	@$(bin)/perch demo $(ARGS)

test: setup
	@scripts/get-parts
	$(pytest) $(ARGS)

test-long: setup
	@scripts/get-parts
	@scripts/get-influxd2
	$(pytest) -m 'long or hypothesis' --hypothesis-profile long $(ARGS)

lint: setup
	$(bin)/ruff check
	$(bin)/ruff format --check
	$(bin)/mypy
	$(bin)/perch dashboards build --check

bench: setup
	$(bin)/python -m benchmarks $(ARGS)

chaos: setup
	@scripts/get-parts
	$(bin)/perch chaos $(or $(ARGS),--minutes 0.5)

accuracy: setup
	$(bin)/python -m benchmarks.accuracy $(ARGS)

test-pythons: setup
	PYTHONS='$(PYTHONS)' scripts/test-pythons $(ARGS)

docs: setup
	$(bin)/python scripts/draw-diagrams
	$(bin)/sphinx-build --quiet --fail-on-warning --keep-going -b html -d build/doctrees docs site

compile := $(bin)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade)

lock: setup
	$(compile) pyproject.toml --extra dev -o locks/dev.txt
	$(compile) pyproject.toml --extra demo --extra build -c locks/dev.txt -o locks/demo.txt

dist: setup
	rm -rf dist
	$(bin)/python -m hatchling build -d dist

# What is in a release, by the locks: of what runs, and of what it is built and tested with.
sbom := $(bin)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --short-PURLs --of JSON

sbom: setup
	@mkdir -p dist
	$(sbom) -o dist/perch.cdx.json locks/demo.txt
	$(sbom) -o dist/perch-dev.cdx.json locks/dev.txt

audit: setup
	$(bin)/python scripts/audit-locks

release: dist
	$(MAKE) --no-print-directory sbom
	scripts/sign-release '$(KEY)'
