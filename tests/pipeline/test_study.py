"""The real dvc.yaml of the study of inference families, with tiny runs."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from stages import artifacts
from stages.evaluation import ood
from studies.run import ROOT
from tests.pipeline import recompute
from tests.pipeline.conftest import Clone, recipe, tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
FAMILIES = ["map", "laplace", "mean_field", "map_ensemble"]
CANDIDATES = ["mean_field", "map_ensemble"]
LONG, REVERSE = [f"{family}_long" for family in CANDIDATES], [f"reverse_{family}" for family in FAMILIES]
TINY = {"seeds": [0, 1], "families": FAMILIES, "long": LONG, "reverse": REVERSE, "once": LONG + REVERSE}
TINY |= {"candidates": CANDIDATES, "other_starts": []}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The reproduced study; only the data of the pipeline itself."""
    made = tiny_clone(tmp_path_factory.mktemp("study"))
    ignore = shutil.ignore_patterns("runs", "metrics", "__pycache__", "dvc.lock")
    shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignore)
    path = made.folder / "studies/bnn_families/study.yaml"
    study = yaml.safe_load(path.read_text()) | TINY
    for family in CANDIDATES:  # whichever is chosen has to have a long row,
        study["runs"][f"{family}_long"] = {"bnn": dict(study["runs"][family]["bnn"])}
    for family in FAMILIES:  # and to be among the reversed
        clothes = {"bnn": study["runs"][family]["bnn"] | {"dataset": "fashion_mnist"}, "ood": {"bnn": "mnist"}}
        study["runs"][f"reverse_{family}"] = clothes
    for changes in study["runs"].values():
        changes["bnn"] |= {"steps": 4, "members": 2, "batch_size": 20, "kl_warmup_steps": 0}
    path.write_text(yaml.safe_dump(study))
    made.run("dvc", "repro", "studies/bnn_families/dvc.yaml")
    return made


@pytest.fixture
def folder(clone):
    return clone.folder


def test_tables_have_every_family_and_figure(folder):
    names = ("families", "reverse")
    families, reverse = (artifacts.read_json(folder / f"metrics/bnn_{name}.json") for name in names)
    assert {*families["families"]} == {*FAMILIES, *LONG} and {*reverse["families"]} == {*FAMILIES}
    assert families["chosen"] in CANDIDATES
    assert {*families["unrestricted"]["choice"]} == {*FAMILIES}
    wanted = (
        set(artifacts.read_json(folder / "metrics/bnn/0.json")) if (folder / "metrics/bnn").exists() else set()
    )
    wanted |= {"error_percent", "nll", "ece", "nll_temperature", "ece_temperature", "temperature"}
    wanted |= {f"{key}_{score}" for key in ("auroc", "fpr95") for score in (*ood.CLASSIFIER_SCORES, "headline")}
    wanted |= {"parameters", "members", "steps"}
    for table in (families, reverse):
        for family in table["families"].values():
            assert wanted <= set(family)
            assert all(set(entry) == {"mean", "n", "ci95_seeds"} for entry in family.values())
            assert family["auroc_headline"] == family[f"auroc_{table['headline']}"]
    assert set(families["paired"]) == {*FAMILIES, *LONG} - {families["chosen"]}
    assert [families["families"][name]["nll"]["n"] for name in ("map", "mean_field_long")] == [2, 1]
    assert families["families"]["map_ensemble"]["members"]["mean"] == 2


def test_figures_follow_from_the_predictions(folder):
    """The ensemble's likelihood and its separation from Fashion-MNIST, computed independently."""
    metrics = artifacts.read_json(folder / "studies/bnn_families/metrics/map_ensemble/0.json")
    predictions = folder / "studies/bnn_families/runs/map_ensemble/predictions/0/test"
    files = [predictions / f"{name}.safetensors" for name in ("mnist", "fashion_mnist")]
    digits, clothes = (artifacts.read_arrays(file) for file in files)
    p = digits["probabilities"][np.arange(len(digits["labels"])), digits["labels"]].astype(float)
    assert metrics["nll"] == pytest.approx(-np.log(p).mean(), rel=1e-5)
    of_digits, of_clothes = (
        -(of["probabilities"] * np.log(of["probabilities"])).sum(axis=1) for of in (digits, clothes)
    )
    greater = (of_clothes[:, None] > of_digits).mean() + 0.5 * (of_clothes[:, None] == of_digits).mean()
    assert metrics["auroc_entropy"] == pytest.approx(greater, abs=2e-4)
    assert metrics["ece"] == pytest.approx(recompute.ece(digits), rel=1e-4)


def test_pruning_follows_from_its_predictions(folder):
    found = artifacts.read_json(folder / "studies/bnn_families/pruning.json")
    predictions = folder / "studies/bnn_families/runs/mean_field/predictions/weights"
    pruned = artifacts.read_arrays(predictions / "pruned.safetensors")
    for share, p in zip(pruned["shares"], pruned["probabilities"], strict=True):
        wrong = 100 * (p.argmax(axis=1) != pruned["labels"]).mean()
        assert found[f"{share:g}"]["error_percent"] == pytest.approx(wrong)


def test_figures_are_no_blank_sheets(folder):
    pictures = sorted((folder / "studies/bnn_families/plots").glob("*.png"))
    assert [picture.stem for picture in pictures] == ["families", "pruning", "signal_to_noise"]
    for picture in pictures:
        pixels = np.asarray(Image.open(picture).convert("L"))
        assert pixels.std() > 5 and min(pixels.shape) > 200


def test_second_time_runs_nothing(clone):
    assert "Running stage" not in clone.run("dvc", "repro", "studies/bnn_families/dvc.yaml")


def test_finished_runs_are_skipped_where_there_is_no_cache(clone, tmp_path):
    """`make study` in a fresh clone, without any ignored file, trains nothing again."""
    fresh = Clone(tmp_path / "fresh")
    gone = shutil.ignore_patterns("cache", "data", "posteriors", "predictions", "__pycache__", ".runs")
    shutil.copytree(clone.folder, fresh.folder, ignore=gone)
    command = recipe("study")
    assert "Running stage" not in fresh.run("bash", "-c", command)
    without = fresh.attempt("bash", "-c", f"{command.replace('--allow-missing', '')} --dry")
    assert "Running stage" in without.stdout


def test_the_models_of_the_pipeline_are_not_trained(folder):
    assert not (folder / "posteriors").exists()
