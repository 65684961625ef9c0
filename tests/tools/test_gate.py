"""The gate: stale stages of the root pipeline fail it, those of a study are told, and so is an error of DVC."""

import subprocess
import sys

import pytest

from stages.command import Failure
from tools import gate


@pytest.fixture
def dvc(tmp_path, monkeypatch):
    """dvc({"": [...], "studies/one/dvc.yaml": [...]}): what it would run; the gate is asked."""
    monkeypatch.setattr(gate, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["gate"])
    for name in ("one", "two"):
        (tmp_path / "studies" / name).mkdir(parents=True)
        (tmp_path / "studies" / name / "dvc.yaml").write_text("stages: {}")

    def ask(stages, returncode=0, answers=None):
        def answer(words, **_):
            command, target = words[:4], "".join(words[4:])
            assert command == ["dvc", "repro", "--allow-missing", "--dry"]
            lines = [f"Running stage {name!r}:\n> python" for name in stages.get(target, [])]
            said = "\n".join(["Stage 'simulate' didn't change, skipping", *lines])
            status = returncode if answers is None or target in answers else 0
            return subprocess.CompletedProcess(words, status, said, "a lock is held")

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
    assert one == "study one is stale: train; `make study STUDY=one` brings it up to date"
    assert two == "study two is stale: train@0 and 2 more stages; `make study STUDY=two` brings it up to date"
    assert last == "dvc.lock is current"


def test_error_of_dvc_is_no_answer(dvc):
    with pytest.raises(
        Failure, match=r"^dvc repro --allow-missing --dry studies/one/dvc.yaml failed:\n(.|\n)*lock"
    ):
        dvc({}, returncode=1)


def test_study_that_was_never_run_is_stale_and_no_error(dvc, capsys):
    """A dry run of DVC ends with an error where a stage needs what no earlier one has made."""
    dvc({"studies/one/dvc.yaml": ["train@0"]}, returncode=255, answers=("studies/one/dvc.yaml",))
    assert capsys.readouterr().out.startswith("study one is stale: train@0;")
