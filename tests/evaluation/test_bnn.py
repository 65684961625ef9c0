"""Which data sets are in-distribution and out-of-distribution, and metrics with a temperature."""

import numpy as np
import pytest
from scipy.special import softmax

from stages import temperature
from stages.evaluation import bnn, classification, vae
from tests import tiny

MADE = ["gaussian_noise", "uniform_noise", "strokes", "photographs", "shuffled_blocks"]


def test_metrics_keep_their_names():
    others = ["fashion_mnist", *MADE]
    assert sorted(bnn.out_of_distribution(tiny.settings())) == sorted(others)
    assert vae.out_of_distribution(tiny.settings()) == ["mnist"]
    assert bnn.other_forms(tiny.settings()) == ["inverted_mnist", "sklearn_digits"]


def test_params_say_what_is_learned_and_what_is_not():
    settings = tiny.settings(
        bnn={"dataset": "mine"}, vae={"dataset": "mine"}, ood={"bnn": "other", "vae": "third"}
    )
    assert bnn.in_distribution(settings) == vae.in_distribution(settings) == "mine"
    assert bnn.out_of_distribution(settings)[0] == "other"
    assert bnn.other_forms(settings) == ["inverted_mine"]
    assert sorted(bnn.out_of_distribution(settings)[1:]) == sorted(MADE)
    assert vae.out_of_distribution(settings) == ["third"]


def test_each_case_has_its_own_temperature():
    generator = np.random.default_rng(0)
    p = softmax(2 * generator.normal(size=(60, 10)), axis=1).astype(np.float32)
    cases = {
        "probabilities": p,
        "labels": generator.integers(10, size=60),
        "temperature": np.resize([0.5, 2.0], 60).astype(np.float32),
    }
    wanted = np.stack(
        [temperature.scaled(row[None], t)[0] for row, t in zip(p, cases["temperature"], strict=True)]
    )
    np.testing.assert_allclose(bnn.tempered(cases), wanted, rtol=1e-6)
    found = bnn.metrics({"cases": cases})
    assert found["temperature"] == 1.25
    plain, scaled = (classification.scores(of, cases["labels"]) for of in (p, wanted))
    for key in ("nll", "brier", "ece"):
        assert found[key] == pytest.approx(plain[key])
        assert found[f"{key}_temperature"] == pytest.approx(scaled[key])
