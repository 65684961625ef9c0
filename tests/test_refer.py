"""The referral stage: which digits are used to choose the threshold, and which to measure."""

import sys

import numpy as np
import pytest
import yaml

from stages import artifacts, refer
from stages.evaluation import bnn, referral
from tests import tiny
from tools.readme import ROOT


@pytest.fixture
def referred(tmp_path, monkeypatch):
    """referred(split, validation, held_out): the stage's metrics."""

    def run(split, validation, held_out):
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["evaluate"]["split"] = split
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        artifacts.write_arrays(tmp_path / "predictions/bnn/0/validation.safetensors", validation)
        artifacts.write_arrays(tmp_path / "predictions/bnn/0/cases.safetensors", held_out)
        for name in bnn.out_of_distribution(tiny.settings()):
            scores = {"entropy": np.array([0.1, 2.0])}
            artifacts.write_arrays(tmp_path / f"predictions/ood/bnn/0/{name}.safetensors", scores)
        form = {
            "levels": np.ones(1),
            "probabilities": np.array([[[0.1, 0.9], [0.0, 1.0]]]),
            "labels": np.array([0, 1]),
        }
        for name in bnn.other_forms(tiny.settings()):
            artifacts.write_arrays(tmp_path / f"predictions/shift/bnn/0/{name}.safetensors", form)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["refer", "--model", "bnn", "--seed", "0"])
        refer.main()
        return artifacts.read_json("metrics/referral/bnn/0.json")

    return run


def cases(confidence, right):
    """Two classes; class 1 is always more probable."""
    p = np.stack([1 - np.array(confidence), confidence], axis=1).astype(np.float32)
    return {"probabilities": p, "labels": np.array(right, dtype=int)}


def entropy(confidence):
    return -confidence * np.log(confidence) - (1 - confidence) * np.log(1 - confidence)


def many(count, wrong_above):
    """Cases of ever less confidence, those from place `wrong_above` on wrong."""
    return cases(np.linspace(0.99, 0.55, count), np.arange(count) < wrong_above)


def woven(even, odd):
    """Cases in turn from two sets of equal size."""
    return {name: np.stack([even[name], odd[name]], axis=1).reshape(-1, *even[name].shape[1:]) for name in even}


def test_half_of_the_validation_digits_choose_and_held_out_digits_judge(referred):
    """The other half, on which the temperature was fitted, is wrong throughout, and does not matter."""
    choosing = many(3000, wrong_above=2500)
    validation = woven(many(3000, wrong_above=0), choosing)
    held_out = cases([0.96, 0.97, 0.56], [1, 0, 1])
    found = referred("test", validation, held_out)
    confidence = choosing["probabilities"].max(axis=1)
    wanted = referral.guaranteed_threshold(entropy(confidence), choosing["labels"] == 1, 0.005, 0.95)
    assert found["threshold_nats"] == pytest.approx(wanted, rel=1e-5) and 0 < wanted < entropy(0.6)
    assert found["validation"]["error_percent"] <= 0.5
    assert found["mnist"]["referred_percent"] == pytest.approx(100 / 3)
    assert found["mnist"]["error_percent"] == 50
    assert found["fashion_mnist"]["referred_percent"] == 50
    assert found["sklearn_digits"]["referred_percent"] == 0
    assert found["sklearn_digits"]["error_percent"] == 50


def test_no_threshold_is_an_answer(referred):
    few = cases([0.99, 0.98, 0.95, 0.94], [1, 1, 1, 1])
    found = referred("test", few, few)
    assert found["threshold_nats"] == -1
    assert found["mnist"]["referred_percent"] == found["fashion_mnist"]["referred_percent"] == 100


def test_on_the_validation_split_no_digit_does_both(referred):
    """The second, fourth, ... are used to choose, the first, third, ... to measure."""
    same = woven(many(6000, wrong_above=0), many(6000, wrong_above=6000))
    found = referred("validation", same, same)
    assert found["validation"]["error_percent"] == 0
    assert found["mnist"]["error_percent"] == 100
