"""Figures of a training under way: they say what elbo.csv will say, and change nothing."""

import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from stages import params, train
from stages.command import Failure
from stages.inference.loop import live
from stages.inference.loop.checkpoints import Checkpoint
from stages.inference.loop.state import learning_rates
from tests.inference.loop.test_checkpoints import CutOffError
from tests.inference.loop.test_svi import training
from tests.test_train import STEPS, folder  # noqa: F401

pytestmark = pytest.mark.usefixtures("folder")  # in which the process is
OFF = ["", "0"]
FIGURES = ["elbo", "validation", "learning_rate"]


def outputs():
    """The bytes that a training writes, and where all random numbers stand after it."""
    files = {path.name: path.read_bytes() for path in Path("posteriors/blr/3").iterdir()}
    return files, torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


def curves():
    """Step and value of each figure."""
    return {name: pd.read_table(f".live/blr/3/plots/metrics/{name}.tsv") for name in FIGURES}


def test_no_byte_and_no_random_number_differs(monkeypatch):
    found = {}
    for value in ("0", "1"):
        monkeypatch.setenv(live.VARIABLE, value)
        np.random.seed(1)
        random.seed(1)
        train.main()
        found[value] = outputs()
    assert Path(".live").exists()
    assert found["0"] == found["1"]


def test_figures_are_the_history_and_the_learning_rate(monkeypatch):
    monkeypatch.setenv(live.VARIABLE, "1")
    train.main()
    history, found = pd.read_csv("posteriors/blr/3/elbo.csv"), curves()
    for name in ("elbo", "validation"):
        assert found[name]["step"].tolist() == history["step"].tolist() == [5, 10, 12]
        assert found[name][name].tolist() == pytest.approx(history[name].tolist(), rel=1e-6)
    committed = params.load("params.yaml").blr
    rates = learning_rates(
        training(steps=STEPS, schedule=committed.schedule, learning_rate=committed.learning_rate)
    )
    assert found["learning_rate"]["learning_rate"].tolist() == pytest.approx([rates[4], rates[9], rates[11]])


@pytest.mark.parametrize("before", ["0", "1"], ids=["begun without", "begun with"])
def test_a_training_that_was_cut_off_goes_on_with_its_curve(monkeypatch, before):
    """Each point once, even if the first process was further than its last checkpoint."""
    monkeypatch.setenv(live.VARIABLE, "1")
    train.main()
    whole = curves()
    save = Checkpoint.save

    def first_alone(checkpoint, tensors, facts):
        if facts["step"] == 11:
            raise CutOffError
        if facts["step"] < 8:
            save(checkpoint, tensors, facts)

    monkeypatch.setenv(live.VARIABLE, before)
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", first_alone)
        with pytest.raises(CutOffError):
            train.main()
    monkeypatch.setenv(live.VARIABLE, "1")
    train.main()
    assert all(curves()[name].equals(whole[name]) for name in FIGURES)


def test_nothing_else_appears(monkeypatch):
    """Neither dvc.yaml nor a report: those of the pipeline are its own."""
    monkeypatch.setenv(live.VARIABLE, "1")
    train.main()
    written = {path.as_posix() for path in Path(".live").rglob("*") if path.is_file()}
    assert written == {".live/blr/3/metrics.json", *(f".live/blr/3/plots/metrics/{name}.tsv" for name in FIGURES)}
    assert not Path("dvc.yaml").exists()


@pytest.mark.parametrize("value", [None, *OFF])
def test_without_being_asked_dvclive_is_not_needed(monkeypatch, value):
    monkeypatch.setitem(sys.modules, "dvclive", None)
    monkeypatch.delenv(live.VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(live.VARIABLE, value)
    train.main()
    assert not Path(".live").exists()


def test_asked_for_and_not_installed_is_said_in_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "dvclive", None)
    monkeypatch.setenv(live.VARIABLE, "1")
    with pytest.raises(Failure, match=r"^LIVE is set, and dvclive[^\n]*pip install dvclive[^\n]*unset LIVE$"):
        train.main()
    assert not Path("posteriors").exists()
