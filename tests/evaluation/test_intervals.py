"""Means and t intervals over seeds, bootstrap intervals over test cases."""

import math
from functools import partial
from statistics import mean, stdev

import numpy as np
import pytest

from stages.evaluation import blr, intervals, ood
from stages.evaluation.intervals import t_interval


def bootstrap(compute, predictions, resampled=("cases",), resamples=200):
    return intervals.bootstrap(compute, predictions, set(resampled), resamples)


# --- over seeds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(1.0, 4.0), (0.3, 0.1, 0.7)])
def test_t_interval_by_hand(values):
    """Student's t with one and with two degrees of freedom has its 97.5% point in closed form."""
    quantile = {2: math.tan(0.475 * math.pi), 3: 0.95 / math.sqrt(2 * 0.975 * 0.025)}[len(values)]
    expected = quantile * stdev(values) / math.sqrt(len(values))
    assert t_interval(values) == pytest.approx(expected)


def test_t_interval_of_one_seed_is_unknown():
    assert t_interval((1.0,)) is None


def test_t_interval_covers_the_true_mean_in_95_of_100_cases():
    samples = np.random.default_rng(0).normal(3.0, 2.0, (2000, 4))
    share = np.mean([abs(np.mean(s) - 3.0) <= t_interval(tuple(s)) for s in samples])
    assert abs(share - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 2000)


def test_mean_number_and_interval_of_every_metric():
    """The sd of two values is their difference over sqrt(2)."""
    first, second = {"a": 1.0, "b": {"c": 3.0}}, {"a": 2.0, "b": {"c": -1.0}}
    quantile = math.tan(0.475 * math.pi)
    assert intervals.over_seeds([first, second]) == {
        "a": {"mean": mean([1.0, 2.0]), "n": 2, "ci95_seeds": pytest.approx(quantile * 0.5)},
        "b": {"c": {"mean": mean([3.0, -1.0]), "n": 2, "ci95_seeds": pytest.approx(quantile * 2)}},
    }
    assert intervals.over_seeds([first]) == {
        "a": {"mean": 1.0, "n": 1, "ci95_seeds": None},
        "b": {"c": {"mean": 3.0, "n": 1, "ci95_seeds": None}},
    }


def test_a_metric_that_a_seed_lacks_is_a_bug():
    with pytest.raises(KeyError, match="b"):
        intervals.over_seeds([{"a": 1.0}, {"a": 1.0, "b": 2.0}])


# --- over test cases -------------------------------------------------------------------------------------


def test_half_width_of_a_mean_is_that_of_a_normal():
    """A percentile of B draws has a standard error of sqrt(p (1 - p) / B) / density."""
    values, resamples = np.random.default_rng(0).normal(5.0, 2.0, 400), 20_000
    found = bootstrap(
        lambda groups: {"m": groups["cases"]["v"].mean()}, {"cases": {"v": values}}, resamples=resamples
    )
    sd = values.std() / math.sqrt(400)
    density = math.exp(-(1.96**2) / 2) / math.sqrt(2 * math.pi)
    error = math.sqrt(0.025 * 0.975 / resamples) / density / math.sqrt(2)
    assert abs(found["m"] / sd - 1.96) < 5 * error


def test_metrics_that_do_not_depend_on_cases_have_no_interval():
    def compute(groups):
        return {
            "number": len(groups["cases"]["v"]),
            "other": groups["posterior"]["w"].mean(),
            "v": groups["cases"]["v"].sum(),
        }

    found = bootstrap(compute, {"cases": {"v": np.arange(10.0)}, "posterior": {"w": np.arange(10.0)}})
    assert found["number"] is None and found["other"] is None and found["v"] > 0


def test_nested_metrics_keep_their_places():
    def compute(groups):
        total = groups["cases"]["v"].sum()
        return {"a": {"b": {"c": total, "d": 2 * total}}, "e": 1.0}

    found = bootstrap(compute, {"cases": {"v": np.arange(10.0)}})
    assert found.keys() == {"a", "e"} and found["a"].keys() == {"b"}
    assert found["e"] is None
    assert found["a"]["b"]["d"] == pytest.approx(2 * found["a"]["b"]["c"])


def test_arrays_of_a_group_are_resampled_together_and_groups_on_their_own():
    together, apart, sizes = [], [], set()

    def compute(groups):
        one, two = groups["one"], groups["two"]
        together.append(np.array_equal(one["v"], one["w"][:, 0]))
        apart.append(np.array_equal(one["v"], two["v"][:20]))
        sizes.add((len(one["v"]), len(two["v"])))
        return {"m": 0.0}

    v = np.arange(20)
    bootstrap(compute, {"one": {"v": v, "w": np.stack([v, v], 1)}, "two": {"v": np.arange(30)}}, ("one", "two"))
    assert all(together) and not any(apart) and sizes == {(20, 30)}


def test_cases_are_drawn_with_replacement_each_alike():
    counts, resamples = np.zeros(10), 3000

    def compute(groups):
        nonlocal counts
        counts += np.bincount(groups["cases"]["v"], minlength=10)
        return {"distinct": len(set(groups["cases"]["v"].tolist()))}

    bootstrap(compute, {"cases": {"v": np.arange(10)}}, resamples=resamples)
    assert np.abs(counts - resamples).max() < 5 * math.sqrt(10 * resamples * 0.1 * 0.9)


def test_predictions_are_left_as_they_are():
    predictions = {"cases": {"v": np.arange(10)}}
    bootstrap(lambda groups: {"m": groups["cases"]["v"].sum()}, predictions)
    assert predictions["cases"]["v"].tolist() == list(range(10))


# --- of metrics of this project --------------------------------------------------------------------------


def test_metrics_of_a_regression_have_intervals_where_they_depend_on_test_cases():
    generator = np.random.default_rng(0)
    predictions = {
        "posterior": {name: generator.gamma(5.0, size=50) for name in ("intercept", "slope", "noise")},
        "exact": {"mean": np.ones(2), "sd": np.ones(2)},
        "cases": {name: generator.random(80) for name in ("x", "y", "mean", "nll", "cdf")},
        "checks": {"x": np.arange(5.0)}
        | {name: generator.normal(size=(9, 5)) for name in ("observed", "replicated")},
    }
    found = bootstrap(blr.metrics, predictions, blr.TEST_CASES)
    assert found.keys() == blr.metrics(predictions).keys()
    assert {key for key, half_width in found.items() if half_width is not None} == {"coverage_90", "nll", "rmse"}


def test_intervals_of_separations_resample_both_sets():
    generator = np.random.default_rng(0)
    scores = {
        name: {"entropy": generator.normal(shift, 1.0, 60)}
        for name, shift in (("mnist", 0.0), ("fashion_mnist", 1.0))
    }
    found = bootstrap(partial(ood.metrics, in_distribution="mnist"), scores, set(scores), resamples=20)
    half_width = found["fashion_mnist"]["entropy"]["auroc"]
    # Hanley and McNeil's sd of an AUROC p is largest at p = 0.5, where the two sets of 60 give 0.053
    assert 0.2 * 1.96 * 0.053 < half_width < 1.5 * 1.96 * 0.053
