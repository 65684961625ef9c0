# Thin: each target is the plain command you would type, after the one-time set-up.
#   make repro   everything, from data to plots          make quick   the same on a slice, in .quick/, 3 minutes
#   make test    lint and tests                          make gate    is the committed dvc.lock current?
#   make verify  everything again in a clean copy, and every metric held against the committed one
#   make study   the inference families of the Bayesian neural network beside each other, three hours
#   make bench   how fast, beside other libraries and hand-written code

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.installed
# stage commands say `python`: the environment's comes first on PATH, many machines have no other
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: setup repro quick verify study bench test lint format gate pins
.DEFAULT_GOAL := repro

setup: $(READY)

$(READY): requirements.txt requirements-core.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@

repro: setup
	dvc repro

quick: setup
	python -m stages.quick

verify: setup
	python -m stages.verify

# the inference families of the Bayesian neural network, some hours
study: setup
	dvc repro studies/bnn_families/dvc.yaml

# what it compares with comes on top of the environment
bench: setup
	python -m pip install --quiet --disable-pip-version-check --requirement benchmarks/requirements.txt
	python -m benchmarks

# two processes: most of a test of the pipeline is one core starting Python
test: lint
	python -m pytest --numprocesses 2 --dist loadfile

lint: setup
	ruff check .
	ruff format --check .

format: setup
	ruff check --fix .
	ruff format .

gate: setup
	@dvc repro --allow-missing --dry > .gate.log || { cat .gate.log; rm .gate.log; exit 1; }
	@if grep "Running stage" .gate.log; then \
		echo "dvc.lock is not current: run dvc repro and commit dvc.lock, metrics and plots"; rm .gate.log; exit 1; \
	else rm .gate.log; echo "dvc.lock is current"; fi

# after an edit of requirements.in: compile the exact pins anew
pins:
	uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header \
		--output-file requirements.txt requirements.in
