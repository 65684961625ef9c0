"""Images as data: URIs, black ink on a transparent ground, so that a page can draw them light on dark as well."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 28


def grid(pixels: np.ndarray, gap: int = 2) -> str:
    """Images side by side as one PNG.

    Args:
        pixels: (rows, columns, 784), bytes or intensities in [0, 1].
        gap: transparent pixels between two images.

    Returns:
        A data: URI.
    """
    rows, columns = pixels.shape[:2]
    step = SIDE + gap
    alpha = np.zeros((rows * step - gap, columns * step - gap), dtype=np.uint8)
    for (row, column), image in np.ndenumerate(_cells(pixels)):
        top, left = row * step, column * step
        alpha[top : top + SIDE, left : left + SIDE] = image
    return ink(alpha)


def one(pixels: np.ndarray) -> str:
    """A single image (784,) as a data: URI."""
    return grid(pixels[None, None])


def ink(alpha: np.ndarray) -> str:
    """Black where `alpha`, (height, width) bytes, is 255; transparent where it is 0."""
    picture = np.stack([np.zeros_like(alpha), alpha], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(picture, mode="LA").save(buffer, format="PNG", optimize=True)
    return _uri(buffer.getvalue())


def file(path: Path) -> tuple[str, int, int]:
    """A PNG file as a data: URI, with its width and height."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as picture:
        return _uri(content), *picture.size


def _cells(pixels: np.ndarray) -> np.ndarray:
    """(rows, columns, 784) -> an object array (rows, columns) of images (28, 28) in bytes."""
    if pixels.dtype != np.uint8:
        pixels = (255 * np.clip(pixels, 0, 1)).round().astype(np.uint8)
    cells = np.empty(pixels.shape[:2], dtype=object)
    for place in np.ndindex(*cells.shape):
        cells[place] = pixels[place].reshape(SIDE, SIDE)
    return cells


def _uri(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()
