"""Benchmarks of the pipeline against other libraries and hand-written code: `make bench`."""
