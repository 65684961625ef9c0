"""The summary of the metrics and intervals in files, for each model that has some."""

import math
import sys
from statistics import mean

import pytest
import yaml

from stages import artifacts, summarize
from tests.tiny import ROOT

METRICS = {0: {"nll": 1.5, "slope_mean": 0.9}, 5: {"nll": 1.1, "slope_mean": 0.7}}
HALF_WIDTHS = {0: {"nll": 0.25, "slope_mean": None}, 5: {"nll": 0.5, "slope_mean": None}}
SEPARATION = {"fashion_mnist": {"entropy": {"auroc": 0.75, "aupr": 0.5, "fpr95": 0.25}}}
OF_SEPARATION = {"fashion_mnist": {"entropy": {"auroc": 0.05, "aupr": 0.06, "fpr95": None}}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Metrics of a regression and of scores on out-of-distribution data, their intervals, and metrics without."""
    monkeypatch.chdir(tmp_path)
    for seed in (0, 5):
        artifacts.write_json(f"metrics/blr/{seed}.json", METRICS[seed])
        artifacts.write_json(f"metrics/intervals/blr/{seed}.json", HALF_WIDTHS[seed])
        artifacts.write_json(f"metrics/ood/bnn/{seed}.json", SEPARATION)
        artifacts.write_json(f"metrics/intervals/ood/bnn/{seed}.json", OF_SEPARATION)
    artifacts.write_json("metrics/shift/bnn/0.json", {"blur": {}})
    artifacts.write_json("metrics/calibration/blr.json", {"full_covariance": {}})
    return tmp_path


def test_summary_of_two_seeds(folder):
    """The sd of two values is their difference over sqrt(2)."""
    found = summarize.summary("blr", [0, 5])
    assert found.keys() == METRICS[0].keys()
    for key, entry in found.items():
        first, second = METRICS[0][key], METRICS[5][key]
        assert entry == {
            "mean": pytest.approx(mean([first, second])),
            "n": 2,
            "ci95_seeds": pytest.approx(math.tan(0.475 * math.pi) * abs(first - second) / 2),
            "ci95_test": HALF_WIDTHS[0][key],
        }


def test_summary_of_one_seed_has_no_interval_over_seeds(folder):
    assert summarize.summary("blr", [5]) == {
        "nll": {"mean": 1.1, "n": 1, "ci95_seeds": None, "ci95_test": 0.5},
        "slope_mean": {"mean": 0.7, "n": 1, "ci95_seeds": None, "ci95_test": None},
    }


def test_test_intervals_come_from_the_first_seed(folder):
    first, both, turned, second = (
        summarize.summary("blr", seeds)["nll"]["ci95_test"] for seeds in ([0], [0, 5], [5, 0], [5])
    )
    assert first == both == 0.25
    assert turned == second == 0.5


def test_summary_reads_another_folder(folder, monkeypatch, tmp_path_factory):
    here = summarize.summary("blr", [0, 5])
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert summarize.summary("blr", [0, 5], folder / "metrics") == here


def test_scores_on_out_of_distribution_data_keep_their_places(folder):
    found = summarize.summary("ood/bnn", [0])["fashion_mnist"]["entropy"]
    assert found["auroc"] == {"mean": 0.75, "n": 1, "ci95_seeds": None, "ci95_test": 0.05}
    assert found["fpr95"] == {"mean": 0.25, "n": 1, "ci95_seeds": None, "ci95_test": None}


def test_command_summarizes_every_model_that_has_intervals(folder, monkeypatch):
    """Only seeds that params.yaml declares; files of earlier seeds are removed."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text()) | {"seeds": [5]}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    monkeypatch.setattr(sys, "argv", ["summarize"])
    summarize.main()
    found = artifacts.read_json("metrics/summary.json")
    assert list(found) == ["blr", "ood/bnn"]
    assert found == {model: summarize.summary(model, [5]) for model in found}
    assert not list((folder / "metrics").rglob("0.json"))


def test_metrics_of_seeds_no_longer_declared_are_removed(tmp_path):
    for name in ("blr/0", "blr/5", "ood/bnn/0", "ood/bnn/55", "intervals/blr/0", "intervals/blr/3", "summary"):
        artifacts.write_json(tmp_path / f"{name}.json", {})
    summarize.forget_other_seeds([5, 3], tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json")}
    assert left == {"blr/5.json", "intervals/blr/3.json", "summary.json"}
