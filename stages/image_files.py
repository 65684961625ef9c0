"""A data set of images as the pipeline keeps it: four IDX files, grey, 28 x 28, with a class for each image.

The names are those of MNIST's files. Beside writing them, this module makes other images fit and checks that a
data set can be learned from.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from stages.artifacts import replacing
from stages.command import Failure

SIDE = 28
PREFIXES = {"train": "train", "test": "t10k"}  # of the files of each part
VALIDATION = 6  # the last sixth of the training images is the validation split: stages/datasets.py
FEWEST = 50  # images in each split: the pictures show that many


@dataclass(frozen=True)
class Part:
    """The training images, or the test images."""

    pixels: np.ndarray  # (images, 28, 28) uint8, black is 0
    labels: np.ndarray  # (images,) uint8, 0 to classes - 1


def write(folder: Path, parts: dict[str, Part]) -> None:
    """Write `train` and `test` as IDX files into `folder`."""
    for name, part in parts.items():
        for kind, values in (("images-idx3", part.pixels), ("labels-idx1", part.labels)):
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">i4").tobytes()
            with replacing(folder / f"{PREFIXES[name]}-{kind}-ubyte") as temporary:
                temporary.write_bytes(header + values.astype(np.uint8).tobytes())


def read_idx(path: Path) -> np.ndarray:
    """The array in an IDX file of bytes, gzipped or not.

    Raises:
        Failure: if it is no such file, or is shorter or longer than it says.
    """
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (OSError, EOFError, zlib.error) as problem:
        raise Failure(f"{path} cannot be read ({problem}): fetch it again") from None
    dimensions = content[3] if len(content) > 3 else 0
    if content[:3] != b"\x00\x00\x08" or dimensions not in (1, 3):
        raise Failure(
            f"{path} starts with {content[:4].hex() or 'nothing'}: an IDX file of bytes starts with 00000801 "
            "(labels) or 00000803 (images)"
        )
    shape = np.frombuffer(content[4 : 4 + 4 * dimensions].ljust(4 * dimensions, b"\x00"), dtype=">i4")
    size = 4 + 4 * dimensions + int(shape.astype(np.int64).prod())
    if len(content) != size:
        raise Failure(f"{path} has {len(content)} bytes, its header says {size}: fetch it again")
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def fitted(image: Image.Image) -> np.ndarray:
    """Any image as the pipeline wants it, (28, 28) uint8.

    Colours become grey, and what is transparent white. The proportions stay: the longer side becomes 28 pixels,
    and the rest is filled with the median grey of the image's border. Grey bytes of 28 x 28 stay as they are.
    """
    grey = _grey(ImageOps.exif_transpose(image))
    if grey.size == (SIDE, SIDE):
        return np.asarray(grey)
    pixels = np.asarray(grey)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return np.asarray(ImageOps.pad(grey, (SIDE, SIDE), Image.Resampling.BICUBIC, color=int(np.median(border))))


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, which `convert` would cut off instead of scaling
        return Image.fromarray((np.asarray(image).clip(0, 65535) // 256).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba)
    return image.convert("L")


def checked(name: str, parts: dict[str, Part], classes: list[str]) -> dict[str, Part]:
    """The same parts, if a classifier can be trained, validated and tested on them.

    Args:
        name: of the data set.
        parts: `train` and `test`.
        classes: their names, in the order of the labels.

    Raises:
        Failure: if there are too few images or classes, or a split lacks a class.
    """
    if not 2 <= len(classes) <= 256:
        raise Failure(f"{name}: {len(classes)} classes ({', '.join(classes[:3])}): there must be 2 to 256")
    train = parts["train"].labels
    held_out = len(train) // VALIDATION
    splits = {"training": train[: len(train) - held_out], "validation": train[len(train) - held_out :]}
    for split, labels in (splits | {"test": parts["test"].labels}).items():
        if len(labels) < FEWEST:
            raise Failure(
                f"{name}: {len(labels)} {split} images: at least {FEWEST} are needed, add images "
                f"(a sixth of the training images is for validation)"
            )
        if len(missing := np.setdiff1d(np.arange(len(classes)), labels)):
            raise Failure(
                f"{name}: no {split} image is of class {classes[missing[0]]}: every split needs all classes, add "
                "images of it, and shuffle IDX files that are sorted by class"
            )
    return parts
