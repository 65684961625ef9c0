"""The outputs of the real dvc.yaml, from data to plots."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image, ImageDraw

from stages import artifacts, params
from tests.pipeline import recompute
from tests.pipeline.conftest import Clone, recipe
from tests.tiny import ROOT

pytestmark = pytest.mark.pipeline
MODELS = params.MODELS
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
OUTPUTS = {
    path for stage in STAGES for entry in stage.get("outs", []) if isinstance(entry, dict) for path in entry
}
OF_A_SEED = sorted(
    path.removeprefix("metrics/").partition("/${")[0]
    for path in OUTPUTS
    if path.startswith("metrics/") and "${item.seed}" in path and "intervals" not in path
)


def numbers(tree) -> list[float]:
    return [x for value in tree.values() for x in numbers(value)] if isinstance(tree, dict) else [tree]


def test_second_repro_runs_nothing(clone):
    assert clone.repro() == set()


def test_gate_accepts_the_clone(clone):
    assert clone.run("python", "-m", "tools.gate") == "dvc.lock is current\n"


def test_git_knows_all_that_a_reproduction_writes(clone):
    """What is committed is what came out, and everything else is ignored."""
    assert clone.run("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("name", OF_A_SEED)
def test_metrics_are_present_and_finite(clone, name):
    values = numbers(artifacts.read_json(clone.folder / f"metrics/{name}/0.json"))
    assert values and all(isinstance(value, int | float) and math.isfinite(value) for value in values)


@pytest.mark.parametrize("name", recompute.KNOWN)
def test_metrics_follow_from_the_predictions(clone, name):
    """Compute every metric from predictions/ without code from stages/evaluation."""
    committed = artifacts.read_json(clone.folder / f"metrics/{name}/0.json")
    again = recompute.metrics(name, clone.folder / "predictions")
    assert again == {
        key: pytest.approx(value, rel=1e-5, abs=1e-7) for key, value in recompute.flat(committed).items()
    }


def test_pictures_are_no_blank_sheets(clone):
    pictures = sorted((clone.folder / "plots").rglob("*.png"))
    assert len(pictures) >= 18
    for picture in pictures:
        pixels = np.asarray(Image.open(picture).convert("L"))
        assert pixels.std() > 5 and min(pixels.shape) > 200, picture.name


def test_prior_check_follows_from_its_predictions(clone):
    p = artifacts.read_arrays(clone.folder / "predictions/prior/bnn/networks.safetensors")["probabilities"]
    assert p.shape == (5, 50, 10) and np.allclose(p.sum(axis=-1), 1, atol=1e-5)
    found = artifacts.read_json(clone.folder / "metrics/prior/bnn.json")
    favourites = [max(list(row).count(c) for c in range(10)) / 50 for row in p.argmax(axis=-1)]
    assert found["favourite_share"] == pytest.approx(np.mean(favourites))
    assert found["confidence"] == pytest.approx(p.max(axis=-1).mean(), rel=1e-5)


def test_plot_data_are_the_predictions(clone):
    cases = artifacts.read_arrays(clone.folder / "predictions/bnn/0/cases.safetensors")
    confusion = pd.read_csv(clone.folder / "plots/bnn/confusion.csv")
    assert (confusion["actual"] == cases["labels"]).all()
    assert (confusion["predicted"] == cases["probabilities"].argmax(axis=1)).all()
    reliability = pd.read_csv(clone.folder / "plots/bnn/reliability.csv")
    gaps = (reliability["confidence"] - reliability["accuracy"]).abs() * reliability["cases"]
    assert gaps.sum() / reliability["cases"].sum() == pytest.approx(recompute.ece(cases), rel=1e-5)
    for model in MODELS:
        drawn = (clone.folder / f"plots/{model}/elbo.csv").read_text()
        assert drawn == (clone.folder / f"posteriors/{model}/0/elbo.csv").read_text()


def test_run_record_names_the_code_that_ran(clone):
    record = artifacts.read_json(clone.folder / ".runs/posteriors/vae/0/run.json")
    assert {"stages/models/vae.py", "stages/inference/loop/svi.py"} <= record["code_sha256"].keys()
    assert record["device"] == "cpu" and record["threads"] == 1 and record["seconds"] > 0


def test_live_figures_leave_no_trace_in_the_pipeline(clone):
    clone.attempt("dvc", "repro", "--single-item", "--force", "train_blr@0", LIVE="1").check_returncode()
    curves = ".live/blr/0/plots/metrics"
    history = pd.read_csv(clone.folder / "posteriors/blr/0/elbo.csv")
    drawn = pd.read_table(clone.folder / curves / "elbo.tsv")
    assert drawn["step"].tolist() == history["step"].tolist() == [20, 40]
    assert clone.run("git", "status", "--porcelain") == ""
    assert "up to date" in clone.run("dvc", "status")
    shown = json.loads(clone.run("dvc", "plots", "show", curves, "-x", "step", "--json"))
    assert shown.keys() == {"data"}
    assert {f"{curves}/{name}.tsv" for name in ("elbo", "validation", "learning_rate")} <= shown["data"].keys()


@pytest.fixture(scope="module")
def second(clone, tmp_path_factory) -> Clone:
    """A clone after the commands of docs/sharing.md: a folder as remote, everything pushed, a release packed."""
    folder = tmp_path_factory.mktemp("shared")
    page = (ROOT / "docs/sharing.md").read_text()
    lines = page.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert lines[0].startswith("dvc remote add") and lines[-1] == "dvc push"
    clone.run("python", "-m", "tools.pretrained", "--pack", str(folder / "release"))
    clone.commit()
    for line in lines:
        identity = "git -c user.name=test -c user.email=test@localhost commit"
        line = line.replace("/path/to/shared/folder", str(folder / "remote")).replace("git commit", identity)
        clone.run("bash", "-c", line)
    clone.run("git", "clone", "--quiet", str(clone.folder), str(folder / "second"))
    return Clone(folder / "second")


def test_released_weights_are_the_same_bytes_and_not_in_the_cache(second, clone):
    release = str(second.folder.parent / "release")
    second.attempt("python", "-m", "tools.pretrained", PRETRAINED=release).check_returncode()
    weights = "posteriors/bnn/0/weights.safetensors"
    assert (second.folder / weights).read_bytes() == (clone.folder / weights).read_bytes()
    assert re.search(rf"not in cache: +{weights}", second.run("dvc", "status", "train_bnn"))
    assert second.run("git", "status", "--porcelain") == ""


def test_a_second_clone_pulls_predicts_and_runs_nothing(second, clone):
    second.run("bash", "-c", recipe("pull"))
    for path in (clone.folder / "posteriors").rglob("*.*"):
        assert (second.folder / path.relative_to(clone.folder)).read_bytes() == path.read_bytes()
    digit = Image.new("L", (100, 100), 255)
    ImageDraw.Draw(digit).line([(50, 20), (50, 80)], fill=0, width=8)
    digit.save(second.folder.parent / "digit.png")
    answered = second.attempt("python", "-m", "tools.predict", "--json", str(second.folder.parent / "digit.png"))
    assert answered.returncode in (0, 3), answered.stderr  # answered, or handed to a person
    assert sum(json.loads(answered.stdout)["images"][0]["probabilities"].values()) == pytest.approx(1)
    assert "up to date" in second.run("dvc", "status")
    assert second.repro() == set()
    assert second.run("git", "status", "--porcelain") == ""
