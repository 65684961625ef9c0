"""Views of an image: shifted, or moved by an affine map, and binarised."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from stages import views
from stages.views import shifted
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


def moved(monkeypatch, grey, **numbers):
    """`views.affine` with chosen numbers between -1 and 1 in place of the random ones."""
    order = ("angle", "shear", "width", "height", "right", "down")
    values = torch.tensor([[numbers.get(name, 0.0)] for name in order]).expand(-1, len(grey))
    monkeypatch.setattr(torch, "rand", lambda *size, device=None: (values + 1) / 2)
    return views.affine(grey)


GREY = ndimage.gaussian_filter(np.random.default_rng(0).random((5, 28, 28)), (0, 2, 2)).astype(np.float32)
GREY[:, :6], GREY[:, -6:], GREY[:, :, :6], GREY[:, :, -6:] = 0, 0, 0, 0  # nothing leaves the image
FLAT = torch.from_numpy(GREY).view(5, 784)


def test_no_motion_changes_nothing(monkeypatch):
    torch.testing.assert_close(moved(monkeypatch, FLAT), FLAT, atol=1e-5, rtol=0)


def test_largest_shift_is_two_pixels(monkeypatch):
    """To read two pixels further right is to move the image two pixels to the left."""
    found = moved(monkeypatch, FLAT, right=1.0, down=-1.0).view(5, 28, 28).numpy()
    np.testing.assert_allclose(found, np.roll(GREY, (2, -2), axis=(1, 2)), atol=1e-5)


def rotation(degrees):
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return [[cos, sin], [-sin, cos]]


@pytest.mark.parametrize(
    ("numbers", "by_rows"),
    [
        ({"angle": 1.0}, rotation(15)),
        ({"angle": -0.5}, rotation(-7.5)),
        ({"width": 1.0}, [[1, 0], [0, 1 / 1.1]]),
        ({"height": -1.0}, [[1 / 0.9, 0], [0, 1]]),
        ({"shear": 1.0}, [[1, 0], [0.15, 1]]),
    ],
)
def test_affine_map_is_that_of_scipy(monkeypatch, numbers, by_rows):
    """About the centre, with bilinear interpolation; SciPy's matrices map (row, column)."""
    centre = np.full(2, 13.5)
    offset = centre - np.array(by_rows) @ centre
    expected = [ndimage.affine_transform(image, np.array(by_rows), offset, order=1) for image in GREY]
    found = moved(monkeypatch, FLAT, **numbers).view(5, 28, 28).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert np.abs(found - GREY).max() > 0.01


@pytest.mark.parametrize("augment", ["none", "shift", "affine"])
def test_views_are_binary_and_differ_from_draw_to_draw(augment):
    torch.manual_seed(0)
    pixels = tiny.images(6).pixels
    first, second = views.draw(pixels, augment), views.draw(pixels, augment)
    assert first.shape == (6, 784)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert (first != second).any(dim=1).all()


def test_mean_of_views_without_motion_is_the_grey_image():
    torch.manual_seed(0)
    pixels = tiny.images(1).pixels.expand(4000, -1)
    mean = views.draw(pixels, "none").mean(0)
    torch.testing.assert_close(mean, pixels[0] / 255, atol=5 * 0.5 / 4000**0.5, rtol=0)
