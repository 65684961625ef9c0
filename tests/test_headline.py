"""The headline metrics: a dozen of the summary, each under a short name."""

import shutil
import sys
from importlib import import_module

import pytest
import yaml

from stages import artifacts, headline
from stages.params import MODELS
from tests.tiny import ROOT

SUMMARY = artifacts.read_json(ROOT / "metrics/summary.json")
EVALUATIONS = {model: import_module(f"stages.evaluation.{model}") for model in MODELS}


def test_command_writes_means_of_the_summary(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["headline"])
    shutil.copy(ROOT / "params.yaml", tmp_path)
    score = {"auroc": {"mean": 0.75}}
    summary = {
        "ood/vae": {"sketches": {"likelihood": score}, "mnist": {"likelihood": {"auroc": {"mean": 0.5}}}},
        "vae": {"iwae": {"mean": 232.5}, "rate": {"mean": 15.0}},
    }
    artifacts.write_json("metrics/summary.json", summary)
    headline.main()
    assert artifacts.read_json("metrics/headline.json") == {"vae": {"iwae": 232.5, "auroc": 0.75}}


@pytest.mark.parametrize("model", MODELS)
def test_all_that_a_model_wants_shown_is_measured(model):
    for path in EVALUATIONS[model].RESULTS:
        keys = headline.located(SUMMARY, path)
        assert keys and {"mean", "ci95_test"} <= headline.entry(SUMMARY, keys).keys(), path


@pytest.mark.parametrize("model", MODELS)
def test_headlines_are_two_to_four_of_the_results(model):
    evaluation = EVALUATIONS[model]
    assert 2 <= len(evaluation.HEADLINES) <= 4
    assert set(evaluation.HEADLINES.values()) <= evaluation.RESULTS.keys()
    assert "error" not in evaluation.HEADLINES  # DVC takes a metric of this name for a file that it failed to load


def test_what_is_not_there_is_found_nowhere():
    assert headline.located(SUMMARY, "bnn.no_such_metric") is None
    assert headline.located({"ood/bnn": {}}, "ood/bnn.*.entropy.auroc") is None


def test_no_other_file_is_declared_as_metrics():
    """What is declared is a column of `dvc exp show`."""
    declared = []
    for path in (ROOT / "dvc.yaml", *ROOT.glob("studies/*/dvc.yaml")):
        document = yaml.safe_load(path.read_text())
        assert "metrics" not in document
        stages = [stage.get("do", stage) for stage in document["stages"].values()]
        declared += [entry for stage in stages for entry in stage.get("metrics", [])]
    assert declared == [{"metrics/headline.json": {"cache": False}}]


def test_columns_fit_a_terminal():
    """Of 180 characters, with the name of the experiment and the time, as `dvc exp show` pads them."""
    found = artifacts.read_json(ROOT / "metrics/headline.json")
    columns = [f"{model}.{column}" for model, metrics in found.items() for column in metrics]
    assert 10 <= len(columns) <= 14
    assert sum(len(column) + 3 for column in columns) <= 180
