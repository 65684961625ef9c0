"""Foreign images and shifted digits."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import rotate
from sklearn.datasets import load_digits, load_sample_image

from stages import datasets, foreign
from stages.evaluation import bnn
from tests import tiny

SIZES = tiny.params().images.model_copy(update={"validation": 300, "test": 300})


@pytest.fixture(autouse=True)
def mnist(monkeypatch):
    """Made-up digits, others for each split."""
    both = tiny.images(600)
    parts = {"validation": slice(300), "test": slice(300, 600)}
    monkeypatch.setattr(
        datasets,
        "load",
        lambda name, split, sizes: datasets.Images(both.pixels[parts[split]], both.labels[parts[split]]),
    )


def test_network_is_shown_all_of_them():
    assert ("mnist", "fashion_mnist", *foreign.MADE) == bnn.DATA_SETS


@pytest.mark.parametrize("name", foreign.MADE)
def test_made_sets(name):
    """Bytes, the same each time, others in each split, no class of MNIST."""
    test, again, validation = (foreign.load(name, split, SIZES) for split in ("test", "test", "validation"))
    assert test.pixels.dtype == torch.uint8 and test.pixels.shape == (len(test), 784)
    assert 0 < len(test) <= 300
    assert torch.equal(test.pixels, again.pixels)
    assert (test.labels == -1).all()
    seen = {image.tobytes() for image in validation.pixels.numpy()}
    assert not any(image.tobytes() in seen for image in test.pixels.numpy())


def test_any_other_name_is_a_data_set_of_the_pipeline():
    found = foreign.load("fashion_mnist", "test", SIZES)
    assert torch.equal(found.labels, datasets.load("fashion_mnist", "test", SIZES).labels)


def test_noise_has_the_moments_it_says():
    uniform = foreign.uniform_noise("test", SIZES).double()
    assert float(uniform.mean()) == pytest.approx(127.5, abs=4 * 74 / uniform.numel() ** 0.5)
    known, noise = datasets.load("mnist", "test", SIZES).pixels.double(), foreign.gaussian_noise("test", SIZES)
    inside = (noise > 0) & (noise < 255)
    z = torch.distributions.Normal(known.mean(), known.std())
    expected = z.cdf(torch.tensor(254.5).double()) - z.cdf(torch.tensor(0.5).double())
    assert float(inside.double().mean()) == pytest.approx(float(expected), abs=0.005)


def test_inverted_digits_and_digits_add_to_white():
    both = foreign.inverted_mnist("test", SIZES).int() + datasets.load("mnist", "test", SIZES).pixels.int()
    assert (both == 255).all()


def test_sklearn_digits_are_those_enlarged():
    """Against Pillow's bilinear enlargement, up to rounding."""
    first = np.round(load_digits().images[0] * 255 / 16).astype(np.uint8)
    wanted = np.array(Image.fromarray(first).resize((20, 20), Image.BILINEAR), dtype=int)
    found = foreign.sklearn_digits("validation", SIZES)[0].view(28, 28).int().numpy()
    assert np.abs(found[4:24, 4:24] - wanted).max() <= 1
    found[4:24, 4:24] = 0
    assert not found.any()


def test_photographs_are_cut_into_patches_that_share_no_pixel():
    whole = np.rint(load_sample_image("china.jpg").astype(np.float32).mean(axis=-1)).astype(np.uint8)
    rows, columns = (size // 28 for size in whole.shape)
    patches = foreign.photographs("test", SIZES).view(-1, 28, 28).numpy()
    assert len(patches) == min(rows * columns, 300)
    for place, patch in enumerate(patches):
        top, left = 28 * (place // columns), 28 * (place % columns)
        assert (patch == whole[top : top + 28, left : left + 28]).all()


def digits(count=4):
    """Smooth blobs, well inside the frame."""
    y, x = np.mgrid[:28, :28]
    blobs = [255 * np.exp(-((x - 12 - k) ** 2 / 30 + (y - 15) ** 2 / 12)) for k in range(count)]
    return torch.tensor(np.stack(blobs).round(), dtype=torch.uint8).view(count, 784)


@pytest.mark.parametrize("degrees", [0, 15, 90, 135, 180])
def test_rotation(degrees):
    """Against SciPy's."""
    found = foreign.rotated(digits(), degrees).view(-1, 28, 28).int().numpy()
    images = digits().view(-1, 28, 28).numpy().astype(float)
    wanted = np.stack([rotate(image, degrees, reshape=False, order=1) for image in images])
    assert np.abs(found - wanted).max() <= 2


@pytest.mark.parametrize("sd", foreign.SHIFTS["blur"][1])
def test_blur_keeps_the_light_and_spreads_it(sd):
    """A filter adds its variance to that of the image."""
    y = torch.arange(28.0)

    def variance(pixels):
        image = pixels.view(-1, 28, 28).double()[0]
        rows = image.sum(1) / image.sum()
        return float((rows * y**2).sum() - (rows * y).sum() ** 2)

    point = torch.zeros(1, 784, dtype=torch.uint8).view(1, 28, 28)
    point[0, 12:16, 12:16] = 255
    found = foreign.blurred(point.view(1, 784), sd)
    assert float(found.double().sum()) == pytest.approx(float(point.double().sum()), rel=0.06)
    taps = np.arange(-10, 11)
    weights = np.exp(-(taps**2) / (2 * sd**2))
    assert variance(found) - variance(point) == pytest.approx((weights * taps**2).sum() / weights.sum(), rel=0.1)


def test_noise_is_added_and_cut():
    grey = torch.full((50, 784), 128, dtype=torch.uint8)
    found = foreign.noisy(grey, 0.1).double()
    assert float(found.std()) == pytest.approx(25.5, rel=0.02)
    assert float(found.mean()) == pytest.approx(128, abs=0.6)
    assert torch.equal(foreign.noisy(grey, 0.1), foreign.noisy(grey, 0.1))


@pytest.mark.parametrize("side", foreign.SHIFTS["occlusion"][1])
def test_occlusion_hides_a_square_inside_the_box(side):
    white = torch.full((40, 784), 255, dtype=torch.uint8)
    for image in foreign.occluded(white, side).view(-1, 28, 28).numpy():
        rows, columns = np.nonzero(image == 0)
        assert len(rows) == side**2
        assert np.ptp(rows) == np.ptp(columns) == side - 1
        assert min(rows.min(), columns.min()) >= 4 and max(rows.max(), columns.max()) <= 23
    assert (white == 255).all()  # what was given is left alone


def test_every_shift_gives_bytes_of_the_same_shape():
    for transform, levels in foreign.SHIFTS.values():
        for level in levels:
            found = transform(digits(), level)
            assert found.dtype == torch.uint8 and found.shape == (4, 784)
