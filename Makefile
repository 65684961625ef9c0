# Each target runs the plain command, after the one-time set-up.
#   make help    this list
#   make repro   everything, from data to plots          make quick     the same on little data, in .quick/, 4 minutes
#                JOBS=2: two stages at a time; on many machines: docs/cluster.md
#   make test    lint and tests                          make test-slow tests that each take minutes
#   make gate    is the committed dvc.lock current?      make closure   update the deps of all stages from imports
#   make verify  rerun everything in a clean copy and compare every metric with the committed one
#   make study   longer experiments; STUDY=bnn_families (default) or another folder of studies/; JOBS=2 as above
#   make bench   how fast, beside other libraries and hand-written code
#   make bench-scale   how far `make repro JOBS=2` goes: 1,000 stages; docs/scale.md
#   make costs   what the runs made here took, into benchmarks/costs.json
#   make report  the results as one page, report/index.html, that opens offline
#   make plots   `dvc plots show` and `dvc plots diff` write pages that open offline, too
#   make browser Chromium, for tests of pages
#   make docs    the pages and the course as a site, into docs/_build/html; broken links and warnings fail
#   make pull    data, posteriors and predictions from the DVC remote; make checkout: from the cache
#   make pretrained PRETRAINED=ADDRESS   the network's weights alone, from a release: docs/sharing.md

PYTHON ?= python3
# an index of CPU-only builds of torch, to avoid installing GPU libraries: docs/reproducing.md
TORCH_INDEX ?=
VENV := .venv
READY := $(VENV)/.installed
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
# where released weights are: an address or a folder
PRETRAINED ?=
export PRETRAINED
STUDY ?= bnn_families
TARGETS ?= studies/$(STUDY)/dvc.yaml
# several stages at a time: docs/cluster.md
JOBS ?=
REPRO = $(if $(JOBS),python -m tools.repro --jobs $(JOBS),dvc repro)
# stage commands call `python`: put the environment's first on PATH; many machines have no other
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup repro repro-setup quick verify study bench costs checkout pull pretrained report plots browser
.PHONY: bench-scale sampler docs citation test test-slow lint format gate closure pins
.DEFAULT_GOAL := repro

help:
	@sed -n 's/^#   //p' Makefile

setup: $(READY)

$(READY): requirements.txt requirements-core.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) $(shell grep -E '^(torch|torchvision)==' requirements.txt))
	$(if $(TORCH_INDEX),grep -vE '^(cuda|nvidia|triton)' requirements.txt |) \
		$(PIP) --requirement $(if $(TORCH_INDEX),/dev/stdin,requirements.txt)
	touch $@

repro: $(if $(JOBS),repro-setup,setup)
	$(REPRO)

# what it needs comes on top of the environment
repro-setup: setup
	$(PIP) --requirement tools/repro/requirements.txt

quick: setup
	python -m tools.quick

verify: setup
	python -m tools.verify

# --allow-missing: finished runs need not be in the cache
study: $(if $(JOBS),repro-setup,setup)
	$(if $(wildcard studies/$(STUDY)/requirements.txt),$(PIP) --requirement studies/$(STUDY)/requirements.txt)
	$(REPRO) --allow-missing $(TARGETS)

# --allow-missing: studies that were never run have nothing to check out
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

bench-scale: repro-setup
	python -m benchmarks.scale

costs: setup
	python -m tools.costs

report: setup
	python -m tools.report

plots: setup
	python -m tools.plots_page

# Debian's package; where there is another one, any program of this name will do
browser:
	@command -v chromium >/dev/null || test "$$(id -u)" != 0 || { apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends chromium; }
	@command -v chromium >/dev/null || { echo "tests of pages need the program chromium: install your system's" \
		"package, on Debian \`sudo apt-get install chromium\`" >&2; exit 1; }

# two processes: pipeline tests spend most of their time starting Python on one core
test: lint sampler
	python -m pytest --numprocesses 2 --dist loadfile -m "not slow"

# NUTS, with which some tests compare
sampler: setup
	$(PIP) --requirement studies/reference/requirements.txt

test-slow: repro-setup sampler browser
	$(PIP) --requirement docs/requirements.txt
	python -m pytest --numprocesses 2 --dist loadfile -m slow

# -E: notebooks read files that Sphinx does not know; what they gave is kept in docs/_build/cache
docs: setup
	$(PIP) --requirement docs/requirements.txt
	python -m sphinx -E -W --keep-going -n -q -b html docs docs/_build/html

# in an environment of its own: it wants an older jsonschema than check-jsonschema
citation: setup
	uv tool run cffconvert@2.0.0 --validate

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

# after editing requirements.in: recompile the exact pins
pins:
	uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header \
		--output-file requirements.txt requirements.in
