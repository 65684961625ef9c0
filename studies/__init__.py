"""Longer experiments on the stages of the pipeline, each with a dvc.yaml of its own."""
