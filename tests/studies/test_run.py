"""A run of a study: a folder with changed params and the same data."""

import subprocess
import sys

import pytest
import yaml

from stages.command import Failure
from studies import run


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text("bnn: {steps: 10, width: 1}\nseeds: [0]\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/digits").write_text("seven")
    (tmp_path / "studies/one").mkdir(parents=True)
    (tmp_path / "studies/one/study.yaml").write_text("runs: {long: {bnn: {steps: 99}}, plain: {}}\n")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return tmp_path


def test_folder_has_the_changed_params_and_the_data(root):
    for _ in range(2):  # the second time over what is there
        folder = run.prepare("one", "long")
    assert folder == root / "studies/one/runs/long"
    assert yaml.safe_load((folder / "params.yaml").read_text()) == {"bnn": {"steps": 99, "width": 1}, "seeds": [0]}
    assert (folder / "data/digits").read_text() == "seven"
    assert {path.name for path in folder.iterdir()} == {"params.yaml", "data"}
    assert yaml.safe_load((root / "params.yaml").read_text())["bnn"]["steps"] == 10


@pytest.mark.parametrize(("study", "name", "said"), [("two", "long", "no study `two`"), ("one", "short", "long")])
def test_what_is_not_known_is_named(root, study, name, said):
    with pytest.raises(Failure, match=said):
        run.prepare(study, name)
    assert not (root / "studies" / study / "runs").exists()


def test_a_stage_is_asked_for():
    command = [sys.executable, "-m", "studies.run", "bnn_families", "map"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=run.ROOT)
    assert result.returncode == 2 and "which stage?" in result.stderr
