"""Hypothesis draws the same examples in every run, and a slow machine is no failure."""

from hypothesis import settings


def pytest_addoption(parser):
    """How often tests/pipeline/test_faults.py kills a training; 40 take some ten minutes."""
    parser.addoption("--kills", type=int, default=5, help="trainings to kill (default: 5)")


settings.register_profile("same_everywhere", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same_everywhere")
