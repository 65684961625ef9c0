"""The data of the semi-supervised model, and the random shifts of its images."""

import numpy as np
import pytest
import torch

from stages.inference.partly_labelled import PartlyLabelled, shifted
from tests import tiny

MOST = 2


def all_shifts(image, most):
    """Every image that moving `image` (28, 28) by up to `most` pixels can give, by its offsets."""
    padded = np.pad(image, most)
    inside = slice(most, most + 28)
    offsets = range(-most, most + 1)
    return {(r, c): np.roll(padded, (r, c), axis=(0, 1))[inside, inside] for r in offsets for c in offsets}


def offset_of(moved, image, most):
    found = [offset for offset, shift in all_shifts(image, most).items() if np.array_equal(moved, shift)]
    assert len(found) == 1
    return found[0]


def test_images_move_by_at_most_the_pixels_asked_for_with_empty_ones_coming_in():
    torch.manual_seed(0)
    pixels = torch.randint(1, 256, (300, 784), dtype=torch.uint8)  # without zero pixels
    moved = shifted(pixels, MOST)
    assert moved.shape == pixels.shape
    assert moved.dtype == pixels.dtype
    pairs = zip(moved.view(-1, 28, 28).numpy(), pixels.view(-1, 28, 28).numpy(), strict=True)
    offsets = {offset_of(*pair, MOST) for pair in pairs}
    # 300 images, 25 offsets: one is missed with probability 25 * (24 / 25)^300, one in eight thousand
    assert offsets == {(r, c) for r in range(-MOST, MOST + 1) for c in range(-MOST, MOST + 1)}


def test_what_is_inside_the_margin_stays_in_the_image():
    torch.manual_seed(0)
    pixels = torch.zeros(50, 28, 28, dtype=torch.uint8)
    pixels[:, MOST:-MOST, MOST:-MOST] = torch.randint(256, (50, 28 - 2 * MOST, 28 - 2 * MOST))
    moved = shifted(pixels.view(50, 784), MOST)
    before, after = pixels.view(50, -1).sort().values, moved.sort().values
    assert torch.equal(after, before)  # the same grey levels, in other places


def test_no_shift_changes_nothing():
    pixels = tiny.images(4).pixels
    assert torch.equal(shifted(pixels, 0), pixels)


@pytest.fixture
def data(problem):
    """`problem` replaces MNIST by synthetic images."""
    return PartlyLabelled(tiny.settings(), seed=0, device=torch.device("cpu"))


def test_every_image_is_labelled_or_unlabelled(data):
    everything = tiny.images(len(data.unlabelled) + len(data.labelled))
    rows = torch.cat([data.unlabelled, data.labelled]).tolist()
    assert sorted(rows) == sorted(everything.pixels.tolist())
    images = {
        tuple(row): int(label) for row, label in zip(everything.pixels.tolist(), everything.labels, strict=True)
    }
    assert [images[tuple(row)] for row in data.labelled.tolist()] == data.labels.tolist()


def test_validation_has_no_more_labels_than_training(data):
    assert len(data.validation) == len(data.labels)


def test_batches_stand_for_all_images_of_their_kind(data):
    unlabelled, labelled = data.unlabelled_batch(torch.tensor([0, 1])), data.labelled_batch(torch.tensor([2]))
    assert unlabelled[1:] == (None, len(data.unlabelled))
    assert labelled[1:] == (data.labels[2], len(data.labels))
    for x, rows in ((unlabelled[0], 2), (labelled[0], 1)):
        assert x.shape == (rows, 784)
        assert set(x.unique().tolist()) <= {0.0, 1.0}
