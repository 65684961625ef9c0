"""The comparison of reruns with committed metrics, on synthetic files; tests/pipeline does a real rerun."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import artifacts, params
from stages.command import Failure
from stages.evaluation.intervals import t_interval
from tests.tiny import ROOT
from tools import verify

GROUPS = [
    {
        "because": "somebody has thought about it",
        "allowed": {"bnn.nll": 0.01, "ood/bnn.clothes.entropy.auroc": 0.001, "calibration/blr.p": 1.0},
    }
]
TOLERANCES = verify.Tolerances({}, GROUPS)
FILES = [Path("bnn/0"), Path("bnn/1"), Path("calibration/blr"), Path("ood/bnn/0")]


@pytest.fixture
def metrics(tmp_path):
    """metrics("name", nll=...) -> a folder with a file of each kind."""

    def make(folder, nll=0.04, auroc=0.99, **more):
        contents = {
            "bnn/0": {"nll": nll} | more,
            "bnn/1": {"nll": 0.05},
            "ood/bnn/0": {"clothes": {"entropy": {"auroc": auroc}}},
            "calibration/blr": {"p": 0.5},
            "summary": {"bnn": {"nll": {"mean": 0.045}}},
        }
        for name, content in contents.items():
            path = tmp_path / folder / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        return tmp_path / folder

    return make


def test_files_of_one_model_or_of_all(metrics):
    folder = metrics("committed")
    assert verify.metric_files(folder, None) == FILES
    assert verify.metric_files(folder, "bnn") == [Path("bnn/0"), Path("bnn/1"), Path("ood/bnn/0")]
    assert verify.metric_files(folder, "blr") == [Path("calibration/blr")]


def test_summaries_of_others_are_not_compared(metrics):
    """Intervals over test cases follow from predictions, whose metrics are compared; so do tables of studies."""
    folder = metrics("committed")
    for name in ("intervals/bnn/0", "intervals/ood/bnn/0", "seeds", "bnn_families"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text("{}")
    assert verify.metric_files(folder, None) == FILES


def test_every_committed_file_is_written_by_a_stage():
    """The stages are in dvc.lock, where `--model` looks them up, and in dvc.yaml."""
    writers = verify.writers(ROOT / "dvc.lock")
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    files = verify.metric_files(ROOT / "metrics", None)
    assert files
    for file in files:
        assert writers[f"metrics/{file}.json"].partition("@")[0] in stages
    for model in params.MODELS:
        assert verify.metric_files(ROOT / "metrics", model)


def test_writers_are_stages_by_the_path_of_each_output(tmp_path):
    stages = {
        "download@mnist": {"cmd": "a", "outs": [{"path": "data/images/mnist", "md5": "1"}]},
        "evaluate@3": {"outs": [{"path": "metrics/bnn/3.json", "md5": "2"}, {"path": "predictions/bnn/3"}]},
        "check": {"cmd": "b", "deps": [{"path": "data/images/mnist", "md5": "1"}]},
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    assert verify.writers(tmp_path / "dvc.lock") == {
        "data/images/mnist": "download@mnist",
        "metrics/bnn/3.json": "evaluate@3",
        "predictions/bnn/3": "evaluate@3",
    }


def test_every_committed_metric_has_a_tolerance_and_a_reason():
    groups = yaml.safe_load((ROOT / "tolerances.yaml").read_text())
    names = [name for group in groups for name in group["allowed"]]
    assert len(names) == len(set(names))
    assert all(len(group["because"].split()) >= 5 for group in groups)
    tolerances = verify.read_tolerances(ROOT)
    files = verify.metric_files(ROOT / "metrics", None)
    rows = list(verify.compare(ROOT / "metrics", ROOT / "metrics", files, tolerances))
    assert all(row.allowed >= 0 for row in rows)
    assert all(row.passes and row.difference == 0 for row in rows)


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"nll": 0.0495}, True),
        ({"nll": 0.0305}, True),
        ({"nll": 0.0505}, False),
        ({"nll": 0.02}, False),
        ({"auroc": 0.9905}, True),
        ({"auroc": 0.988}, False),
    ],
)
def test_a_difference_is_allowed_up_to_the_tolerance(metrics, change, passes):
    rows = list(verify.compare(metrics("committed"), metrics("rerun", **change), FILES, TOLERANCES))
    assert len(rows) == 4
    assert all(row.passes for row in rows) == passes


def test_nan_does_not_pass(metrics):
    rows = verify.compare(metrics("committed"), metrics("rerun", nll=float("nan")), FILES, TOLERANCES)
    assert [row.name for row in rows if not row.passes] == ["bnn/0.nll"]


def test_metric_in_one_of_the_two_alone(metrics):
    with pytest.raises(Failure, match="bnn/0: ece is in only one of the two"):
        list(verify.compare(metrics("committed"), metrics("rerun", ece=0.01), FILES, TOLERANCES))


def test_metric_without_a_tolerance(metrics):
    few = allowing({"bnn.nll": 1.0, "calibration/blr.p": 1.0})
    with pytest.raises(Failure, match=r"tolerances.yaml: ood/bnn.clothes.entropy.auroc is missing"):
        list(verify.compare(metrics("a"), metrics("b"), FILES, few))


def allowing(*groups, spread=None):
    """Tolerances of some groups, without reasons."""
    return verify.Tolerances(spread or {}, [{"because": "", "allowed": group} for group in groups])


def test_metric_itself_goes_before_patterns_and_the_first_pattern_before_others():
    tolerances = allowing({"a.*.x": 1.0, "a.*": 2.0}, {"a.b.x": 3.0, "a.c.x": 4, "*": 0.5})
    keys = ("b.x", "d.x", "d.0.5.x", "c.x", "c.y")
    assert [tolerances.of("a", key, 10.0) for key in keys] == [3.0, 1.0, 1.0, 4.0, 2.0]
    assert tolerances.of("ood/b", "y", 10.0) == 0.5


@pytest.mark.parametrize(("committed", "allowed"), [(50.0, 5.0), (-50.0, 5.0), (0.0, 0.0)])
def test_percentages_are_of_the_committed_value(committed, allowed):
    tolerances = allowing({"a.*": "10%", "a.y": "2.5%"})
    assert tolerances.of("a", "x", committed) == pytest.approx(allowed)
    assert tolerances.of("a", "y", committed) == pytest.approx(allowed / 4)


SPREAD = {
    "bnn": {
        "nll": {"mean": 0.04, "n": 4, "ci95_seeds": 0.01},
        "error_percent": {"mean": 1.0, "n": 1, "ci95_seeds": None},
    },
    "ood/bnn": {"clothes": {"entropy": {"auroc": {"mean": 0.9, "n": 2, "ci95_seeds": 0.3}}}},
}


def test_spread_over_seeds_goes_before_the_tolerances():
    """If it is known, from more than one seed."""
    tolerances = allowing({"bnn.nll": 9.0, "bnn.error_percent": 8.0, "*.auroc": 7.0}, spread=SPREAD)
    assert tolerances.of("bnn", "nll", 0.04) == pytest.approx(0.01 * math.sqrt(8))
    assert tolerances.of("ood/bnn", "clothes.entropy.auroc", 0.9) == pytest.approx(0.3 * 2)
    assert tolerances.of("bnn", "error_percent", 1.0) == 8.0
    assert tolerances.of("ood/bnn", "shoes.entropy.auroc", 0.9) == 7.0
    with pytest.raises(Failure, match=r"^tolerances.yaml: vae.nll is missing"):
        tolerances.of("vae", "nll", 0.04)


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_two_trainings_are_within_the_spread_in_95_of_100_cases(seeds):
    """From the interval of a mean over seeds, averaged over such intervals."""
    trainings = 3000
    generator = np.random.default_rng(0)
    values = generator.normal(5.0, 2.0, (trainings, seeds))
    pairs = generator.normal(5.0, 2.0, (trainings, 2))
    within = 0
    for of_seeds, (one, other) in zip(values, pairs, strict=True):
        entry = {"mean": of_seeds.mean(), "n": seeds, "ci95_seeds": t_interval(of_seeds)}
        allowed = verify.Tolerances({"a": {"x": entry}}, []).of("a", "x", one)
        within += verify.Row("a.x", one, other, allowed).passes
    assert abs(within / trainings - 0.95) < 5 * math.sqrt(0.95 * 0.05 / trainings)


@pytest.mark.parametrize("known", [True, False])
def test_tolerances_are_read_from_both_files(known, tmp_path):
    """metrics/seeds.json may be missing."""
    (tmp_path / "tolerances.yaml").write_text("- {because: a wide guess of somebody, allowed: {bnn.*: 20%}}\n")
    if known:
        artifacts.write_json(tmp_path / "metrics/seeds.json", SPREAD)
    tolerances = verify.read_tolerances(tmp_path)
    assert tolerances.of("bnn", "nll", 0.04) == pytest.approx(0.01 * math.sqrt(8) if known else 0.008)
    assert tolerances.of("bnn", "ece", 0.04) == pytest.approx(0.008)


def test_table_marks_what_exceeds_its_tolerance():
    rows = [verify.Row("a", 1.0, 1.5, 0.6), verify.Row("bb", 2.0, 1.0, 0.6), verify.Row("c", 2.0, 4.0, 0.6)]
    lines = verify.table(rows).splitlines()
    assert lines[0].split() == ["metric", "committed", "rerun", "difference", "tolerance"]
    assert lines[1].split() == ["a", "1", "1.5", "0.5", "0.6"]
    assert lines[2].split() == ["bb", "2", "1", "-1", "0.6", "<--"]
    assert lines[3].split() == ["c", "2", "4", "2", "0.6", "<--", "far"]


@pytest.mark.parametrize(
    ("differences", "same_weights", "words", "reproduced"),
    [
        ([0.0] * 40, False, "All 40 metrics are reproduced", True),
        ([1.0] * 40, True, "All 40 metrics are reproduced", True),
        ([0.0] * 38 + [1.1, -2.9], False, "2 of 40 metrics differ by more than their tolerance, 0 of them", True),
        ([0.0] * 37 + [1.1] * 3, False, "3 of 40 metrics differ", False),
        ([0.0] * 39 + [3.0], False, "1 of 40 metrics differ by more than their tolerance, 1 of them by 3", False),
        ([0.0] * 39 + [-math.nan], False, "1 of 40 metrics differ", False),
        ([0.0] * 39 + [1.1], True, "1 of 40 metrics differ", False),  # the same weights: chance is no reason
        ([0.0] * 4 + [1.1], False, "1 of 5 metrics differ", True),
    ],
)
def test_verdict(differences, same_weights, words, reproduced):
    rows = [verify.Row(str(i), 0.0, difference, 1.0) for i, difference in enumerate(differences)]
    found = verify.verdict(rows, same_weights)
    assert found[0].startswith(words) and found[1] == reproduced


def test_a_setting_must_be_the_same():
    assert not verify.verdict([verify.Row("iwae_samples", 500, 501, 0.0)], same_weights=False)[1]


def test_posteriors_are_compared_by_their_hashes(tmp_path):
    def lock(name, weights):
        outs = [{"path": "p/weights.safetensors", "md5": weights}, {"path": "p/run.json", "md5": name}]
        stages = {"train": {"outs": outs}, "simulate": {"outs": [{"path": "d.csv", "md5": name}]}}
        (tmp_path / name).write_text(yaml.safe_dump({"stages": stages}))
        return tmp_path / name

    first, same, other = lock("first", "a1"), lock("same", "a1"), lock("other", "b2")
    assert list(verify.posteriors(first, same)) == [("p/weights.safetensors", True)]
    assert list(verify.posteriors(first, other)) == [("p/weights.safetensors", False)]
