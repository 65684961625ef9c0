"""What a person runs and dvc.yaml does not: quick runs, verification, upkeep."""
