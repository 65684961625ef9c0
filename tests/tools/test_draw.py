"""What the decoders draw, against plain arithmetic on the same weights; and how the command ends."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests import tiny
from tests.tools import untrained
from tools import draw

SMALL = {name: tiny.SMALL[name] for name in ("vae", "ssvae")}


@pytest.fixture
def folder(tmp_path):
    """A folder with both decoders."""
    for name in SMALL:
        untrained.write(tmp_path, name, **SMALL)
    return tmp_path


def tiles(path, count):
    """The images in a picture, (count, 28, 28), 0 black."""
    with Image.open(path) as image:
        paper = np.asarray(image)[::3, ::3]
    columns = min(count, 10)
    assert paper.shape == (30 * -(-count // columns) + 2, 30 * columns + 2)
    corners = [(30 * (place // columns) + 2, 30 * (place % columns) + 2) for place in range(count)]
    return np.array([paper[row : row + 28, column : column + 28] for row, column in corners])


@pytest.mark.parametrize("model", SMALL)
@pytest.mark.parametrize("count", [1, 3, 20, 23])
def test_as_many_images_as_asked_for_the_same_for_a_seed(folder, command, model, count):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        status, out, error = command(draw.main, model, "--count", count, "--seed", seed, "--out", f"{name}.png")
        assert (status, error) == (0, "")
        assert out.startswith(f"{name}.png: {count} image")
    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes() != (folder / "c.png").read_bytes()
    drawn = tiles(folder / "a.png", count)
    assert len({image.tobytes() for image in drawn}) == count  # no two alike


def test_clothes_are_the_decoders_probabilities(tmp_path):
    """Of styles from the prior, here a standard normal."""
    model, _ = untrained.write(tmp_path, "vae", **(SMALL | {"vae": SMALL["vae"] | {"prior": "normal"}}))
    torch.manual_seed(2)
    found = draw.drawn(model, "vae", 4)
    torch.manual_seed(2)
    logits = model.decoder(torch.randn(4, SMALL["vae"]["latents"])).detach().numpy()
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-6)


@pytest.mark.parametrize(("label", "wanted"), [(7, [7] * 12), (None, [*range(10), 0, 1]), (0, [0] * 12)])
def test_digits_are_drawn_for_their_labels(tmp_path, label, wanted):
    model, _ = untrained.write(tmp_path, "ssvae", **SMALL)
    torch.manual_seed(2)
    found = draw.drawn(model, "ssvae", 12, label)
    torch.manual_seed(2)
    z = torch.randn(12, SMALL["ssvae"]["latents"])
    with torch.no_grad():  # M2: nothing else is drawn before the pixels
        one_by_one = [
            model.logits(style, torch.tensor(y)).sigmoid().numpy() for style, y in zip(z, wanted, strict=True)
        ]
    np.testing.assert_allclose(found, one_by_one, atol=1e-6)


def test_picture_is_dark_on_white():
    images = np.zeros((2, 784))
    images[1, :28] = 1.0  # the uppermost row
    picture = np.asarray(draw.grid(images))[::3, ::3]
    assert picture.shape == (32, 62)
    assert picture[2, 32:60].tolist() == [0] * 28
    assert (picture == 0).sum() == 28
    assert (picture == 255).sum() == picture.size - 28


def test_no_data_and_no_other_posterior_is_needed(tmp_path, command):
    untrained.write(tmp_path, "ssvae", **SMALL)
    assert command(draw.main, "ssvae", "--label", 7, "--out", "seven.png")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"params.yaml", "posteriors", "seven.png"}
    assert {path.name for path in (tmp_path / "posteriors").iterdir()} == {"ssvae"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vae", "--label", "7"], "vae knows no labels"),
        (["ssvae", "--label", "10"], "--label"),
        (["ssvae", "--count", "0"], "must be from 1 to 1000"),
        (["vae", "--count", "1001"], "must be from 1 to 1000"),
        (["vae", "--seed", "-1"], "--seed"),
        (["bnn"], "bnn"),
        (["vae", "--out", "picture.jpg"], "ends with .png"),
    ],
)
def test_wrong_usage_is_status_2(folder, command, words, said):
    status, out, error = command(draw.main, *(words if "--out" in words else [*words, "--out", "a.png"]))
    assert (status, out) == (2, "")
    assert said in error.splitlines()[-1]
    assert not (folder / "a.png").exists()


def test_missing_posterior_and_a_bad_place_are_one_line(folder, command):
    (folder / "file").touch()
    status, _, error = command(draw.main, "vae", "--out", "file/a.png")
    assert (status, error.count("\n"), "name another file" in error) == (1, 0, True)
    (folder / "posteriors/vae/0/weights.safetensors").unlink()
    status, _, error = command(draw.main, "vae", "--out", "a.png")
    assert (status, error.count("\n")) == (1, 0)
    assert "posteriors/vae/0/weights.safetensors is missing" in error
    assert "make pull" in error
    assert "dvc repro train_vae" in error
