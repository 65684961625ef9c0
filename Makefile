# Thin: each target is the plain command you would type, after the one-time set-up.
#   make repro   everything, from data to plots          make quick     the same on a slice, in .quick/, 3 minutes
#   make test    lint and tests                          make test-slow tests that take minutes each
#   make gate    is the committed dvc.lock current?      make closure   deps of all stages from their imports
#   make verify  everything again in a clean copy, and every metric held against the committed one
#   make study   longer experiments; STUDY=bnn_families (default) or another folder of studies/
#   make bench   how fast, beside other libraries and hand-written code
#   make costs   what the runs made here took, into benchmarks/costs.json
#   make pull    data, posteriors and predictions from the DVC remote; make checkout: from the cache
#   make pretrained PRETRAINED=ADDRESS   the network's weights alone, from a release: docs/sharing.md

PYTHON ?= python3
# an index of CPU-only builds of torch leaves out the libraries for GPUs: docs/reproducing.md
TORCH_INDEX ?=
VENV := .venv
READY := $(VENV)/.installed
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# where released weights are: an address or a folder
PRETRAINED ?=
export PRETRAINED
STUDY ?= bnn_families
TARGETS ?= studies/$(STUDY)/dvc.yaml
# stage commands say `python`: the environment's comes first on PATH, many machines have no other
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: setup repro quick verify study bench costs checkout pull pretrained test test-slow lint format gate closure pins
.DEFAULT_GOAL := repro

setup: $(READY)

$(READY): requirements.txt requirements-core.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) $(shell grep -E '^(torch|torchvision)==' requirements.txt))
	$(if $(TORCH_INDEX),grep -vE '^(cuda|nvidia|triton)' requirements.txt |) \
		$(PIP) --requirement $(if $(TORCH_INDEX),/dev/stdin,requirements.txt)
	touch $@

repro: setup
	dvc repro

quick: setup
	python -m tools.quick

verify: setup
	python -m tools.verify

# --allow-missing: runs that are finished need not be in the cache
study: setup
	dvc repro --allow-missing $(TARGETS)

# --allow-missing: studies that were never run have nothing to bring back
checkout: setup
	dvc checkout --allow-missing

pull: setup
	dvc pull --allow-missing

# MODEL="vae ssvae": those of other models
pretrained: setup
	@python -m tools.pretrained $(if $(MODEL),--model $(MODEL))

# what it compares with comes on top of the environment
bench: setup
	$(PIP) --requirement benchmarks/requirements.txt
	python -m benchmarks

costs: setup
	python -m tools.costs

# two processes: most of a test of the pipeline is one core starting Python
test: lint
	python -m pytest --numprocesses 2 --dist loadfile -m "not slow"

test-slow: setup
	python -m pytest -m slow

lint: setup
	ruff check .
	ruff format --check .

format: setup
	ruff check --fix .
	ruff format .

gate: setup
	@python -m tools.gate

closure: setup
	python -m tools.closure --write

# after an edit of requirements.in: compile the exact pins anew
pins:
	uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header \
		--output-file requirements.txt requirements.in
