"""Another inference family, by the files and the edits that docs/extending.md shows: nothing else."""

import shutil

import pytest
import yaml
from scipy.stats import entropy

from stages import artifacts
from tests.pipeline.conftest import Clone, tiny_clone
from tests.tiny import ROOT

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
FILES = ROOT / "docs/examples/swag"
SWAG = {"steps": 12, "learning_rate": 0.1, "every": 2, "rank": 4}


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """The pipeline with the family of docs/examples/swag, as far as the network's metrics."""
    made = tiny_clone(tmp_path_factory.mktemp("swag"))
    shutil.copytree(FILES / "stages", made.folder / "stages", dirs_exist_ok=True)
    made.run("git", "apply", str(FILES / "edits.patch"))
    params = yaml.safe_load((made.folder / "params.yaml").read_text())
    params["bnn"] |= yaml.safe_load((FILES / "params.yaml").read_text())["bnn"]
    (made.folder / "params.yaml").write_text(yaml.safe_dump(params))
    made.change(bnn={"inference": "swag", "swag": SWAG})
    made.run("python", "-m", "tools.closure", "--write")
    made.run("dvc", "repro", "evaluate_bnn@0")
    return made


def test_its_networks_disagree(clone):
    """Points that were never turned into a normal would have a mutual information of 0, up to rounding."""
    cases = artifacts.read_arrays(clone.folder / "predictions/bnn/0/cases.safetensors")
    mutual_information = entropy(cases["probabilities"], axis=1) - cases["expected_entropy"]
    assert mutual_information.mean() > 1e-4


def test_its_metrics_are_there(clone):
    metrics = artifacts.read_json(clone.folder / "metrics/bnn/0.json")
    assert 0 <= metrics["error_percent"] <= 100 and metrics["nll"] > 0


def test_its_code_and_params_are_deps(clone):
    text = (clone.folder / "dvc.yaml").read_text()
    train = text[text.index("  train_bnn:") : text.index("  train_vae:")]
    assert "- stages/models/swag.py" in train and "- stages/inference/swag.py" in train
    assert "- bnn\n" in train


def test_too_few_points_are_refused(clone):
    path = clone.folder / "params.yaml"
    kept = path.read_text()
    clone.change(bnn={"swag": {"steps": 7}})
    result = clone.attempt("python", "-m", "stages.train", "--model", "bnn", "--seed", "0")
    path.write_text(kept)
    assert result.returncode != 0
    assert "bnn.swag" in result.stderr and "steps must be at least every * rank = 8, not 7" in result.stderr


MOMENTS = """
import torch
from stages.models.swag import SwagGuide
torch.manual_seed(0)
points = torch.randn(6, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, -0.5], [0.0, 0.0, 2.0]])
guide = SwagGuide({"network.0.weight": torch.zeros(1, 2), "network.0.bias": torch.zeros(1)}, rank=4)
guide.collect(iter(points))
running = torch.stack([points[: k + 1].mean(0) for k in range(6)])
last = (points - running)[-4:]
wanted = points.var(0, correction=0).diag() / 2 + last.T @ last / (2 * 3)
from pyro import poutine
draws = []
for _ in range(3_000):
    trace = poutine.trace(guide).get_trace(None)
    draws.append(torch.cat([trace.nodes[site]["value"].flatten() for site in guide.sites]))
draws = torch.stack(draws).detach()
torch.testing.assert_close(guide.point(), points.mean(0))
sds = wanted.diag().sqrt()
assert ((draws.mean(0) - points.mean(0)).abs() < 5 * sds / 3_000**0.5).all()
assert ((draws.T.cov() - wanted).abs() < 5 * sds.outer(sds) * (2 / 3_000) ** 0.5).all()
assert (wanted - wanted.diag().diag()).abs().max() > 0.1
"""


def test_it_draws_from_the_normal_of_the_points(clone):
    clone.run("python", "-c", MOMENTS)
