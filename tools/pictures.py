"""Turn any picture into the 28 x 28 bytes that a network was trained on, by steps like those that made its data.

MNIST (http://yann.lecun.com/exdb/mnist): the ink is scaled into a box of 20 x 20, its aspect kept, and placed with
its centre of mass in the centre of 28 x 28. Fashion-MNIST (Xiao et al. 2017): the article is trimmed, its longer
side scaled to 28, and centred by its box; dark articles are bright, since the pictures were negated.

What those data sets did not need and a photograph does:

1. Grey levels in [0, 1], upright, transparent parts filled.
2. The ground: a quadratic surface, fitted robustly, for light that falls off slowly.
3. Polarity: ink is on that side of the ground where the third moment is. Light ink on dark is negated first, so
   that both polarities take the same way from here on.
4. Ink: the share of the ground's light that is missing, 1 - grey / ground.
5. For digits: shadows that are wider than any stroke are removed by a morphological opening of what is missing;
   noise by a threshold; specks, and what touches the edges of the picture, by their connected components.

A picture without clear ink is used as a whole. One of 28 x 28 on plain black or white is taken as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from stages import image_files
from stages.artifacts import NotWrittenError, replacing
from stages.command import Failure

if TYPE_CHECKING:
    from stages.settings import DataSets

Kind = Literal["digit", "article", "whole"]

SIDE, BOX = 28, 20  # pixels
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
LOOKED_AT = 400  # pixels of the longer side that suffice to find a digit; averaging over the rest removes noise
FITTED = 40  # pixels of each side on which the ground is fitted
STROKE = 0.5  # share of the shorter side: what is wider than that is a shadow, no stroke
FAINT = 0.1  # least share of light that ink takes away
EDGE = 0.2  # share of full ink at which the ink's box begins
SPECK = 0.05  # share of the largest piece of ink below which a piece is dirt


@dataclass(frozen=True)
class Prepared:
    """A picture, ready for a network."""

    original: Image.Image  # grey, upright, at most LOOKED_AT wide and high
    pixels: np.ndarray  # (28, 28) uint8, light ink on black
    clear: bool  # whether there was clear ink; if not, the whole picture was scaled


class UnreadableError(Failure):
    """A file is no image that Pillow can read; the message names it."""


@contextmanager
def saving(path: Path) -> Iterator[Path]:
    """As `stages.artifacts.replacing`, for what a person asked for: the remedy is another name."""
    try:
        with replacing(path) as temporary:
            yield temporary
    except NotWrittenError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise Failure(f"{path} could not be written: {reason}: name another file") from None


def files(paths: list[Path]) -> list[Path]:
    """The images that `paths` name: files as they are, and of each folder the images in it, sorted by name.

    Raises:
        Failure: if one is not there, or is a folder without images.
    """
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.is_file() and file.suffix.lower() in SUFFIXES)
            if not inside:
                raise Failure(
                    f"{path}: no image in this folder: name one with {', '.join(sorted(SUFFIXES))} files"
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise Failure(f"{path}: there is no such file or folder: check the name")
    return found


def read(path: Path) -> np.ndarray:
    """The grey levels of an image file, (rows, columns) float64 in [0, 1], at most LOOKED_AT of each.

    The first frame of several; turned as EXIF says.

    Raises:
        UnreadableError: if it is no image.
    """
    try:
        with Image.open(path) as image:
            image.draft(
                "RGB", (2 * LOOKED_AT, 2 * LOOKED_AT)
            )  # a JPEG of a phone is decoded at a part of its size
            return grey(ImageOps.exif_transpose(image))
    except Image.UnidentifiedImageError:
        problem = "is no image in a format that Pillow reads"
    except Image.DecompressionBombError:
        problem = "has too many pixels"
    except Exception as error:  # the readers of damaged files raise whatever they meet
        problem = f"cannot be read ({' '.join(str(error).split()) or type(error).__name__})"
    raise UnreadableError(f"{path}: {problem}: save it as PNG or JPEG") from None


def grey(image: Image.Image) -> np.ndarray:
    """Grey levels of an image of any mode and size: (rows, columns) in [0, 1], at most LOOKED_AT of each."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 or 32 bits
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = next((top for top in (1, 255, 65535) if values.max() <= top), values.max())
        image = Image.fromarray(np.clip(values / top, 0, 1).astype(np.float32))
    elif image.has_transparency_data:
        image = _opaque(image.convert("RGBA"))
    else:
        image = image.convert("RGB").convert("L")  # by way of RGB: CMYK and Lab have no direct one
    scale = LOOKED_AT / max(image.size)
    if scale < 1:
        size = [max(1, round(scale * side)) for side in image.size]
        image = image.resize(size, Image.Resampling.BOX)
    values = np.asarray(image, dtype=np.float64)
    return values if image.mode == "F" else values / 255


def _opaque(image: Image.Image) -> Image.Image:
    """Fill the transparent parts: with white behind dark ink, with black behind light ink."""
    light, alpha = (np.asarray(image.convert(mode), dtype=np.float64) for mode in ("L", "RGBA"))
    alpha = alpha[..., 3] / 255
    behind = 0.0 if (light * alpha).sum() > 127.5 * alpha.sum() else 255.0
    if alpha.mean() > 0.9:
        behind = 255.0  # hardly anything is transparent: an ordinary picture, and paper is white
    return Image.fromarray(np.rint(alpha * light + (1 - alpha) * behind).astype(np.uint8))


def kind_of(name: str, data_sets: DataSets) -> Kind:
    """How pictures are prepared for a network that was trained on this entry of `data_sets` in params.yaml."""
    data_set = data_sets.all()[name]
    if hasattr(data_set, "of"):
        return kind_of(data_set.of, data_sets)
    if not hasattr(data_set, "torchvision"):
        return "whole"
    return "article" if data_set.torchvision == "FashionMNIST" else "digit"


def prepared(levels: np.ndarray, kind: Kind) -> Prepared:
    """What a network is shown of a picture.

    Args:
        levels: grey levels in [0, 1], (rows, columns).
        kind: `digit`, `article`, or `whole`, the way of stages/convert.py with a folder of images.
    """
    original = Image.fromarray(_bytes(levels))
    if kind == "whole":
        return Prepared(original, image_files.fitted(original), clear=True)
    if (as_it_is := _ready(levels)) is not None:
        return Prepared(original, as_it_is, clear=True)
    surface = ground(levels)
    dark = levels
    if not is_dark_on_light(levels, surface):
        dark, surface = 1 - levels, 1 - surface
    missing = np.clip(1 - dark / np.maximum(surface, FAINT), 0, 1)
    pixels = article(missing) if kind == "article" else digit(missing)
    if pixels is None:
        return Prepared(original, _bytes(_letterbox(1 - dark)), clear=False)
    return Prepared(original, _bytes(pixels), clear=True)


def _ready(levels: np.ndarray) -> np.ndarray | None:
    """The picture itself if it is 28 x 28, on plain black or on plain white (then negated)."""
    if levels.shape != (SIDE, SIDE):
        return None
    values = _bytes(levels)
    corners = values[[0, 0, -1, -1], [0, -1, 0, -1]]
    for plain, result in ((0, values), (255, 255 - values)):
        if (corners == plain).all() and (result > 0).any():
            return result
    return None


def is_dark_on_light(levels: np.ndarray, surface: np.ndarray) -> bool:
    """Whether the ink is darker than its ground `surface`: on which side of it the third moment is."""
    return float(((levels - surface) ** 3).sum()) <= 0


def ground(levels: np.ndarray) -> np.ndarray:
    """Grey levels of the ground, a quadratic surface, of the same shape.

    Fitted by reweighted least squares with Tukey's biweight; it starts at the edges, where there is little ink.
    """
    rows, columns = (np.linspace(-1, 1, side) for side in levels.shape)
    small = np.asarray(
        Image.fromarray(levels.astype(np.float32)).resize((FITTED, FITTED), Image.Resampling.BOX), dtype=np.float64
    )
    at = np.linspace(-1, 1, FITTED)
    design, values = _quadratic(*np.meshgrid(at, at)), small.ravel()
    weights = (np.maximum(*np.abs(np.meshgrid(at, at))) > 0.85).ravel().astype(float)
    weights *= np.abs(values - np.median(values[weights > 0])) < 0.25
    coefficients = np.zeros(6)
    for _ in range(20):
        weighted = design.T * weights
        coefficients = np.linalg.pinv(weighted @ design, hermitian=True) @ (weighted @ values)
        residual = values - design @ coefficients
        spread = max(1.4826 * np.median(np.abs(residual[weights > 0])), 0.02)
        weights = np.clip(1 - (residual / (4.685 * spread)) ** 2, 0, None) ** 2
        if not weights.any():
            break
    surface = _quadratic(*np.meshgrid(columns, rows)) @ coefficients
    return np.clip(surface.reshape(levels.shape), 0, 1)


def _quadratic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Regressors of a quadratic surface, (points, 6)."""
    x, y = x.ravel(), y.ravel()
    return np.column_stack([np.ones_like(x), x, y, x * x, x * y, y * y])


def digit(missing: np.ndarray) -> np.ndarray | None:
    """A digit as in MNIST, (28, 28) in [0, 1]; None if there is no clear ink.

    Args:
        missing: share of the ground's light, (rows, columns) in [0, 1].
    """
    width = max(3, round(STROKE * min(missing.shape)))
    around = np.pad(missing, width)  # beyond the edges there is plain ground: a digit may touch them
    shadow = ndimage.grey_opening(around, size=(width, width))
    ink = (around - shadow)[width:-width, width:-width]
    ink = ndimage.gaussian_filter(ink, max(missing.shape) / LOOKED_AT * 0.7)
    noise = np.median(ink) + 4 * 1.4826 * np.median(np.abs(ink - np.median(ink)))
    candidates = ink[ink > max(noise, FAINT)]
    if not len(candidates):
        return None
    full = np.percentile(candidates[candidates >= otsu(candidates)], 75)
    mask = _pieces(ink > max(noise, full / 2))
    if not mask.any() or full - noise < FAINT:
        return None
    reach = max(1, round(max(np.ptp(np.argwhere(mask), axis=0) + 1) / BOX))  # a pixel of the box: soft edges
    near = ndimage.binary_dilation(mask, iterations=reach)
    shade = np.clip((ink - noise) / (full - noise), 0, 1) * near
    scaled = _scaled(_trimmed(shade, EDGE), BOX)
    return _centred_by_mass(scaled / scaled.max())  # thin strokes have become grey


def article(missing: np.ndarray) -> np.ndarray | None:
    """An article of clothing as in Fashion-MNIST, (28, 28) in [0, 1]; None if none stands out."""
    noise = np.median(missing) + 4 * 1.4826 * np.median(np.abs(missing - np.median(missing)))
    mask = missing > np.clip(noise, FAINT / 2, 0.25)
    if max(missing.shape) > 2 * SIDE:
        mask = ndimage.binary_opening(mask)
    mask = _pieces(mask)
    if not mask.any():
        return None
    rows, columns = (slice(where.min(), where.max() + 1) for where in np.nonzero(mask))
    mask = ndimage.binary_fill_holes(mask)
    scaled = _scaled((missing * mask)[rows, columns], SIDE)
    return _placed(scaled, (SIDE - scaled.shape[0]) // 2, (SIDE - scaled.shape[1]) // 2)


def otsu(values: np.ndarray) -> float:
    """The threshold that parts values with the largest variance between the two sides (Otsu 1979)."""
    if np.ptp(values) < 1e-6:
        return float(values.min())
    counts, edges = np.histogram(values, bins=256)
    middles = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), counts.sum() - np.cumsum(counts)
    total = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(middles[np.nanargmax(between)])


def _pieces(mask: np.ndarray) -> np.ndarray:
    """The mask without specks, and without what touches the edges if a large piece is clear of them."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    if not count:
        return mask
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    at_edges = np.zeros(count + 1, dtype=bool)
    at_edges[np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))] = True
    clear = np.where(at_edges, 0, sizes)
    if clear.max() > SPECK * sizes.max():
        sizes = clear
    return (sizes >= max(SPECK * sizes.max(), 1))[labels]


def _trimmed(shade: np.ndarray, least: float) -> np.ndarray:
    """What is at least so dark, with the rectangle around it."""
    rows, columns = np.nonzero(shade >= least * shade.max())
    return shade[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _scaled(shade: np.ndarray, side: int) -> np.ndarray:
    """The longer side scaled to `side` pixels, the aspect kept."""
    scale = side / max(shade.shape)
    size = [max(1, round(scale * length)) for length in shade.shape[::-1]]
    image = Image.fromarray(shade.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image, dtype=np.float64), 0, 1)


def _centred_by_mass(shade: np.ndarray) -> np.ndarray:
    """Placed in 28 x 28 with the centre of mass on pixel (14, 14), as in MNIST, to the nearest pixel."""
    corner = [round(SIDE / 2 - centre) for centre in ndimage.center_of_mass(shade)]
    within = [int(np.clip(at, 0, SIDE - length)) for at, length in zip(corner, shade.shape, strict=True)]
    return _placed(shade, *within)


def _placed(shade: np.ndarray, row: int, column: int) -> np.ndarray:
    picture = np.zeros((SIDE, SIDE))
    picture[row : row + shade.shape[0], column : column + shade.shape[1]] = shade
    return picture


def _letterbox(levels: np.ndarray) -> np.ndarray:
    """The whole picture in 28 x 28, between black bars if it is not square."""
    scaled = _scaled(levels, SIDE)
    return _placed(scaled, (SIDE - scaled.shape[0]) // 2, (SIDE - scaled.shape[1]) // 2)


def _bytes(levels: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)
