"""The real dvc.yaml of the study of foreign images, with tiny runs."""

import shutil

import pytest
import yaml

from stages import artifacts
from studies.run import ROOT
from tests.pipeline.conftest import tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
FILE = "studies/vae_ood/dvc.yaml"
OTHERS = ["flipped_vertically", "constant"]


def test_table_has_every_pair_and_score(tmp_path):
    made = tiny_clone(tmp_path / "study")
    ignore = shutil.ignore_patterns("runs", "metrics", "predictions", "__pycache__", "dvc.lock")
    shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignore)
    path = made.folder / "studies/vae_ood/study.yaml"
    study = yaml.safe_load(path.read_text())
    for pair in study["pairs"].values():
        pair["others"] = [pair["others"][0], *OTHERS]
    study["common"]["ood"]["images"] = 100
    path.write_text(yaml.safe_dump(study))
    made.run("dvc", "repro", FILE)
    table = artifacts.read_json(made.folder / "metrics/vae_ood.json")
    digits = ["mnist_vs_fashion_mnist", *(f"mnist_vs_{name}" for name in OTHERS)]
    clothes = ["fashion_mnist_vs_mnist", *(f"fashion_mnist_vs_{name}" for name in OTHERS)]
    assert set(table["pairs"]) == {*digits, *clothes}
    for scores in table["pairs"].values():
        assert {"grey_entropy", "code_length", "grey_entropy_two_sided", "code_length_two_sided"} < set(scores)
        assert table["chosen"] in scores
        assert all(set(found) == {"auroc", "aupr", "fpr95"} for found in scores.values())
    assert "Running stage" not in made.run("dvc", "repro", FILE)
