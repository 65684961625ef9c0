"""Longer experiments that use the stages of the pipeline, each with its own dvc.yaml."""
