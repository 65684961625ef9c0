"""Bring a data set of your own into the form that the pipeline reads: grey images of 28 x 28 in IDX files.

params.yaml says where it is (data_sets.local): a folder with a folder of images for each class, perhaps in train/
and test/, or a folder with four IDX files as MNIST's. Writes data/images/<data set>/. See docs/data.md.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from stages import command, image_files
from stages.command import Failure
from stages.image_files import Part

if TYPE_CHECKING:
    from stages.settings import DataSets

KINDS = ("images-idx3", "labels-idx1")


def parts_of(name: str, data_sets: "DataSets") -> dict[str, Part]:
    """Training and test images of one of `data_sets.local`.

    Raises:
        Failure: if what is there cannot be used; one line that names the key or the file, and what to do.
    """
    entry = data_sets.local[name]
    key, path = f"params.yaml: data_sets.local.{name}.path = {entry.path}", Path(entry.path)
    if not path.is_dir():
        raise Failure(f"{key}: is no folder: give the folder that holds a folder for each class, or IDX files")
    if any(path.glob("*idx?-ubyte*")):
        parts, classes = from_idx(path, key), entry.classes
        classes = classes or [str(c) for c in range(1 + max(int(part.labels.max()) for part in parts.values()))]
        largest = max(int(part.labels.max()) for part in parts.values())
        if largest >= len(classes):
            raise Failure(
                f"params.yaml: data_sets.local.{name}.classes has {len(classes)} names, one label is {largest}"
            )
    else:
        parts, classes = from_folders(path, key, entry.classes, data_sets.test_share, data_sets.seed)
    return image_files.checked(f"data_sets.local.{name}", parts, classes)


def from_idx(path: Path, key: str) -> dict[str, Part]:
    """Images from four IDX files, in their order.

    Args:
        path: the folder; its files are named as MNIST's, also with a dot for the second dash, also gzipped.
        key: of params.yaml, for errors.
    """
    parts = {}
    for name, prefix in image_files.PREFIXES.items():
        images, labels = (image_files.read_idx(_idx_file(path, f"{prefix}-{kind}-ubyte", key)) for kind in KINDS)
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise Failure(f"{key}: {prefix}-*: {images.shape} images and {labels.shape} labels do not go together")
        if images.shape[1:] != (image_files.SIDE, image_files.SIDE):
            images = np.stack([image_files.fitted(Image.fromarray(image)) for image in images])
        parts[name] = Part(images, labels)
    return parts


def _idx_file(path: Path, name: str, key: str) -> Path:
    names = [form + ending for form in (name, name.replace("-idx", ".idx")) for ending in ("", ".gz")]
    found = next((path / form for form in names if (path / form).is_file()), None)
    if found is None:
        raise Failure(f"{key}: has no {name}: all four IDX files are needed")
    return found


def from_folders(
    path: Path, key: str, classes: list[str], test_share: float, seed: int
) -> tuple[dict[str, Part], list[str]]:
    """Images from a folder for each class, in an order of chance that is the same on every machine.

    Args:
        path: holds the class folders, or train/ and test/ that each hold them.
        key: of params.yaml, for errors.
        classes: names of the folders in the order of the labels; none: sorted.
        test_share: of all images, if there is no test/.
        seed: of the order, and so of what is test.

    Returns:
        The parts, and the names of the classes.
    """
    folders = _folders(path)
    split = {"train", "test"} <= {folder.name for folder in folders}
    if split and len(folders) > 2:
        more = next(folder.name for folder in folders if folder.name not in ("train", "test"))
        raise Failure(
            f"{key}: beside train/ and test/ stands {more}/: the validation images are taken from train/"
        )
    sources = {"train": path / "train", "test": path / "test"} if split else {"train": path}
    named = {name: [folder.name for folder in _folders(source)] for name, source in sources.items()}
    for name, found in named.items():
        if not found:
            raise Failure(
                f"{key}: {sources[name]} has no class folders: put the images of each class into a folder"
            )
        if odd := set(found) ^ set(classes or named["train"]):
            other = "data_sets.*.classes" if classes else "train/"
            raise Failure(f"{key}: class folder {min(odd)}: is in {sources[name]} or in {other}, not in both")
    classes = classes or named["train"]
    generator = np.random.default_rng(seed)
    parts = {name: _shuffled(_read(source, classes), generator) for name, source in sources.items()}
    if not split:
        everything, cut = parts["train"], round(len(parts["train"].labels) * (1 - test_share))
        parts = {
            "train": Part(everything.pixels[:cut], everything.labels[:cut]),
            "test": Part(everything.pixels[cut:], everything.labels[cut:]),
        }
    return parts, classes


def _folders(path: Path) -> list[Path]:
    """Subfolders sorted by name, those that are numbers by value."""
    found = [folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return sorted(found, key=lambda folder: (int(folder.name) if folder.name.isdecimal() else -1, folder.name))


def _read(path: Path, classes: list[str]) -> Part:
    pixels, labels = [], []
    for label, name in enumerate(classes):
        files = sorted(file for file in (path / name).rglob("*") if file.is_file())
        files = [file for file in files if not file.name.startswith(".")]
        if not files:
            raise Failure(f"{path / name} has no images: add some, or remove the folder")
        pixels += [_image(file) for file in files]
        labels += [label] * len(files)
    return Part(np.stack(pixels), np.array(labels, dtype=np.uint8))


def _image(file: Path) -> np.ndarray:
    try:
        with Image.open(file) as image:
            return image_files.fitted(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        reason = " ".join(str(problem).split())
        raise Failure(f"{file} is no image that Pillow can read ({reason}): mend or remove it") from None


def _shuffled(part: Part, generator: np.random.Generator) -> Part:
    order = generator.permutation(len(part.labels))
    return Part(part.pixels[order], part.labels[order])


def main() -> None:
    """Convert one data set."""
    parser = argparse.ArgumentParser(prog="python -m stages.convert", description=__doc__)
    parser.add_argument("--dataset", required=True, help="one of data_sets.local in params.yaml")
    args = parser.parse_args()
    data_sets = command.settings_of("params.yaml").data_sets
    if args.dataset not in data_sets.local:
        known = ", ".join(data_sets.local) or "none"
        raise Failure(f"--dataset {args.dataset}: params.yaml has data_sets.local = {known}: take one, or add it")
    parts = parts_of(args.dataset, data_sets)
    image_files.write(Path("data/images") / args.dataset, parts)
    count = len(np.unique(parts["train"].labels))
    sizes = " and ".join(f"{len(part.labels)} {name} images" for name, part in parts.items())
    print(f"{args.dataset}: {sizes} of {count} classes")


if __name__ == "__main__":
    command.run(main)
