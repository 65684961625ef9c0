"""Views of an image: slightly moved, and binarised. A digit stays the same digit in all of its views."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.datasets import binarise, unit_interval

SIDE = 28
SHIFT = 2  # pixels, at most, along each axis
ROTATION, SHEAR = math.radians(15), 0.15  # at most, in either direction
ZOOM = 0.1  # at most: sides from 0.9 to 1.1 times as long


def draw(pixels: Tensor, augment: str) -> Tensor:
    """Draw one binary view of each image from the global generator.

    Args:
        pixels: bytes, (batch, 784).
        augment: `none`; `shift` by up to 2 pixels along both axes; `affine`: rotated, sheared, scaled and shifted.

    Returns:
        (batch, 784) float32, zeros and ones.
    """
    if augment == "affine":
        grey = affine(unit_interval(pixels))
        return (torch.rand_like(grey) < grey).float()
    return binarise(shifted(pixels, SHIFT) if augment == "shift" else pixels)


def shifted(pixels: Tensor, most: int) -> Tensor:
    """Move each image by up to `most` pixels along both axes, filling in with zeros; same shape, (batch, 784)."""
    batch, device = len(pixels), pixels.device
    padded = F.pad(pixels.view(batch, SIDE, SIDE), (most,) * 4)
    rows, columns = torch.randint(2 * most + 1, (2, batch, 1), device=device)
    side, image = torch.arange(SIDE, device=device), torch.arange(batch, device=device).view(-1, 1, 1)
    return padded[image, (rows + side).unsqueeze(2), (columns + side).unsqueeze(1)].reshape(batch, -1)


def affine(grey: Tensor) -> Tensor:
    """Rotate, shear, scale and shift each image at random about its centre, filling in with zeros.

    Args:
        grey: intensities in [0, 1], (batch, 784).

    Returns:
        The same shape, interpolated bilinearly.
    """
    batch = len(grey)
    uniform = 2 * torch.rand(6, batch, device=grey.device) - 1
    angle, shear = ROTATION * uniform[0], SHEAR * uniform[1]
    width, height = 1 + ZOOM * uniform[2], 1 + ZOOM * uniform[3]
    right, down = SHIFT * 2 / SIDE * uniform[4:]  # affine_grid counts in halves of a side
    cos, sin = angle.cos(), angle.sin()
    rows = torch.stack([cos / width, shear - sin / width, right, sin / height, cos / height, down], dim=-1)
    grid = F.affine_grid(rows.view(batch, 2, 3), (batch, 1, SIDE, SIDE), align_corners=False)
    moved = F.grid_sample(grey.view(batch, 1, SIDE, SIDE), grid, align_corners=False)
    return moved.view(batch, -1)
