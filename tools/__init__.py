"""Commands that people run and dvc.yaml does not: quick runs, verification, maintenance."""
