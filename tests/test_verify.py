"""The comparison of reruns with committed metrics, on files made here; tests/pipeline reruns for real."""

import json
from pathlib import Path

import pytest
import yaml

from stages import verify
from stages.command import Failure
from tests.tiny import ROOT

TOLERANCES = {"bnn.nll": 0.01, "ood/bnn.clothes.entropy.auroc": 0.001, "calibration/blr.p": 1.0}
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


def test_every_committed_file_is_written_by_a_stage_of_dvc_yaml():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for file in verify.metric_files(ROOT / "metrics", None):
        entry = stages[verify.stage(file).partition("@")[0]]
        [path] = [path for metric in entry["metrics"] for path in metric]
        assert path.replace("${item.seed}", file.name) == f"metrics/{file}.json"


def test_every_committed_metric_has_a_tolerance_and_a_reason():
    groups = yaml.safe_load((ROOT / "tolerances.yaml").read_text())
    names = [name for group in groups for name in group["allowed"]]
    assert len(names) == len(set(names))
    assert all(len(group["because"].split()) >= 5 for group in groups)
    tolerances = verify.read_tolerances(ROOT / "tolerances.yaml")
    assert all(value >= 0 for value in tolerances.values())
    files = verify.metric_files(ROOT / "metrics", None)
    rows = list(verify.compare(ROOT / "metrics", ROOT / "metrics", files, tolerances))
    assert all(row.passes and row.difference == 0 for row in rows)
    used = {"/".join(p for p in row.name.split(".")[0].split("/") if not p.isdigit()) for row in rows}
    assert used == {name.split(".")[0] for name in names}


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
    with pytest.raises(Failure, match="bnn/0: ece is in one of the two alone"):
        list(verify.compare(metrics("committed"), metrics("rerun", ece=0.01), FILES, TOLERANCES))


def test_metric_without_a_tolerance(metrics):
    with pytest.raises(Failure, match=r"tolerances.yaml: ood/bnn.clothes.entropy.auroc is missing"):
        list(verify.compare(metrics("a"), metrics("b"), FILES, {"bnn.nll": 1.0, "calibration/blr.p": 1.0}))


def test_metric_itself_goes_before_patterns_and_the_first_pattern_before_others():
    tolerances = {"a.*.x": 1.0, "a.*": 2.0, "a.b.x": 3.0}
    names = ("a.b.x", "a.c.x", "a.c.0.5.x", "a.c.y")
    assert [verify.tolerance(name, tolerances) for name in names] == [3.0, 1.0, 1.0, 2.0]


def test_table_marks_what_is_too_far():
    lines = verify.table([verify.Row("a", 1.0, 1.5, 0.6), verify.Row("bb", 2.0, 1.0, 0.6)]).splitlines()
    assert lines[0].split() == ["metric", "committed", "rerun", "difference", "allowed"]
    assert lines[1].split() == ["a", "1", "1.5", "0.5", "0.6"]
    assert lines[2].split() == ["bb", "2", "1", "-1", "0.6", "<--", "too", "far"]


def test_posteriors_are_compared_by_their_hashes(tmp_path):
    def lock(name, weights):
        outs = [{"path": "p/weights.safetensors", "md5": weights}, {"path": "p/run.json", "md5": name}]
        stages = {"train": {"outs": outs}, "simulate": {"outs": [{"path": "d.csv", "md5": name}]}}
        (tmp_path / name).write_text(yaml.safe_dump({"stages": stages}))
        return tmp_path / name

    first, same, other = lock("first", "a1"), lock("same", "a1"), lock("other", "b2")
    assert list(verify.posteriors(first, same)) == [("p/weights.safetensors", True)]
    assert list(verify.posteriors(first, other)) == [("p/weights.safetensors", False)]
