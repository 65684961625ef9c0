"""Settings of all tests: the same examples in every run; one thread for each of two parallel processes."""

import os

import pytest
from hypothesis import settings

from tests.browser import browser  # noqa: F401, one for all tests: a second one would not start

# `make test` runs two workers on two cores; stages that they start use the number in params.yaml
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("CHECKPOINTS", None)  # those of the person who runs the tests


@pytest.fixture(autouse=True)
def environment():
    """Undo after each test what a stage's `main` sets in the environment for the processor."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def pytest_addoption(parser):
    """Number of kills in tests/pipeline/test_faults.py, 40 take ten minutes; half of it in tests/tools/repro."""
    parser.addoption("--kills", type=int, default=5, help="runs to kill (default: 5)")


# a slow machine is not a failure
settings.register_profile("same_everywhere", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same_everywhere")
