"""Other data sets that torchvision knows, with a stand-in for its classes: nothing is downloaded."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision

from stages import image_files, torchvision_sets
from stages.command import Failure
from tests.idx import write_images, write_labels

PICTURES = np.random.default_rng(0).integers(0, 256, (400, 28, 28), dtype=np.uint8)


def stand_in(monkeypatch, name, pixels=PICTURES, labels=None):
    """torchvision's class `name`; the list of what it is called with."""
    calls = []

    def made(root, train, download, **options):
        calls.append({"train": train, "download": download} | options)
        return SimpleNamespace(data=pixels, targets=torch.arange(len(pixels)) % 4 if labels is None else labels)

    monkeypatch.setattr(torchvision.datasets, name, made)
    monkeypatch.delenv("DATA_MIRROR", raising=False)
    return calls


def fetched(folder, name):
    torchvision_sets.fetch("other", name, folder)
    return [image_files.read_idx(folder / f"{prefix}-{kind}-ubyte") for prefix, kind in FILES]


FILES = [(prefix, kind) for prefix in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def test_images_and_labels_are_written(monkeypatch, tmp_path):
    calls = stand_in(monkeypatch, "KMNIST")
    images, labels, *_ = fetched(tmp_path, "KMNIST")
    assert (images == PICTURES).all() and labels.tolist() == [0, 1, 2, 3] * 100
    assert calls == [{"train": True, "download": True}, {"train": False, "download": True}]


def test_letters_count_from_0_and_stand_upright(monkeypatch, tmp_path):
    calls = stand_in(monkeypatch, "EMNIST", labels=1 + torch.arange(400) % 4)
    images, labels, *_ = fetched(tmp_path, "EMNIST/letters")
    assert (images == PICTURES.transpose(0, 2, 1)).all() and labels.tolist() == [0, 1, 2, 3] * 100
    assert calls[0]["split"] == "letters"


def test_usps_is_enlarged(monkeypatch, tmp_path):
    stand_in(monkeypatch, "USPS", np.full((400, 16, 16), 7, dtype=np.uint8), [i % 4 for i in range(400)])
    images, *_ = fetched(tmp_path, "USPS")
    assert images.shape == (400, 28, 28) and (images == 7).all()


def test_only_the_first_column_of_qmnist_is_the_class(monkeypatch, tmp_path):
    stand_in(monkeypatch, "QMNIST", labels=torch.stack([torch.arange(400) % 4, torch.arange(400)], dim=1))
    _, labels, *_ = fetched(tmp_path, "QMNIST")
    assert labels.tolist() == [0, 1, 2, 3] * 100


def test_mirror_is_read_as_torchvision_lays_it_out(monkeypatch, tmp_path):
    for prefix, _ in FILES:
        write_images(tmp_path / f"KMNIST/raw/{prefix}-images-idx3-ubyte", PICTURES)
        write_labels(tmp_path / f"KMNIST/raw/{prefix}-labels-idx1-ubyte", np.arange(400) % 4)
    monkeypatch.setenv("DATA_MIRROR", str(tmp_path))
    images, *_ = fetched(tmp_path / "out", "KMNIST")
    assert (images == PICTURES).all()


def test_offline(monkeypatch, tmp_path):
    def refuses(*_, **__):
        raise RuntimeError("Error downloading\nKMNIST")

    monkeypatch.setattr(torchvision.datasets, "KMNIST", refuses)
    with pytest.raises(Failure, match=r"^other: torchvision cannot fetch KMNIST \(Error downloading KMNIST\): "):
        fetched(tmp_path, "KMNIST")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "said"), [("kmnist", "did you mean KMNIST?"), ("CIFAR10", "allowed are ")])
def test_other_names_are_refused(name, said):
    with pytest.raises(ValueError, match="grey") as stopped:
        torchvision_sets.known(name)
    assert said in str(stopped.value)


@pytest.mark.parametrize("name", torchvision_sets.NAMES)
def test_torchvision_has_what_may_be_named(name):
    kind, _, split = name.partition("/")
    assert isinstance(getattr(torchvision.datasets, kind), type)
    assert not split or split in torchvision.datasets.EMNIST.splits
