"""Out-of-distribution images for a model of digits or clothes, and digits that drift away from its training data.

Made here from the images that the model learns, or from what scikit-learn ships. The same split gives the same
bytes on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

from stages import datasets
from stages.datasets import PIXELS, Images

if TYPE_CHECKING:
    from stages.settings import Settings

SIDE = 28
SEEDS = {"validation": 0, "test": 1}
INVERTED = "inverted_"  # before the name of a data set
PHOTOGRAPHS = {"validation": "flower.jpg", "test": "china.jpg"}
QUARTER, BLOCK = 14, 7  # sides of the blocks that are shuffled, pixels
# for choices, by model: made without any image of the data set that stands for foreign ones, and nothing that may
# pass for what it has learned
SURROGATES = {
    "bnn": ("gaussian_noise", "uniform_noise", "strokes", "photographs", "shuffled_blocks"),
    "vae": ("gaussian_noise", "uniform_noise", "constant", "photographs", "shuffled_quarters", "shuffled_blocks"),
}
PEN = 1.3  # of strokes: half the width of a line, pixels


def load(name: str, split: str, settings: Settings, learned: str | None = None) -> Images:
    """One data set, by name.

    Args:
        name: one of data_sets, the same after `inverted_`, or one of `MADE`.
        split: `validation` or `test`; the two have no image in common, but for `constant`.
        settings: `images` and `ood.images` say how many to use, at most.
        learned: the data set that the model learns; `bnn.dataset` if None.

    Returns:
        The images; labels of those made here are -1.
    """
    most = min(settings.ood.images, getattr(settings.images, split))
    if name in MADE:
        pixels = MADE[name](split, most, settings, learned or settings.bnn.dataset)
    elif name.startswith(INVERTED):
        pixels = inverted(name.removeprefix(INVERTED), split, most, settings)
    else:
        return datasets.load(name, split, settings.images)
    return Images(pixels, torch.full((len(pixels),), -1))


def labelled(name: str, split: str, settings: Settings) -> Images:
    """Other images of what a classifier has learned, with their classes: `sklearn_digits` or inverted images.

    Args:
        name: `sklearn_digits`, or one of data_sets after `inverted_`.
        split: `validation` or `test`.
        settings: as in `load`.
    """
    made = load(name, split, settings)
    if name == "sklearn_digits":
        classes = torch.from_numpy(load_digits().target).long().chunk(2)[SEEDS[split]]
    else:
        classes = datasets.load(name.removeprefix(INVERTED), split, settings.images).labels
    return Images(made.pixels, classes[: len(made)])


def gaussian_noise(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """Independent normal pixels with the mean and the sd of the learned images', cut to bytes."""
    like = datasets.load(learned, split, settings.images).pixels[:most].float()
    noise = torch.randn(like.shape, generator=_generator(split))
    return _bytes(like.mean() + like.std() * noise)


def uniform_noise(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """Independent pixels, each byte as likely as any other."""
    return torch.randint(256, (most, PIXELS), generator=_generator(split), dtype=torch.uint8)


def constant(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """Images of one grey each, any byte as likely as any other."""
    return torch.randint(256, (most, 1), generator=_generator(split), dtype=torch.uint8).repeat(1, PIXELS)


def shuffled_quarters(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """The learned images with their four quarters in random order."""
    return _shuffled(datasets.load(learned, split, settings.images).pixels[:most], QUARTER, split)


def shuffled_blocks(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """The learned images with their sixteen blocks of 7 x 7 pixels in random order."""
    return _shuffled(datasets.load(learned, split, settings.images).pixels[:most], BLOCK, split)


def flipped_horizontally(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """The learned images, mirrored: left is right."""
    pixels = datasets.load(learned, split, settings.images).pixels[:most]
    return pixels.view(-1, SIDE, SIDE).flip(2).reshape(-1, PIXELS)


def flipped_vertically(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """The learned images, upside down."""
    pixels = datasets.load(learned, split, settings.images).pixels[:most]
    return pixels.view(-1, SIDE, SIDE).flip(1).reshape(-1, PIXELS)


def strokes(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """One to four curves of a pen on black: quadratic Bézier curves between random points of the digits' box."""
    generator = _generator(split)
    t = torch.linspace(0, 1, 40, dtype=torch.float64)
    basis = torch.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], dim=-1)
    pixels = torch.cartesian_prod(torch.arange(SIDE), torch.arange(SIDE)).double()
    images = []
    for _ in range(most):
        curves = int(torch.randint(1, 5, (), generator=generator))
        points = 4 + 20 * torch.rand(curves, 3, 2, generator=generator, dtype=torch.float64)
        distance = torch.cdist(pixels, (basis @ points).reshape(-1, 2)).min(dim=1).values
        images.append(255 * (PEN + 0.5 - distance).clamp(0, 1))
    return _bytes(torch.stack(images))


def inverted(name: str, split: str, most: int, settings: Settings) -> Tensor:
    """Black for white: MNIST's digits become dark on white."""
    return 255 - datasets.load(name, split, settings.images).pixels[:most]


def sklearn_digits(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """The 8 x 8 digits of scikit-learn (UCI, 1998), enlarged to MNIST's 20 x 20 box; half in each split."""
    small = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1) * (255 / 16)
    part = small.chunk(2)[SEEDS[split]][:most]
    large = F.interpolate(part, size=(20, 20), mode="bilinear", align_corners=False)
    return _bytes(F.pad(large, (4, 4, 4, 4)).reshape(-1, PIXELS))


def photographs(split: str, most: int, settings: Settings, learned: str) -> Tensor:
    """Grey patches of a photograph that scikit-learn ships, side by side; another one for each split."""
    grey = torch.tensor(load_sample_image(PHOTOGRAPHS[split]), dtype=torch.float32).mean(dim=-1)
    patches = grey.unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE)  # (rows, columns, 28, 28), a view
    return _bytes(patches.reshape(-1, PIXELS)[:most])


MADE: dict[str, Callable[..., Tensor]] = {
    made.__name__: made
    for made in (
        gaussian_noise,
        uniform_noise,
        constant,
        sklearn_digits,
        photographs,
        strokes,
        shuffled_quarters,
        shuffled_blocks,
        flipped_horizontally,
        flipped_vertically,
    )
}


def rotated(pixels: Tensor, degrees: float) -> Tensor:
    """Turned about the centre, counter-clockwise."""
    images = pixels.view(-1, 1, SIDE, SIDE)
    bilinear = transforms.InterpolationMode.BILINEAR
    return transforms.rotate(images, degrees, interpolation=bilinear).reshape(-1, PIXELS)


def blurred(pixels: Tensor, sd: float) -> Tensor:
    """Seen through a Gaussian filter; `sd` in pixels."""
    images = pixels.view(-1, 1, SIDE, SIDE)
    return transforms.gaussian_blur(images, kernel_size=[21, 21], sigma=[sd, sd]).reshape(-1, PIXELS)


def noisy(pixels: Tensor, sd: float) -> Tensor:
    """With independent normal noise; `sd` as a fraction of white."""
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0)).to(pixels.device)
    return _bytes(pixels.float() + 255 * sd * noise)


def occluded(pixels: Tensor, side: float) -> Tensor:
    """With a black square somewhere on the digit's box; `side` in pixels."""
    side, generator = int(side), torch.Generator().manual_seed(0)
    hidden = pixels.clone().view(-1, SIDE, SIDE)
    corners = torch.randint(4, 25 - side, (len(pixels), 2), generator=generator)
    for image, (row, column) in zip(hidden, corners.tolist(), strict=True):
        image[row : row + side, column : column + side] = 0
    return hidden.view(-1, PIXELS)


# how a digit drifts away from what was trained on (Ovadia et al. 2019); by how much is in params.yaml
SHIFTS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "rotation": rotated,
    "blur": blurred,
    "noise": noisy,
    "occlusion": occluded,
}


def _shuffled(pixels: Tensor, side: int, split: str) -> Tensor:
    """The square blocks of each image in another random order, never the one that they had."""
    across = SIDE // side
    blocks = pixels.view(-1, across, side, across, side).transpose(2, 3).reshape(-1, across**2, side * side)
    generator = _generator(split)
    order = torch.stack([_disorder(across**2, generator) for _ in blocks])
    moved = blocks.gather(1, order.unsqueeze(2).expand_as(blocks))
    return moved.view(-1, across, across, side, side).transpose(2, 3).reshape(-1, PIXELS)


def _disorder(size: int, generator: torch.Generator) -> Tensor:
    """A random order that is not the ascending one."""
    while torch.equal(order := torch.randperm(size, generator=generator), torch.arange(size)):
        pass
    return order


def _generator(split: str) -> torch.Generator:
    return torch.Generator().manual_seed(SEEDS[split])


def _bytes(values: Tensor) -> Tensor:
    return torch.as_tensor(np.rint(values.numpy())).clamp(0, 255).to(torch.uint8)
