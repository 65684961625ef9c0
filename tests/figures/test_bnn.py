"""Figures of the Bayesian neural network, from made-up predictions."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages import artifacts
from stages.evaluation import bnn as evaluation
from stages.figures import bnn
from tests import tiny

RANDOM = np.random.default_rng(0)
CASES, CLASSES, PICTURED = 200, 10, 24


def probabilities(*shape):
    return RANDOM.dirichlet(np.full(CLASSES, 0.2), size=shape).astype(np.float32)


def cases(count):
    return {"probabilities": probabilities(count), "labels": RANDOM.integers(CLASSES, size=count)}


def pictured(count):
    return cases(count) | {
        "pixels": RANDOM.integers(256, size=(count, 784), dtype=np.uint8),
        "votes": RANDOM.multinomial(20, np.full(CLASSES, 0.1), size=count),
    }


def predictions():
    scores = {"entropy": RANDOM.random(CASES), "mutual_information": RANDOM.random(CASES)}
    shifts = {
        name: {"levels": np.array([1.0, 2.0]), "probabilities": probabilities(2, 50), "labels": np.arange(50) % 10}
        for name in (*bnn.shift.LEVELS, "sklearn_digits")
    }
    counts = {"counts": np.array([1, 5]), "probabilities": probabilities(2, 50), "labels": np.arange(50) % 10}
    return {
        "evaluate": {"cases": cases(CASES)} | {name: pictured(PICTURED) for name in bnn.PICTURES},
        "ood": {"mnist": scores, "fashion_mnist": {name: 1 + values for name, values in scores.items()}},
        "foreign": {name: pictured(PICTURED // 2) for name in ("surest", "others")},
        "shift": shifts,
        "samples": {"mnist": counts, "fashion_mnist": counts},
        "prior": {name: {"probabilities": probabilities(5, 30)} for name in ("networks", "one_sd")},
    }


@pytest.mark.parametrize("threshold", [0.3, -1.0])
def test_every_figure_is_drawn(tmp_path, monkeypatch, threshold):
    monkeypatch.chdir(tmp_path)
    artifacts.write_json("metrics/referral/bnn/0.json", {"threshold_nats": threshold})
    history = pd.DataFrame({"step": [1, 2], "elbo": [-2.0, -1.0], "validation": [-2.0, -1.0]})
    bnn.draw(tiny.settings(), predictions(), history, tmp_path / "plots")
    drawn = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert drawn == {"elbo", "reliability", "confusion", "risk_coverage", "entropy", "roc", "foreign", "shift"} | {
        "samples",
        "prior",
        *bnn.PICTURES,
    }
    for name in drawn:
        assert np.asarray(Image.open(tmp_path / f"plots/{name}.png").convert("L")).std() > 5, name
    along = pd.read_csv(tmp_path / "plots/rotation.csv")
    assert {"rotation", "error_percent", "nll", "ece", "predictive_entropy"} == set(along.columns)
    assert evaluation.in_distribution(tiny.settings()) == "mnist"
