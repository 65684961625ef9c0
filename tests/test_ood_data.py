"""Out-of-distribution images, and shifted digits."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import rotate
from sklearn.datasets import load_digits, load_sample_image

from stages import datasets, ood_data
from stages.data_settings import MADE
from stages.evaluation import bnn
from tests import tiny

MOST = 300
COMMITTED = tiny.settings()
SETTINGS = tiny.settings(images={"validation": MOST, "test": MOST})
SHUFFLED, FLIPPED = {"shuffled_quarters", "shuffled_blocks"}, {"flipped_horizontally", "flipped_vertically"}
# shown to the VAE alone, or to the network as other forms of digits
NOT_FOREIGN = {"constant", "shuffled_quarters", "sklearn_digits"} | FLIPPED


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
    shown = bnn.out_of_distribution(COMMITTED)
    assert {*shown} == {"fashion_mnist", *ood_data.MADE} - NOT_FOREIGN
    assert {name for of_model in ood_data.SURROGATES.values() for name in of_model} <= {*ood_data.MADE}
    assert {*ood_data.SURROGATES["bnn"]} < {*shown}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_other_forms_have_the_classes_of_their_images(split):
    inverted = ood_data.labelled("inverted_mnist", split, SETTINGS)
    digits = datasets.load("mnist", split, SETTINGS.images)
    assert torch.equal(inverted.pixels, 255 - digits.pixels) and torch.equal(inverted.labels, digits.labels)
    small = ood_data.labelled("sklearn_digits", split, SETTINGS)
    whole = load_digits()
    half = len(whole.target) // 2 + 1 if split == "test" else 0
    assert torch.equal(small.pixels, ood_data.load("sklearn_digits", split, SETTINGS).pixels)
    assert small.labels.tolist() == whole.target[half : half + len(small)].tolist()


def test_strokes_are_lines_on_black():
    drawn = ood_data.strokes("test", 200, SETTINGS, "mnist").view(-1, 28, 28)
    lit = (drawn > 0).float().mean(dim=(1, 2))
    assert lit.min() > 0.01 and 0.1 < lit.mean() < 0.3  # digits: 0.19
    assert (drawn.amax(dim=(1, 2)) == 255).all()
    assert (drawn[:, 0] == 0).all() and (drawn[:, :, -1] == 0).all()


def test_names_of_made_sets_are_taken():
    assert {*MADE} == {*ood_data.MADE}


@pytest.mark.parametrize("name", [*ood_data.MADE, "inverted_mnist"])
def test_made_sets(name):
    """Bytes, the same each time, others in each split, no class of MNIST."""
    test, again, validation = (ood_data.load(name, split, SETTINGS) for split in ("test", "test", "validation"))
    assert test.pixels.dtype == torch.uint8 and test.pixels.shape == (len(test), 784)
    assert 0 < len(test) <= MOST
    assert torch.equal(test.pixels, again.pixels)
    assert (test.labels == -1).all()
    if name == "constant":  # there are 256 of them
        return
    seen = {image.tobytes() for image in validation.pixels.numpy()}
    assert not any(image.tobytes() in seen for image in test.pixels.numpy())


@pytest.mark.parametrize("name", [*ood_data.MADE, "inverted_mnist"])
@pytest.mark.parametrize(("split", "images", "asked", "most"), [("test", 200, 40, 40), ("validation", 30, 40, 30)])
def test_made_sets_are_as_large_as_asked_for(name, split, images, asked, most):
    """No larger than `ood.images`, nor than the split of real digits."""
    settings = tiny.settings(images={split: images}, ood={"images": asked})
    made, whole = ood_data.load(name, split, settings), ood_data.load(name, split, SETTINGS)
    assert len(made) == most
    if name != "gaussian_noise":  # its moments are those of the digits in use
        assert torch.equal(made.pixels, whole.pixels[:most])


def test_any_other_name_is_a_data_set_of_the_pipeline():
    found = ood_data.load("fashion_mnist", "test", SETTINGS)
    assert torch.equal(found.labels, datasets.load("fashion_mnist", "test", SETTINGS.images).labels)


def test_noise_has_the_moments_it_says():
    uniform = ood_data.uniform_noise("test", MOST, SETTINGS, "mnist").double()
    assert float(uniform.mean()) == pytest.approx(127.5, abs=4 * 74 / uniform.numel() ** 0.5)
    digits = datasets.load("mnist", "test", SETTINGS.images).pixels.double()
    noise = ood_data.gaussian_noise("test", MOST, SETTINGS, "mnist")
    uncut = (noise > 0) & (noise < 255)
    z = torch.distributions.Normal(digits.mean(), digits.std())
    expected = z.cdf(torch.tensor(254.5).double()) - z.cdf(torch.tensor(0.5).double())
    assert float(uncut.double().mean()) == pytest.approx(float(expected), abs=0.005)


def test_inverted_digits_and_digits_add_to_white():
    inverted = ood_data.inverted("mnist", "test", MOST, SETTINGS).int()
    both = inverted + datasets.load("mnist", "test", SETTINGS.images).pixels.int()
    assert (both == 255).all()


def test_sklearn_digits_are_those_enlarged():
    """Against Pillow's bilinear enlargement, up to rounding."""
    first = np.round(load_digits().images[0] * 255 / 16).astype(np.uint8)
    wanted = np.array(Image.fromarray(first).resize((20, 20), Image.BILINEAR), dtype=int)
    found = ood_data.sklearn_digits("validation", MOST, SETTINGS, "mnist")[0].view(28, 28).int().numpy()
    assert np.abs(found[4:24, 4:24] - wanted).max() <= 1
    found[4:24, 4:24] = 0
    assert not found.any()


def test_constant_images_have_one_grey_and_most_greys_occur():
    found = ood_data.constant("test", MOST, SETTINGS, "mnist")
    assert (found == found[:, :1]).all()
    assert len(found[:, 0].unique()) > 150


@pytest.mark.parametrize(("name", "side"), [("shuffled_quarters", 14), ("shuffled_blocks", 7)])
def test_blocks_are_moved_and_otherwise_unchanged(name, side, monkeypatch):
    noise = datasets.Images(torch.randint(256, (50, 784), dtype=torch.uint8), torch.zeros(50))
    monkeypatch.setattr(datasets, "load", lambda *_: noise)

    def blocks(image):
        square = image.reshape(28, 28)
        places = range(0, 28, side)
        return [square[i : i + side, j : j + side].tobytes() for i in places for j in places]

    before = noise.pixels.numpy()
    after = ood_data.MADE[name]("test", MOST, SETTINGS, "mnist").numpy()
    for old, new in zip(before, after, strict=True):
        assert sorted(blocks(old)) == sorted(blocks(new)) and blocks(old) != blocks(new)
    moves = {
        tuple(blocks(old).index(block) for block in blocks(new)) for old, new in zip(before, after, strict=True)
    }
    assert len(moves) > 5  # not all in the same way


def test_flipped_images_are_mirrored_and_upside_down():
    before = datasets.load("mnist", "test", SETTINGS.images).pixels.view(-1, 28, 28).numpy()
    mirrored, turned = (
        ood_data.MADE[f"flipped_{way}"]("test", MOST, SETTINGS, "mnist").view(-1, 28, 28).numpy()
        for way in ("horizontally", "vertically")
    )
    assert (mirrored == before[:, :, ::-1]).all() and (turned == before[:, ::-1, :]).all()


def test_images_are_made_from_those_that_the_model_learns(monkeypatch):
    loaded = []
    of_any = datasets.load
    monkeypatch.setattr(datasets, "load", lambda name, *rest: loaded.append(name) or of_any(name, *rest))
    for name in ("gaussian_noise", *sorted(SHUFFLED | FLIPPED)):
        ood_data.load(name, "test", SETTINGS, "clothes")
    ood_data.load("gaussian_noise", "test", SETTINGS)
    assert {*loaded[:-1]} == {"clothes"} and loaded[-1] == "mnist"


def test_photographs_are_cut_into_patches_that_share_no_pixel():
    whole = np.rint(load_sample_image("china.jpg").astype(np.float32).mean(axis=-1)).astype(np.uint8)
    rows, columns = (size // 28 for size in whole.shape)
    patches = ood_data.photographs("test", MOST, SETTINGS, "mnist").view(-1, 28, 28).numpy()
    assert len(patches) == min(rows * columns, MOST)
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
    found = ood_data.rotated(digits(), degrees).view(-1, 28, 28).int().numpy()
    images = digits().view(-1, 28, 28).numpy().astype(float)
    wanted = np.stack([rotate(image, degrees, reshape=False, order=1) for image in images])
    assert np.abs(found - wanted).max() <= 2


@pytest.mark.parametrize("sd", COMMITTED.shift.blur)
def test_blur_keeps_the_light_and_spreads_it(sd):
    """A filter adds its variance to that of the image."""
    y = torch.arange(28.0)

    def variance(pixels):
        image = pixels.view(-1, 28, 28).double()[0]
        rows = image.sum(1) / image.sum()
        return float((rows * y**2).sum() - (rows * y).sum() ** 2)

    point = torch.zeros(1, 784, dtype=torch.uint8).view(1, 28, 28)
    point[0, 12:16, 12:16] = 255
    found = ood_data.blurred(point.view(1, 784), sd)
    assert float(found.double().sum()) == pytest.approx(float(point.double().sum()), rel=0.06)
    taps = np.arange(-10, 11)
    weights = np.exp(-(taps**2) / (2 * sd**2))
    assert variance(found) - variance(point) == pytest.approx((weights * taps**2).sum() / weights.sum(), rel=0.1)


def test_noise_is_added_and_cut():
    grey = torch.full((50, 784), 128, dtype=torch.uint8)
    found = ood_data.noisy(grey, 0.1).double()
    assert float(found.std()) == pytest.approx(25.5, rel=0.02)
    assert float(found.mean()) == pytest.approx(128, abs=0.6)
    assert torch.equal(ood_data.noisy(grey, 0.1), ood_data.noisy(grey, 0.1))


@pytest.mark.parametrize("side", COMMITTED.shift.occlusion)
def test_occlusion_hides_a_square_inside_the_box(side):
    white = torch.full((40, 784), 255, dtype=torch.uint8)
    for image in ood_data.occluded(white, side).view(-1, 28, 28).numpy():
        rows, columns = np.nonzero(image == 0)
        assert len(rows) == side**2
        assert np.ptp(rows) == np.ptp(columns) == side - 1
        assert min(rows.min(), columns.min()) >= 4 and max(rows.max(), columns.max()) <= 23
    assert (white == 255).all()  # what was given is left alone


def test_every_shift_gives_bytes_of_the_same_shape():
    for name, transform in ood_data.SHIFTS.items():
        for level in getattr(COMMITTED.shift, name):
            found = transform(digits(), level)
            assert found.dtype == torch.uint8 and found.shape == (4, 784)
