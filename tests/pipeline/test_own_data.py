"""The whole pipeline on a data set of one's own, by params alone: scikit-learn's digits in class folders."""

import numpy as np
import pytest
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from stages import artifacts
from tests.pipeline.conftest import tiny_clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The reproduced pipeline that learns eight of the ten digits, and has never seen MNIST."""
    made = tiny_clone(tmp_path_factory.mktemp("own"))
    bunch = load_digits()
    for place, (image, label) in enumerate(zip(bunch.images, bunch.target, strict=True)):
        if label < 8:
            path = made.folder / "pictures" / f"digit {label}" / f"{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image * 255 / 16).astype(np.uint8)).save(path)
    params = yaml.safe_load((made.folder / "params.yaml").read_text())
    params["data_sets"]["local"] = {"small": {"path": "pictures"}}
    (made.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    learns = {"dataset": "small"}
    made.change(bnn=learns | {"classes": 8}, vae=learns, ood={"bnn": "mnist", "vae": "mnist"})
    assert made.repro() == set(made.run("dvc", "stage", "list", "--name-only").split())
    return made


def test_its_classes_are_predicted(clone):
    cases = artifacts.read_arrays(clone.folder / "predictions/bnn/0/cases.safetensors")
    assert cases["probabilities"].shape == (200, 8)
    assert {*cases["labels"].tolist()} == {*range(8)}


@pytest.mark.parametrize("model", ["bnn", "vae"])
def test_mnist_is_out_of_distribution(clone, model):
    found = artifacts.read_json(clone.folder / f"metrics/ood/{model}/0.json")
    assert "mnist" in found and "small" not in found and "fashion_mnist" not in found
    assert "inverted_small" not in found


def test_inverted_images_are_a_shift(clone):
    assert "inverted_small" in artifacts.read_json(clone.folder / "metrics/shift/bnn/0.json")
    assert "error_percent" in artifacts.read_json(clone.folder / "metrics/referral/bnn/0.json")["inverted_small"]


def test_its_pictures_are_drawn(clone):
    assert (clone.folder / "plots/bnn/roc.png").exists() and (clone.folder / "plots/vae/roc.png").exists()


def test_another_image_in_a_folder_reruns_what_reads_it(clone):
    assert clone.repro() == set()
    Image.new("L", (8, 8)).save(clone.folder / "pictures/digit 0/new.png")
    planned = clone.run("dvc", "status").splitlines()
    assert "convert@small:" in planned and "download@mnist:" not in planned


def test_wrong_number_of_classes_is_said_before_training(clone):
    clone.change(bnn={"classes": 10})
    failed = clone.attempt("python", "-m", "stages.train", "--model", "bnn", "--seed", "0")
    clone.change(bnn={"classes": 8})
    assert failed.returncode == 1
    assert failed.stderr.strip().splitlines()[-1] == (
        "params.yaml: bnn.classes = 10: small has 8 classes: set it to 8"
    )
