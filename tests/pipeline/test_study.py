"""The real dvc.yaml of the study of inference families, with tiny runs."""

import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from stages import artifacts
from studies.run import ROOT
from tests.pipeline import recompute
from tests.pipeline.conftest import Clone, recipe, tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
TINY = {
    "seeds": [0],
    "trained": ["map_ensemble", "tempered_mean_field_ensemble", "mean_field", "reverse_map"],
    "shared": ["map", "tempered_mean_field"],
    "families": ["map", "laplace", "map_ensemble"],
    "reverse": ["reverse_map"],
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The reproduced study; only the data of the pipeline itself."""
    made = tiny_clone(tmp_path_factory.mktemp("study"))
    ignore = shutil.ignore_patterns("runs", "metrics", "__pycache__", "dvc.lock")
    shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignore)
    path = made.folder / "studies/bnn_families/study.yaml"
    study = yaml.safe_load(path.read_text()) | TINY
    for changes in study["runs"].values():
        changes["bnn"] |= {"steps": 4, "members": 2, "batch_size": 20}
    path.write_text(yaml.safe_dump(study))
    made.run("dvc", "repro", "studies/bnn_families/dvc.yaml")
    return made


@pytest.fixture
def folder(clone):
    return clone.folder


def test_tables_have_every_family_and_figure(folder):
    names = ("families", "reverse")
    families, reverse = (artifacts.read_json(folder / f"metrics/bnn_{name}.json") for name in names)
    assert set(families["families"]) == set(TINY["families"]) and set(reverse["families"]) == {"map"}
    assert families["chosen"] in TINY["families"]
    wanted = set(artifacts.read_json(ROOT / "metrics/bnn/0.json"))
    wanted |= {"auroc_entropy", "auroc_mutual_information", "fpr95_entropy", "parameters"}
    for family in (*families["families"].values(), *reverse["families"].values()):
        assert set(family) == wanted
        assert all(set(entry) == {"mean", "n", "ci95_seeds"} for entry in family.values())


def test_shared_network_is_the_first_of_the_ensemble(folder):
    runs = folder / "studies/bnn_families/runs"
    one, all_members, laplace = (
        artifacts.read_arrays(runs / name / "posteriors/bnn/0/weights.safetensors")
        for name in ("map", "map_ensemble", "laplace")
    )
    assert one
    for name, value in one.items():
        member = name.replace("guide.", "guide.members.0.")
        assert np.array_equal(value, all_members[member])
        assert np.array_equal(value, laplace[name])
    assert np.abs(laplace["guide.scale_tril"]).max() > 0
    records = folder / ".runs/studies/bnn_families/runs"
    records = [records / name / "posteriors/bnn/0/run.json" for name in ("map", "map_ensemble")]
    alone, together = (artifacts.read_json(record)["seconds"] for record in records)
    assert alone >= together / 2


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
