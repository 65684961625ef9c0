"""Metrics of the semi-supervised VAE, on predictions whose metrics are known."""

import numpy as np
import pytest

from stages.evaluation import ssvae

CERTAIN, WRONG = np.eye(10)[[0, 1, 2, 3]] * 0.98 + 0.002, np.eye(10)[[1, 2, 3, 4]] * 0.98 + 0.002


@pytest.fixture
def predictions():
    """Four cases: the model is right on all, its baseline on none."""
    labels, four, fifty = np.arange(4), np.ones(4), np.ones(50)
    drawn_labels = np.arange(50) % 10
    return {
        "cases": {
            "labels": labels,
            "probabilities": CERTAIN,
            "labels_only_probabilities": WRONG,
            "temperature": four,
            "labels_only_temperature": 2 * four,
            "one_draw_probabilities": WRONG,
            "log_joint": np.log(CERTAIN) - 80.0,
            "elbo": -90.0 * four,
            "kept_labels": np.full(4, 100),
        },
        "drawn": {
            "labels": drawn_labels,
            "neighbours": drawn_labels,
            "lenet": np.where(np.arange(50) < 45, drawn_labels, (drawn_labels + 1) % 10),
            "lenet_means": drawn_labels,
            "distance": 2 * fifty,
            "deviation": 1.0 + 2 * (drawn_labels % 5),  # 5 on average over classes
        },
        "real": {
            "labels": labels,
            "lenet": np.array([0, 1, 2, 9]),
            "student": np.array([0, 1, 2, 9]),
            "student_of_real": labels,
        },
        "real_variety": {  # not as many in every class
            "labels": np.array([0, 0, 0, 1]),
            "distance": np.array([3.0, 4.0, 5.0, 6.0]),
            "deviation": np.array([12.0, 11.0, 13.0, 8.0]),
        },
        "halves": {
            "labels": labels,
            "probabilities": WRONG,
            "neighbours_probabilities": CERTAIN,
            "hidden": -50.0 * four,
            "neighbours": -60.0 * four,
            "effective_samples": np.array([10.0, 20.0, 30.0, 1000.0]),
        },
    }


def test_metrics_of_known_predictions(predictions):
    found = ssvae.metrics(predictions)
    nll, wrong = -np.log(0.982), -np.log(0.002)
    expected = {
        "labels": 100,
        "error_percent": 0,
        "labels_only_error_percent": 100,
        "error_percent_minus_labels_only": -100,
        "nll": nll,
        "nll_temperature": nll,
        "labels_only_nll": wrong,
        "nll_minus_labels_only": nll - wrong,
        "one_draw_error_percent": 100,
        "generative_error_percent": 0,
        "generative_nll": nll,
        "generative_error_percent_minus_one_draw": -100,
        "generative_nll_minus_one_draw": nll - wrong,
        "elbo": 90,
        "iwae": 80,
        "conditional_accuracy_percent": 100,
        "conditional_accuracy_lenet_percent": 90,
        "conditional_accuracy_lenet_means_percent": 100,
        "judge_error_percent": 25,
        "train_on_drawn_accuracy_percent": 75,
        "train_on_real_accuracy_percent": 100,
        "spread_percent": 50,
        "nearest_distance": 2,
        "nearest_distance_real": 5,
        "half_error_percent": 100,
        "half_nll": wrong,
        "half_neighbours_error_percent": 0,
        "half_neighbours_nll": nll,
        "half_effective_samples": 25,
        "hidden_half_nll": 50,
        "hidden_half_neighbours_nll": 60,
        "hidden_half_minus_neighbours": -10,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6, abs=1e-9)
    # a wrong answer that is less sure costs less
    assert found["labels_only_nll_temperature"] < found["labels_only_nll"]


def test_every_row_of_the_tables_is_a_metric(predictions):
    found = ssvae.metrics(predictions)
    for place in [*ssvae.RESULTS, *ssvae.HEADLINES.values()]:
        assert place.removeprefix("ssvae.") in found
