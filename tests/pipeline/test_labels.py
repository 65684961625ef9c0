"""The real dvc.yaml of the study of labels, with tiny runs."""

import shutil

import numpy as np
import pytest
import torch
import yaml

from stages import artifacts, params
from stages.models import ssvae
from studies.run import ROOT
from tests.pipeline.conftest import Clone, tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
FILE = "studies/labels/dvc.yaml"
LABELS = {  # every model, and one number of labels that it is run with; all of them get a hundred here
    "default": 3000,
    "best": 3000,
    "consistency_only": 3000,
    "no_consistency": 1000,
    "labels_only": 3000,
    "labels_only_best": 3000,
    "default_random": 3000,
    "all_labels": 50000,
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The reproduced study with one number of labels, two seeds, and the judge of the pipeline itself."""
    made = tiny_clone(tmp_path_factory.mktemp("study"), seeds=[0])
    ignore = shutil.ignore_patterns("runs", "metrics", "predictions", "plots", "__pycache__", "dvc.lock")
    shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignore)
    path = made.folder / "studies/labels/study.yaml"
    study = yaml.safe_load(path.read_text()) | {"seeds": [0, 1]}
    kept = [f"{name}_{labels}" for name, labels in LABELS.items()]
    study["runs"] = {name: study["runs"][name] for name in kept}
    for name, changes in study["runs"].items():
        changes["drop_labels"]["kept"] = 400 if name == "all_labels_50000" else 100
        changes["ssvae"] = changes.get("ssvae", {}) | {"steps": 4, "execution": "traced"}
        changes["labels_only"] = changes.get("labels_only", {}) | {"steps": 4}
    for key in ("ssvae", "labels_only", "every", "drawing"):
        study[key] = [name for name in study[key] if name in kept]
    path.write_text(yaml.safe_dump(study))
    made.run("dvc", "repro", FILE)
    return made


def test_table_has_every_model_and_pair(clone):
    found = artifacts.read_json(clone.folder / "metrics/ssvae_labels.json")
    assert set(found["models"]) == set(LABELS)
    for name, by_labels in found["models"].items():
        (labels,) = by_labels
        assert labels == str(LABELS[name])
        assert {"error_percent", "nll", "ece", "nll_temperature", "ece_temperature"} <= set(by_labels[labels])
        assert by_labels[labels]["error_percent"]["n"] == 2
        drawn = "conditional_accuracy_lenet_percent" in by_labels[labels]
        assert drawn == (name in ("default", "best"))
    assert "best - consistency_only" in found["paired"]
    for names, pair in found["paired"].items():
        if "no_consistency" in names:  # here, the other has another number of labels
            assert not pair
        else:
            assert {"mean", "n", "ci95_seeds", "ci95_test"} == set(pair["3000"]["nll_temperature"])


def test_models_see_the_same_labels(clone):
    folder = clone.folder / "studies/labels/runs"
    read = {
        name: (folder / f"{name}_{labels}/data/labels/1.csv").read_bytes()
        for name, labels in LABELS.items()
        if name != "all_labels"
    }
    same = {name: read[name] == read["default"] for name in read}
    assert same == {name: name != "default_random" for name in read}


def test_figures_come_from_the_predictions(clone):
    folder = clone.folder / "studies/labels"
    cases = artifacts.read_arrays(folder / "predictions/best_3000/1/cases.safetensors")
    metrics = artifacts.read_json(folder / "metrics/best_3000/1.json")
    wrong = cases["probabilities"].argmax(axis=1) != cases["labels"]
    assert metrics["error_percent"] == pytest.approx(100 * wrong.mean())


def test_without_the_elbo_the_decoder_stays_as_it_was_made(clone):
    """And in `best` it does not."""

    def changed(run) -> bool:
        folder = clone.folder / f"studies/labels/runs/{run}_3000"
        torch.manual_seed(0)
        model, _ = ssvae.build(params.load(folder / "params.yaml").ssvae)
        found = artifacts.read_arrays(folder / "posteriors/ssvae/0/weights.safetensors")
        decoder = {key: value for key, value in model.state_dict().items() if key.startswith("decoder.")}
        assert decoder
        return any(not np.array_equal(found[f"model.{key}"], value.numpy()) for key, value in decoder.items())

    assert not changed("consistency_only")
    assert changed("best")
