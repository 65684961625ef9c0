"""Which images the predictions with few labels are for, and which their temperature is fitted on."""

import pytest
import torch
from torch import nn

from stages import datasets
from stages.command import Failure
from stages.predictive import label_classifier
from tests import tiny

IMAGES, KEPT = 60, 20


class Marked(nn.Module):
    """Nearly certain of class 0 for images whose first pixel is white, and of class 1 for others."""

    def forward(self, x):
        logits = torch.zeros(len(x), 10)
        logits[torch.arange(len(x)), (x[:, 0] == 0).long()] = 5.0
        return logits


@pytest.fixture
def data(monkeypatch):
    """All digits are zeros. The classifier is right on those that seed 0 takes, and wrong on the others."""
    pixels = torch.zeros(IMAGES, 784, dtype=torch.uint8)
    pixels[torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0))[:KEPT], 0] = 255
    images = datasets.Images(pixels, torch.zeros(IMAGES, dtype=torch.int64))
    monkeypatch.setattr(datasets, "load", lambda name, split, sizes, root=None: images)
    monkeypatch.setattr(datasets, "published_binarisation", lambda name, split, sizes: pixels.float() / 255)
    monkeypatch.setattr(datasets, "kept_labels", lambda seed: (torch.arange(KEPT), torch.zeros(KEPT)))
    return images


def settings(split="test"):
    made = tiny.settings()
    return made.model_copy(update={"evaluate": made.evaluate.model_copy(update={"split": split})})


def test_temperature_sees_no_more_images_than_labels(data):
    """All of those are right, so it is below 1. Of all images, two thirds are wrong."""
    found = label_classifier.predicted(settings(), 0, {"": Marked(), "other_": Marked()}, data.pixels)
    assert set(found) == {"probabilities", "temperature", "other_probabilities", "other_temperature"}
    assert (found["temperature"] < 1).all() and len(set(found["temperature"])) == 1
    assert (found["probabilities"].argmax(axis=1) == 0).sum() == KEPT


def test_another_seed_fits_on_other_images(data):
    """Some of them are wrong."""
    found = label_classifier.predicted(settings(), 1, {"": Marked()}, data.pixels)
    assert (found["temperature"] > 1).all()


def test_test_images_are_all_reported_on(data):
    images, binary = label_classifier.held_out(settings(), 0, torch.device("cpu"))
    assert len(images) == len(binary) == IMAGES


def test_validation_images_that_a_temperature_has_seen_are_not_reported_on(data):
    images, binary = label_classifier.held_out(settings("validation"), 0, torch.device("cpu"))
    assert len(images) == len(binary) == IMAGES - KEPT
    assert images.pixels[:, 0].max() == 0
    assert binary[:, 0].max() == 0


def test_a_random_order_keeps_image_label_and_binary_image_together():
    images = tiny.images(50)
    shuffled, binary = label_classifier.shuffled(images, images.pixels.float())
    assert torch.equal(binary, shuffled.pixels.float())
    order = [next(i for i in range(50) if torch.equal(images.pixels[i], x)) for x in shuffled.pixels]
    assert sorted(order) == list(range(50)) != order
    assert torch.equal(shuffled.labels, images.labels[order])


def test_if_none_is_left_it_says_what_to_change(data, monkeypatch):
    monkeypatch.setattr(datasets, "kept_labels", lambda seed: (torch.arange(IMAGES), torch.zeros(IMAGES)))
    with pytest.raises(Failure, match=r"evaluate\.split = validation.*lower drop_labels\.kept"):
        label_classifier.held_out(settings("validation"), 0, torch.device("cpu"))
