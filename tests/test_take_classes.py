"""Some classes of a data set: their images, new labels, and what the pipeline reads."""

import sys

import numpy as np
import pytest
import yaml

from stages import datasets, image_files, params, take_classes
from stages.command import Failure
from stages.image_files import Part
from tests.tiny import ROOT


def part(count, seed=0):
    generator = np.random.default_rng(seed)
    return Part(
        generator.integers(256, size=(count, 28, 28), dtype=np.uint8), (np.arange(count) % 10).astype(np.uint8)
    )


def test_images_keep_their_order_and_labels_are_places():
    whole = part(40)
    found = take_classes.taken(whole, [7, 2], "mnist")
    chosen = [i for i in range(40) if i % 10 in (2, 7)]
    assert (found.pixels == whole.pixels[chosen]).all()
    assert found.labels.tolist() == [1 if i % 10 == 2 else 0 for i in chosen]


def test_no_image_of_a_class():
    with pytest.raises(Failure, match=r"data_sets.parts: mnist has no images of class 12: leave it out$"):
        take_classes.taken(part(40), [1, 12], "mnist")


def test_pipeline_reads_what_the_command_writes(tmp_path, monkeypatch, capsys):
    parts = {"train": part(600), "test": part(100, seed=1)}
    image_files.write(tmp_path / "data/images/mnist", parts)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["take_classes", "--dataset", "mnist_8_and_9"])
    take_classes.main()
    assert capsys.readouterr().out == "mnist_8_and_9: 120 train images and 20 test images\n"
    test = datasets.load("mnist_8_and_9", "test", None)
    assert (test.pixels.numpy() == parts["test"].pixels[parts["test"].labels >= 8].reshape(-1, 784)).all()
    assert test.labels.tolist() == [0, 1] * 10
    assert datasets.classes("mnist_8_and_9") == 2
    monkeypatch.setattr(sys, "argv", ["take_classes", "--dataset", "mnist"])
    with pytest.raises(
        Failure, match=r"^--dataset mnist: params.yaml has data_sets.parts = mnist_0_to_7, mnist_8"
    ):
        take_classes.main()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"mnist": {"of": "mnist", "labels": [1]}}, "data_sets.parts.mnist: another data set has that name"),
        (
            {"few": {"of": "nist", "labels": [1]}},
            "data_sets.parts.few.of = 'nist': take one of mnist, fashion_mnist",
        ),
        ({"few": {"of": "mnist", "labels": [1, 1]}}, "data_sets.parts.few.labels = [1, 1]: names a class twice"),
        ({"few": {"of": "mnist", "labels": []}}, "data_sets.parts.few.labels = []"),
    ],
)
def test_bad_entries(parts, message):
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["data_sets"]["parts"] = parts
    with pytest.raises(params.ParamsError) as error:
        params.validated(document, "params.yaml")
    assert str(error.value).startswith(f"params.yaml: {message}")


def test_classes_keep_their_names():
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["data_sets"]["parts"] = {
        "shoes": {"of": "fashion_mnist", "labels": [9, 5]},
        "digits": {"of": "mnist", "labels": [8, 3]},
        "named": {"of": "mnist", "labels": [8, 3], "classes": ["eight", "three"]},
    }
    data_sets = params.validated(document, "params.yaml").data_sets
    assert data_sets.class_names("shoes") == ["ankle boot", "sandal"]
    assert data_sets.class_names("digits") == ["8", "3"]
    assert data_sets.class_names("named") == ["eight", "three"]
    assert data_sets.class_names("mnist") == []
