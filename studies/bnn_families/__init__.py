"""The inference families of the Bayesian neural network beside each other."""

from pathlib import Path

from stages import artifacts

STUDY = "bnn_families"
SURROGATES = ("gaussian_noise", "uniform_noise", "inverted_mnist", "sklearn_digits")  # have a say in the choice


def training_seconds(folder: Path, steps: int) -> float:
    """What the training of a posterior took, from run.json; if it was resumed, at the pace of the last part."""
    record = artifacts.read_json(folder / "run.json")
    resumed = record.get("resumed_at_step", 0)
    return round(record["seconds"] * steps / max(1, steps - resumed), 2)
