"""Pictures of any size, mode and polarity become the same 28 x 28, and those of MNIST stay what they are."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from stages.command import Failure
from tools import pictures


def seven(size=280, ink=0, paper=255, width=None):
    """A seven drawn with a brush."""
    image = Image.new("L", (size, size), paper)
    points = [(0.3 * size, 0.2 * size), (0.7 * size, 0.2 * size), (0.45 * size, 0.8 * size)]
    ImageDraw.Draw(image).line(points, fill=ink, width=width or size // 12, joint="curve")
    return image


def shown(image, kind="digit"):
    """What a network is shown of a Pillow image, (28, 28) int."""
    made = pictures.prepared(pictures.grey(image), kind)
    assert made.clear
    assert made.pixels.dtype == np.uint8
    assert made.pixels.shape == (28, 28)
    return made.pixels.astype(int)


def near(found, wanted):
    """Mean difference of grey levels, out of 255."""
    return np.abs(found - wanted).mean()


def near_but_for_a_pixel(found, wanted):
    """Whether they differ by less than 8 at the best shift by a pixel: the centre of mass is rounded to one."""
    shifts = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    return min(near(np.roll(found, shift, (0, 1)), wanted) for shift in shifts) < 8


def like_mnist():
    """A digit as MNIST has them: soft edges, within 20 x 20, its centre of mass on pixel (14, 14)."""
    small = np.zeros((28, 28), dtype=np.uint8)
    small[4:24, 8:20] = np.asarray(
        seven(400, 255, 0, 60).crop((105, 65, 295, 335)).resize((12, 20), Image.Resampling.BOX)
    )
    rows, columns = np.indices((28, 28))
    shift = [round(14 - (of * small).sum() / small.sum()) for of in (rows, columns)]
    return np.roll(small, shift, (0, 1))


def test_digit_is_in_a_box_of_20_and_its_centre_of_mass_is_the_middle():
    found = shown(seven())
    rows, columns = np.nonzero(found)
    assert np.ptp(rows) + 1 == 20
    assert 10 <= np.ptp(columns) + 1 <= 16  # the aspect is kept: 0.6 by 0.4 and a brush of 0.08
    assert found.max() == 255
    indices = np.indices((28, 28))
    assert [(at * found).sum() / found.sum() for at in indices] == pytest.approx([14, 14], abs=0.51)


def test_polarity_makes_no_difference():
    dark = seven()
    light = Image.fromarray(255 - np.asarray(dark))
    assert (shown(dark) == shown(light)).all()


def test_what_counts_as_near_is_not_near_to_another_figure():
    turned = seven().rotate(20, fillcolor=255)
    assert not near_but_for_a_pixel(shown(turned), shown(seven()))


@pytest.mark.parametrize("paper", [0.5, 0.8])
def test_polarity_is_found_on_uneven_ground(paper):
    """Light that falls off to a half across the picture."""
    light = paper * np.linspace(1, 0.5, 280) * np.linspace(1, 0.9, 280)[:, None]
    ink = 1 - np.asarray(seven()) / 255
    dark = pictures.prepared(light * (1 - 0.8 * ink), "digit").pixels.astype(int)
    assert near(dark, shown(seven()))


@pytest.mark.parametrize("size", [60, 150, 900, 2000])
def test_size_makes_little_difference(size):
    assert near_but_for_a_pixel(shown(seven(size)), shown(seven()))


def test_place_on_a_wide_page_makes_no_difference():
    page = Image.new("L", (800, 500), 255)
    page.paste(seven(), (450, 30))
    assert near_but_for_a_pixel(shown(page), shown(seven()))


def sixteen_bits():
    return Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257)


def transparent(ink):
    """Ink on nothing; the colour under full transparency is noise."""
    alpha = 255 - np.asarray(seven())
    colour = np.where(alpha[..., None] > 0, ink, 77)
    return Image.fromarray(np.dstack([np.broadcast_to(colour, (280, 280, 3)), alpha]).astype(np.uint8))


def palette_with_transparency():
    image = seven().convert("P")
    image.info["transparency"] = 255  # white is see-through
    return image


MODES = {
    **{
        mode: lambda mode=mode: seven().convert(mode)
        for mode in ("1", "RGB", "RGBA", "P", "LA", "CMYK", "YCbCr", "F", "I")
    },
    "16 bits": sixteen_bits,
    "dark on transparent": lambda: transparent(0),
    "light on transparent": lambda: transparent(255),
    "palette with transparency": palette_with_transparency,
    "float in 0 to 1": lambda: Image.fromarray(np.asarray(seven(), dtype=np.float32) / 255),
}


@pytest.mark.parametrize("mode", MODES)
def test_mode_makes_no_difference(mode):
    assert near(shown(MODES[mode]()), shown(seven())) < 1.5


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tiff", "webp", "pgm"])
def test_formats_are_read(tmp_path, suffix):
    seven().save(tmp_path / f"seven.{suffix}")
    levels = pictures.read(tmp_path / f"seven.{suffix}")
    assert near(255 * levels, np.asarray(seven())) < 2


def test_sixteen_bits_are_read(tmp_path):
    sixteen_bits().save(tmp_path / "seven.png")
    np.testing.assert_allclose(pictures.read(tmp_path / "seven.png"), np.asarray(seven()) / 255, atol=1e-6)


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 1), (8, 3)])
def test_exif_orientation_is_followed(tmp_path, orientation, turn):
    """A camera that was held otherwise stores turned rows and says how to turn them back."""
    upright = np.asarray(seven())
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(upright, turn)).save(tmp_path / "turned.png", exif=exif)
    assert (np.rint(255 * pictures.read(tmp_path / "turned.png")) == upright).all()


def test_image_like_those_of_mnist_stays_itself():
    digit = like_mnist()
    assert (shown(Image.fromarray(digit)) == digit).all()
    assert (shown(Image.fromarray(255 - digit)) == digit).all()


@pytest.mark.parametrize("factor", [5, 10, 20])
def test_image_like_those_of_mnist_comes_back_from_an_enlarged_negative(factor):
    digit = like_mnist()
    large = Image.fromarray(255 - digit).resize((28 * factor,) * 2, Image.Resampling.NEAREST)
    assert near(shown(large), digit) < 4


def photograph(seed=0):
    """Noisy paper in light that falls off, with a soft shadow over a corner, and a dark strip of the table."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:1:600j, 0:1:800j]
    page = Image.new("L", (800, 600), 0)
    page.paste(Image.fromarray(255 - np.asarray(seven(300, width=18))), (250, 150))
    light = 0.75 + 0.25 * (columns - 0.5) - 0.2 * (rows - 0.5) ** 2
    light *= 1 - 0.3 / (1 + np.exp(-(rows + columns - 1.6) / 0.02))
    paper = light * (1 - 0.7 * np.asarray(page) / 255) + rng.normal(0, 0.03, light.shape)
    paper[:, :30] = 0.1
    return Image.fromarray(np.uint8(255 * np.clip(paper, 0, 1)))


def test_photograph_of_a_digit_becomes_the_digit_on_black():
    found = shown(photograph())
    wanted = shown(seven(300, width=18))
    assert near_but_for_a_pixel(found, wanted)
    assert (found == 0).mean() > 0.7


def test_dust_and_what_touches_the_edges_is_left_out():
    image = seven()
    draw = ImageDraw.Draw(image)
    draw.rectangle([20, 250, 23, 253], fill=0)  # dust
    draw.rectangle([0, 100, 12, 279], fill=0)  # the edge of the paper
    assert near(shown(image), shown(seven())) < 2


def test_a_digit_that_fills_its_picture_is_found():
    tight = seven().crop((72, 44, 208, 236))
    assert near_but_for_a_pixel(shown(tight), shown(seven()))


@pytest.mark.parametrize("level", [0, 100, 255])
@pytest.mark.parametrize("size", [1, 28, 300])
def test_blank_picture_has_no_clear_ink(level, size):
    made = pictures.prepared(pictures.grey(Image.new("L", (size, size), level)), "digit")
    assert not made.clear
    assert made.pixels.shape == (28, 28)


def test_faint_noise_is_no_ink():
    noise = 0.8 + np.random.default_rng(0).normal(0, 0.01, (200, 300))
    assert not pictures.prepared(noise, "digit").clear


def shirt(paper=255):
    """Dark sleeves, a light body; wider than high."""
    image = Image.new("L", (600, 400), paper)
    draw = ImageDraw.Draw(image)
    draw.rectangle([100, 100, 499, 180], fill=40)
    draw.rectangle([200, 100, 399, 299], fill=140)
    return image


def test_article_of_clothing_fills_28_pixels_and_keeps_its_greys():
    """400 by 200: 28 by 14, in the middle; the negative of its grey levels, and no centre of mass."""
    found = shown(shirt(), "article")
    rows, columns = np.nonzero(found)
    assert (columns.min(), columns.max()) == (0, 27)
    assert (rows.min(), rows.max()) == (7, 20)
    assert found[9, 2] == pytest.approx(255 - 40, abs=4)
    assert found[17, 14] == pytest.approx(255 - 140, abs=4)


def test_article_on_black_is_that_on_white():
    light = Image.fromarray(255 - np.asarray(shirt()))
    assert (shown(light, "article") == shown(shirt(), "article")).all()


@pytest.mark.parametrize(
    ("values", "between"), [([0.0] * 90 + [1.0] * 10, (0, 1)), ([0.1, 0.12, 0.11, 0.9, 0.95], (0.12, 0.9))]
)
def test_otsu_parts_two_groups(values, between):
    low, high = between
    assert low <= pictures.otsu(np.array(values)) < high


# --- files -----------------------------------------------------------------------------------------------


def test_folder_stands_for_its_images_by_name(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "inner/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    other = tmp_path / "notes.txt"
    assert pictures.files([other, tmp_path]) == [other, tmp_path / "a.jpg", tmp_path / "b.PNG"]


def test_empty_folder_and_missing_file_are_named(tmp_path):
    with pytest.raises(Failure, match=f"{tmp_path}: no image in this folder"):
        pictures.files([tmp_path])
    with pytest.raises(Failure, match=r"seven\.png: there is no such file"):
        pictures.files([tmp_path / "seven.png"])


@pytest.mark.parametrize("content", ["", "no image", "cut", "header"])
def test_file_that_is_no_image_is_one_line(tmp_path, content):
    path = tmp_path / "some.png"
    seven().save(path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "header": whole[:20]}.get(content, content.encode()))
    with pytest.raises(pictures.UnreadableError, match=f"^{path}: .*: save it as PNG or JPEG$") as raised:
        pictures.read(path)
    assert "\n" not in str(raised.value)


def test_what_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(Failure, match=r"could not be written: .*: name another file"),
        pictures.saving(tmp_path / "file/plot.png") as temporary,
    ):
        temporary.write_text("")
