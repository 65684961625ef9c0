"""Figures of the semi-supervised VAE and of the study of labels, from made-up predictions."""

import numpy as np
import pandas as pd
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


def test_curves_of_the_study_are_drawn_for_every_model(tmp_path):
    entry = {"mean": 3.0, "n": 3, "ci95_seeds": 0.5}
    models = {
        name: {"100": dict.fromkeys(plot.PANELS, entry), "1000": dict.fromkeys(plot.PANELS, entry)}
        for name in plot.SHOWN
    }
    plot.curves(tmp_path / "labels.png", models)
    assert np.asarray(Image.open(tmp_path / "labels.png").convert("L")).std() > 5
