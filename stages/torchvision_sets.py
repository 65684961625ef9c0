"""Grey image data sets that torchvision knows by name, and that are not verified byte by byte here."""

from __future__ import annotations

import difflib
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from stages import image_files
from stages.command import Failure
from stages.image_files import Part

EMNIST = ("EMNIST/balanced", "EMNIST/byclass", "EMNIST/bymerge", "EMNIST/digits", "EMNIST/letters", "EMNIST/mnist")
NAMES = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "USPS", *EMNIST)


def known(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: if it is not one of `NAMES`.
    """
    if name in NAMES:
        return name
    close = {other.lower(): other for other in NAMES}
    match = difflib.get_close_matches(name.lower(), close, n=1)
    hint = (
        f"did you mean {close[match[0]]}?"
        if match
        else "allowed are MNIST, FashionMNIST, KMNIST, QMNIST, USPS, EMNIST/<split>"
    )
    raise ValueError(f"is no grey image data set with classes that torchvision has, {hint}")


def fetch(dataset: str, name: str, folder: Path) -> None:
    """Have torchvision download a data set, and write it as IDX files into `folder`.

    A folder in DATA_MIRROR that has the files as torchvision lays them out is read instead.

    Args:
        dataset: its name in params.yaml, for errors.
        name: one of `NAMES`.
        folder: where to.

    Raises:
        Failure: if it cannot be downloaded or used.
    """
    with tempfile.TemporaryDirectory(prefix="torchvision-") as scratch:
        parts = {part: _part(dataset, name, part == "train", Path(scratch)) for part in image_files.PREFIXES}
    labels, numbered = np.unique(np.concatenate([part.labels for part in parts.values()]), return_inverse=True)
    cut = len(parts["train"].labels)
    parts = {  # labels count from 0: those of EMNIST/letters do from 1
        "train": Part(parts["train"].pixels, numbered[:cut].astype(np.uint8)),
        "test": Part(parts["test"].pixels, numbered[cut:].astype(np.uint8)),
    }
    image_files.write(folder, image_files.checked(dataset, parts, [str(label) for label in labels]))


def _part(dataset: str, name: str, train: bool, scratch: Path) -> Part:
    try:
        from torchvision import datasets  # slow to import, and often not needed
    except (ImportError, RuntimeError) as problem:  # RuntimeError: torchvision was built for another torch
        raise Failure(f"{dataset}: torchvision cannot be imported ({problem})") from None
    kind, _, split = name.partition("/")
    options = {"split": split} if split else {}
    reasons = []
    for root, download in ((os.environ.get("DATA_MIRROR"), False), (scratch, True)):
        if root is None:
            continue
        try:
            found = getattr(datasets, kind)(str(root), train=train, download=download, **options)
            break
        except (OSError, RuntimeError, ValueError) as problem:  # what its classes raise
            reasons.append(" ".join(str(problem).split()))
    else:
        raise Failure(
            f"{dataset}: torchvision cannot fetch {name} ({reasons[-1]}): go online, or set DATA_MIRROR to a "
            "folder that has it as torchvision lays it out"
        )
    pixels = np.stack([np.asarray(image) for image in found.data])
    if kind == "EMNIST":  # its files have rows and columns exchanged
        pixels = pixels.transpose(0, 2, 1)
    if pixels.shape[1:] != (image_files.SIDE, image_files.SIDE):
        pixels = np.stack([image_files.fitted(Image.fromarray(image)) for image in pixels])
    labels = np.asarray(found.targets)
    return Part(pixels, labels[:, 0] if labels.ndim == 2 else labels)  # QMNIST: more columns, of where it is from
