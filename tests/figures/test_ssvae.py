"""Figures of the semi-supervised VAE and of the study of labels, from made-up predictions."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from PIL import Image

from stages.figures import ssvae
from studies.labels import plot
from tests import tiny

RANDOM = np.random.default_rng(0)
HISTORY = pd.DataFrame({"step": [1, 2], "elbo": [-9.0, -8.0], "validation": [9.5, 8.5]})


def predictions():
    shapes = {
        "styles": (10, 12),
        "analogies": (12, 10),
        "planes": (10, 9, 9),
        "halves": (10,),
        "completions": (10, 6),
    }
    pictures = {name: RANDOM.random((*shape, 784)) for name, shape in shapes.items()}
    pictures["originals"] = RANDOM.integers(256, size=(12, 784))
    drawn = {"pixels": RANDOM.integers(2, size=(200, 784))}
    return {"pictures": pictures, "digits": drawn, "halves": {"probabilities": RANDOM.dirichlet(np.ones(10), 20)}}


def test_all_figures_are_drawn(tmp_path):
    ssvae.draw(tiny.settings(), {"evaluate": predictions()}, HISTORY, tmp_path)
    names = {"elbo", "styles", "drawn", "analogies", "planes", "completions"}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    for path in tmp_path.glob("*.png"):
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.std() > 5 and min(pixels.shape) > 150, path.name


def test_curves_of_the_study_have_every_model_with_its_intervals(tmp_path, monkeypatch):
    def entry(number):
        return {"mean": 3.0 + number, "n": 3, "ci95_seeds": 0.5 + number}

    models = {
        name: {str(labels): dict.fromkeys(plot.PANELS, entry(number)) for labels in (1000, 100)}
        for number, name in enumerate(plot.SHOWN)
    }
    drawn, errorbar = [], Axes.errorbar

    def recorded(self, x, y, yerr, *args, **kwargs):
        drawn.append((kwargs["label"], [*x], [*y], [[*side] for side in yerr]))
        return errorbar(self, x, y, yerr, *args, **kwargs)

    monkeypatch.setattr(Axes, "errorbar", recorded)
    plot.curves(tmp_path / "labels.png", models)
    counts = pytest.approx([100, 1000], rel=0.1)  # models stand side by side
    lines = [
        (label, counts, [3.0 + number] * 2, [[0.5 + number] * 2] * 2)  # below and above
        for number, (label, *_) in enumerate(plot.SHOWN.values())
    ]
    assert drawn == lines * len(plot.PANELS)
    assert np.asarray(Image.open(tmp_path / "labels.png").convert("L")).std() > 5
