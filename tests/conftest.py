"""Settings of all tests: the same examples in every run; one thread for each of two processes side by side."""

import os

import pytest
from hypothesis import settings

from tests.browser import browser  # noqa: F401, the one of all tests: a second one would not start

# `make test` runs two workers on two cores; stages that they start have as many as params.yaml says
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def environment():
    """What a stage's `main` sets in the environment, for the processor, ends with its test."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def pytest_addoption(parser):
    """How often tests/pipeline/test_faults.py kills a training; 40 take some ten minutes."""
    parser.addoption("--kills", type=int, default=5, help="trainings to kill (default: 5)")


# a slow machine is no failure
settings.register_profile("same_everywhere", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same_everywhere")
