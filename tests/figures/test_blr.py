"""Predictions, metrics and figures of the linear regression with every mean and every noise."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from stages import artifacts, simulate
from stages.evaluation import blr as evaluation
from stages.evaluation import sbc
from stages.figures import blr as figures
from stages.models import blr
from stages.predictive import blr as predictive
from tests import tiny

MEANS, NOISES = ("line", "quadratic"), ("normal", "student_t")
KINDS = list(itertools.product(MEANS, NOISES))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with both toy sets in data/."""
    monkeypatch.chdir(tmp_path)
    toy = tiny.settings(regression={"n_holdout": 20}).regression
    for name in ("regression", "criticism"):
        artifacts.write_csv(f"data/{name}.csv", simulate.simulate(toy))
    return tmp_path


def predicted(settings, mean, noise):
    """Predictions of a guide that was not trained."""
    section = settings.blr.model_copy(update={"mean": mean, "noise": noise})
    settings = settings.model_copy(update={"blr": section})
    torch.manual_seed(0)
    return settings, predictive.predict(settings, 0, blr.build(section))


@pytest.mark.parametrize(("mean", "noise"), KINDS)
def test_every_kind_of_model_has_metrics_and_figures(folder, mean, noise):
    few = tiny.settings().evaluate.model_copy(
        update={
            "blr": tiny.settings().evaluate.blr.model_copy(update={"posterior_samples": 200, "replicates": 50})
        }
    )
    settings, predictions = predicted(tiny.settings().model_copy(update={"evaluate": few}), mean, noise)
    metrics = evaluation.metrics(predictions)
    sites = blr.coefficients(settings.blr)
    assert {f"{site}_mean" for site in sites} <= set(metrics)
    assert ("curvature_sd" in metrics) == (mean == "quadratic")
    assert ("posterior_sd_error" in metrics) == (noise == "normal")
    assert all(np.isfinite(value) for value in metrics.values())

    criticised = {"training": predictions["training"]}
    for name in ("before", "after"):
        model = getattr(settings.criticism, name)
        _, of_it = predicted(settings, model.mean, model.noise)
        criticised |= {f"{name}_posterior": of_it["posterior"], f"{name}_checks": of_it["checks"]}
    draws, data_sets = settings.calibration.draws, settings.calibration.data_sets
    uniform = np.random.default_rng(0).integers(0, draws + 1, data_sets)
    ranks = {guide: dict.fromkeys(("intercept", "slope", "noise_variance"), uniform) for guide in ("one", "other")}
    assert sbc.histogram(uniform, draws, settings.calibration.bins).sum() == data_sets
    history = pd.DataFrame({"step": [1, 2], "elbo": [-2.0, -1.0], "validation": [-2.0, -1.0]})
    shown = {"evaluate": predictions, "calibrate": ranks, "criticize": criticised}
    figures.draw(settings, shown, history, folder / "plots")
    assert {"posterior.png", "correlation.png", "predictive.png", "criticism.png"} <= {
        path.name for path in (folder / "plots").iterdir()
    }
