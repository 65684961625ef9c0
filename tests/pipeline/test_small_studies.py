"""The real dvc.yaml of the studies of the true posterior and of more data, with tiny runs."""

import shutil

import pytest
import yaml

from stages import artifacts
from studies.run import ROOT
from tests.pipeline.conftest import tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture
def studied(tmp_path):
    """studied(name, change): reproduces a study whose study.yaml was changed; its folder."""

    def reproduce(name, change):
        made = tiny_clone(tmp_path / "study")
        ignore = shutil.ignore_patterns("runs", "metrics", "predictions", "__pycache__", "dvc.lock")
        shutil.copytree(ROOT / "studies", made.folder / "studies", ignore=ignore)
        path = made.folder / "studies" / name / "study.yaml"
        study = yaml.safe_load(path.read_text())
        change(study)
        path.write_text(yaml.safe_dump(study))
        made.run("dvc", "repro", f"studies/{name}/dvc.yaml")
        assert "Running stage" not in made.run("dvc", "repro", f"studies/{name}/dvc.yaml")
        return made.folder

    return reproduce


def test_reference(studied):
    families = ["map", "laplace_evidence", "mean_field", "mc_dropout_ensemble"]

    def tiny(study):
        study |= {"families": families, "draws": 3, "chains": [0, 1]}
        study["common"]["bnn"] |= {"steps": 3, "validate_every": 3, "members": 2}
        study["runs"]["features"]["bnn"] |= {"steps": 3, "validate_every": 3}
        for problem in study["problems"].values():
            problem |= {"digits": 50}
            problem["nuts"] |= {"warmup": 5, "draws": 12, "every": 2, "depth": 2}

    folder = studied("reference", tiny)
    table = artifacts.read_json(folder / "metrics/bnn_reference.json")
    assert set(table["problems"]) == {"last_layer", "mlp"}
    for problem in table["problems"].values():
        wanted = {"r_hat_max", "ess_min", "divergences", "half_agreement", "half_total_variation"}
        assert wanted < set(problem["reference"])
        assert list(problem["families"]) == families
        for found in (*problem["families"].values(), problem["reference"]):
            assert all(isinstance(value, float | int) for value in found.values())
        for found in problem["families"].values():
            assert 0 <= found["agreement"] <= 1 and 0 < found["total_variation"] < 1 and found["nll"] > 0


def test_more_data(studied):
    def tiny(study):
        study |= {"digits": [100, 200], "seeds": [0], "trained": ["mean_field_100", "mean_field_200"]}
        study |= {"families": ["mean_field"]}
        study["common"]["bnn"] |= {"steps": 3, "validate_every": 3}
        study["common"]["drop_labels"] = {"kept": 10}
        runs = {
            f"mean_field_{n}": {"images": {"train": n}, "bnn": {"inference": "mean_field"}} for n in (100, 200)
        }
        study["runs"] = runs

    folder = studied("more_data", tiny)
    found = artifacts.read_json(folder / "metrics/bnn_more_data.json")["families"]["mean_field"]
    assert set(found) == {"100", "200"}
    for of in found.values():
        parts = of["expected_entropy"]["mean"] + of["mutual_information"]["mean"]
        assert parts == pytest.approx(of["entropy"]["mean"], rel=1e-3)
        share = of["mutual_information"]["mean"] / of["entropy"]["mean"]
        assert of["mutual_information_share"]["mean"] == pytest.approx(share)
    assert (folder / "studies/more_data/plots/mutual_information.png").exists()
