"""Hypothesis draws the same examples in every run, and a slow machine is no failure."""

from hypothesis import settings

settings.register_profile("same_everywhere", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("same_everywhere")
