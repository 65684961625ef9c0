"""Means, t intervals over seeds and bootstrap intervals over test cases."""

import math
from statistics import mean, stdev
from types import SimpleNamespace

import numpy as np
import pytest

from stages import artifacts, summarize
from stages.evaluation import blr


def bootstrap(compute, predictions, resampled=("cases",), resamples=200):
    return summarize.bootstrap(compute, predictions, set(resampled), resamples, "test")


# --- over seeds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(1.0, 4.0), (0.3, 0.1, 0.7)])
def testt_interval_by_hand(values):
    """Student's t with one and with two degrees of freedom has its 97.5% point in closed form."""
    quantile = {2: math.tan(0.475 * math.pi), 3: 0.95 / math.sqrt(2 * 0.975 * 0.025)}[len(values)]
    expected = quantile * stdev(values) / math.sqrt(len(values))
    assert summarize.t_interval(values) == pytest.approx(expected)


def testt_interval_of_one_seed_is_unknown():
    assert summarize.t_interval((1.0,)) is None


def testt_interval_covers_the_true_mean_in_95_of_100_cases():
    samples = np.random.default_rng(0).normal(3.0, 2.0, (2000, 4))
    inside = np.mean([abs(np.mean(s) - 3.0) <= summarize.t_interval(tuple(s)) for s in samples])
    assert abs(inside - 0.95) < 5 * math.sqrt(0.95 * 0.05 / 2000)


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


# --- from files ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Predictions and metrics of a regression for two seeds, and of scores on foreign data for one."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for seed in (0, 5):
        predictions = {
            "posterior": {name: generator.gamma(5.0, size=50) for name in ("intercept", "slope", "noise")},
            "exact": {"mean": np.ones(2), "covariance": np.eye(2), "shape": np.array(4.0), "rate": np.array(2.0)},
            "cases": {name: generator.random(80) for name in ("x", "y", "mean", "nll", "cdf")},
        }
        for group, values in predictions.items():
            artifacts.write_arrays(f"predictions/blr/{seed}/{group}.safetensors", values)
        artifacts.write_json(f"metrics/blr/{seed}.json", blr.metrics(predictions))
    for name, shift in (("mnist", 0.0), ("fashion_mnist", 1.0)):
        scores = {"entropy": generator.normal(shift, 1.0, 60)}
        artifacts.write_arrays(f"predictions/ood/bnn/0/{name}.safetensors", scores)
    separation = {"auroc": 0.75, "aupr": 0.5, "fpr95": 0.25}
    artifacts.write_json("metrics/ood/bnn/0.json", {"fashion_mnist": {"entropy": separation}})
    return tmp_path


def settings(*seeds):
    bnn, summarize = SimpleNamespace(dataset="mnist"), SimpleNamespace(bootstrap=20)
    return SimpleNamespace(seeds=list(seeds), bnn=bnn, summarize=summarize)


def test_summary_of_two_seeds(folder):
    summary = summarize.summary_of("blr", settings(0, 5))
    first, second = (artifacts.read_json(f"metrics/blr/{seed}.json") for seed in (0, 5))
    assert summary.keys() == first.keys()
    for key, entry in summary.items():
        assert entry.keys() == {"mean", "n", "ci95_seeds", "ci95_test"}
        assert entry["n"] == 2
        assert entry["mean"] == pytest.approx(mean([first[key], second[key]]))
        spread = abs(first[key] - second[key]) / 2  # the sd of two is their difference over sqrt(2)
        assert entry["ci95_seeds"] == pytest.approx(math.tan(0.475 * math.pi) * spread)


def test_summary_has_test_intervals_where_the_metric_depends_on_test_cases(folder):
    summary = summarize.summary_of("blr", settings(0))
    with_interval = {key for key, entry in summary.items() if entry["ci95_test"] is not None}
    assert with_interval == {"coverage_90", "nll", "rmse"}
    assert {entry["ci95_seeds"] for entry in summary.values()} == {None}


def test_test_intervals_come_from_the_first_seed(folder):
    of_first, of_both, of_second = (summarize.summary_of("blr", settings(*s))["nll"] for s in ((0,), (0, 5), (5,)))
    assert of_both["ci95_test"] == of_first["ci95_test"] != of_second["ci95_test"]


def test_summary_of_scores_on_foreign_data_resamples_both_sets(folder):
    entry = summarize.summary_of("bnn", settings(0), ood=True)["fashion_mnist"]["entropy"]["auroc"]
    assert entry["mean"] == 0.75 and entry["n"] == 1 and entry["ci95_seeds"] is None
    # Hanley and McNeil's sd of an AUROC p is largest at p = 0.5, where the two sets of 60 give 0.053
    assert 0.2 * 1.96 * 0.053 < entry["ci95_test"] < 1.5 * 1.96 * 0.053


def test_metrics_of_seeds_no_longer_declared_are_removed(tmp_path):
    for name in ("blr/0", "blr/5", "ood/bnn/0", "ood/bnn/55", "summary"):
        artifacts.write_json(tmp_path / f"{name}.json", {})
    summarize.forget_other_seeds([5, 3], tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json")}
    assert left == {"blr/5.json", "summary.json"}
