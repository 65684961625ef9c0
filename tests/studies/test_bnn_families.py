"""The study of inference families: its table, and the family that it chooses."""

import json
import shutil
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import yaml

from stages import artifacts, params
from studies import run
from studies.bnn_families import SURROGATES, plot, share, summarize

STUDY = yaml.safe_load((run.ROOT / "studies/bnn_families/study.yaml").read_text())


def family(nll, auroc, **surrogates):
    """Metrics of one family on validation data."""
    validation = {"nll": nll} | dict.fromkeys(SURROGATES, auroc) | surrogates
    return {key: {"mean": value, "n": 1, "ci95_seeds": None} for key, value in validation.items()}


@pytest.mark.parametrize(
    ("families", "winner"),
    [
        ({"a": family(0.02, 0.9), "b": family(0.03, 0.8)}, "a"),
        ({"a": family(0.03, 0.9), "b": family(0.02, 0.9)}, "b"),
        ({"a": family(0.02, 0.8), "b": family(0.03, 0.9)}, "a"),  # equal ranks: the likelihood decides
        ({"a": family(0.02, 0.8), "b": family(0.03, 0.95), "c": family(0.021, 0.9)}, "a"),
        ({"a": family(0.02, 0.8), "b": family(0.04, 0.95), "c": family(0.021, 0.97)}, "c"),
        ({"a": family(0.02, 0.9, gaussian_noise=0.1), "b": family(0.021, 0.85), "c": family(0.03, 0.75)}, "b"),
    ],
)
def test_validation_data_choose(families, winner):
    assert summarize.chosen(families) == winner


def test_table_has_means_and_intervals(tmp_path):
    for seed, nll in enumerate((0.1, 0.2, 0.6)):
        (tmp_path / f"{seed}.json").write_text(json.dumps({"nll": nll, "validation": {"ece": seed}}))
    found = summarize.summary(tmp_path, [0, 1, 2])
    # sd of (0.1, 0.2, 0.6) is 0.26458; t of 2 degrees of freedom is 4.30265
    assert found["nll"] == {
        "mean": pytest.approx(0.3),
        "n": 3,
        "ci95_seeds": pytest.approx(4.30265 * 0.264575 / 3**0.5, rel=1e-4),
    }
    assert found["validation"]["ece"]["mean"] == 1
    assert summarize.summary(tmp_path, [1])["nll"] == {"mean": 0.2, "n": 1, "ci95_seeds": None}


def test_validation_data_stand_apart_and_alone_choose(tmp_path, monkeypatch):
    """The family that is better on the test set, and worse on validation digits, is not chosen."""
    monkeypatch.setattr(summarize, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["summarize"])
    study = tmp_path / "studies/bnn_families"
    for name, nll in (("a", 0.1), ("b", 0.2), ("reverse_a", 0.3)):
        metrics = {"nll": 1 - nll, "validation": {"nll": nll} | dict.fromkeys(SURROGATES, 0.9)}
        artifacts.write_json(study / f"metrics/{name}/0.json", metrics)
    (study / "study.yaml").write_text("{seeds: [0], families: [a, b], reverse: [reverse_a]}")
    summarize.main()
    families, reverse = (
        artifacts.read_json(tmp_path / f"metrics/bnn_{of}.json") for of in ("families", "reverse")
    )
    assert families["chosen"] == reverse["chosen"] == "a"
    assert families["families"]["b"] == {"nll": {"mean": 0.8, "n": 1, "ci95_seeds": None}}
    assert families["validation"]["b"]["nll"]["mean"] == 0.2
    assert {*reverse["families"]} == {*reverse["validation"]} == {"a"}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """settings("map"): the settings of that run."""
    for name in ("params.yaml", "studies/bnn_families/study.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run.ROOT / name, tmp_path / name)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    return lambda name: params.load(run.prepare("bnn_families", name) / "params.yaml")


def test_what_is_shared_is_as_it_would_have_been_trained(settings):
    for name, source in share.SOURCE.items():
        kind = settings(source).bnn
        assert settings(name).bnn.model_copy(update={"inference": kind.inference, "member": kind.member}) == kind


def test_runs_differ_from_the_pipeline_in_their_network_the_seeds_and_what_all_change(settings):
    committed = params.load(run.ROOT / "params.yaml")
    common = STUDY.get("common", {})
    for name in STUDY["runs"]:
        found = settings(name)
        assert found.seeds == STUDY["seeds"]
        assert all(getattr(found, key) == value for key, value in common.items() if not isinstance(value, dict))
        changed = {key for key, value in found if value != getattr(committed, key)}
        assert changed <= {"bnn", "ood", "seeds", *common}


def test_every_run_is_made_and_shown(settings):
    assert all(settings(name) for name in STUDY["runs"])
    assert {*STUDY["trained"], *STUDY["shared"], "laplace"} == set(STUDY["runs"])
    assert {*STUDY["families"], *STUDY["reverse"]} == set(STUDY["runs"])


def test_reversed_runs_are_the_runs_on_the_other_data_set(settings):
    for name in STUDY["reverse"]:
        same = settings(name.removeprefix("reverse_")).bnn.model_copy(update={"dataset": "fashion_mnist"})
        assert settings(name).bnn == same
        assert settings(name).ood.bnn == "mnist"


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("map", "MAP"),
        ("mc_dropout_ensemble", "MC dropout ensemble"),
        ("laplace", "Laplace"),
        ("mean_field", "mean field"),
    ],
)
def test_families_are_called_by_their_names(family, text):
    assert plot.label(family) == text


def test_layers_stand_in_the_order_of_the_network(tmp_path, monkeypatch):
    axes = [SimpleNamespace(hist=Mock(), axvline=Mock(), set=Mock()) for _ in range(3)]
    monkeypatch.setattr(plot, "figure", lambda *_, **__: nullcontext(axes))
    sizes = {"network.1": 4, "network.10": 2, "network.4": 3}
    ratios = {f"{site}.{kind}": np.ones(size) for site, size in sizes.items() for kind in ("weight", "bias")}
    plot.signal_to_noise(tmp_path / "picture.png", ratios)
    assert [axis.set.call_args.kwargs["title"] for axis in axes] == [
        "layer 1: 4 weights",
        "layer 2: 3 weights",
        "layer 3: 2 weights",
    ]


def test_chosen_family_is_among_the_reversed():
    found = artifacts.read_json(run.ROOT / "metrics/bnn_families.json")
    assert f"reverse_{found['chosen']}" in STUDY["reverse"]
