"""The gate fails for stale stages of the root pipeline, and reports stale studies and errors of DVC."""

import subprocess
import sys

import pytest

from stages.command import Failure
from tools import gate


@pytest.fixture
def dvc(tmp_path, monkeypatch):
    """dvc({"": [...], "studies/one/dvc.yaml": [...]}): what DVC would run; calls the gate."""
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["gate"])
    for name in ("one", "two"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "dvc.yaml").write_text("stages: {}")

    def ask(stages, returncode=0, failing=None, error="a lock is held"):
        def answer(words, **_):
            command, target = words[:4], "".join(words[4:])
            assert command == ["dvc", "repro", "--allow-missing", "--dry"]
            lines = [f"Running stage {name!r}:\n> python" for name in stages.get(target, [])]
            said = "\n".join(["Stage 'simulate' didn't change, skipping", *lines])
            fails = returncode and failing in (None, target)
            return subprocess.CompletedProcess(words, returncode if fails else 0, said, error if fails else "")

        monkeypatch.setattr(gate.subprocess, "run", answer)
        gate.main()

    return ask


def test_current_results_pass(dvc, capsys):
    dvc({})
    assert capsys.readouterr().out == "dvc.lock is current\n"


def test_stale_stages_are_named(dvc):
    with pytest.raises(Failure, match=r"^dvc.lock is not current: train_bnn@0, plot: run `dvc repro`"):
        dvc({"": ["train_bnn@0", "plot"]})


def test_stale_studies_are_told_and_pass(dvc, capsys):
    dvc({"studies/one/dvc.yaml": ["train"], "studies/two/dvc.yaml": ["train@0", "share@0", "table"]})
    one, two, last = capsys.readouterr().out.splitlines()
    assert one == "study one is stale: train; run `make study STUDY=one` to update it"
    assert two == "study two is stale: train@0 and 2 more stages; run `make study STUDY=two` to update it"
    assert last == "dvc.lock is current"


def test_error_of_dvc_is_no_answer(dvc):
    with pytest.raises(
        Failure, match=r"^dvc repro --allow-missing --dry studies/one/dvc.yaml failed:\n(.|\n)*lock"
    ):
        dvc({}, returncode=1)


def test_stage_whose_data_are_missing_is_stale(dvc, capsys):
    """A dry run of DVC ends with an error if the data of a stage that would run are missing."""
    error = "ERROR: failed to reproduce 'train@0': [Errno 2] No such file or directory: 'data'"
    dvc({}, returncode=255, failing="studies/one/dvc.yaml", error=error)
    assert capsys.readouterr().out.startswith("study one is stale: train@0;")
    with pytest.raises(Failure, match=r"^dvc.lock is not current: train@0"):
        dvc({}, returncode=255, failing="", error=error)
