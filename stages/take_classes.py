"""Make a data set of some of the classes of another one.

params.yaml says which (data_sets.parts). So a network can learn some classes of a data set and be shown the
others, which are as near to what it has learned as anything can be. Labels count from 0, in the order of the
classes. Writes data/images/<data set>/.
"""

import argparse
from pathlib import Path

import numpy as np

from stages import command, image_files
from stages.command import Failure
from stages.image_files import Part


def taken(part: Part, classes: list[int], of: str) -> Part:
    """The images of some classes, in their order.

    Args:
        part: training or test images.
        classes: labels to keep; their places in this list are the new labels.
        of: the data set, for errors.

    Raises:
        Failure: if there is no image of a class.
    """
    if missing := sorted(set(classes) - set(part.labels.tolist())):
        raise Failure(f"params.yaml: data_sets.parts: {of} has no images of class {missing[0]}: leave it out")
    new = np.zeros(256, dtype=np.uint8)
    new[classes] = np.arange(len(classes))
    kept = np.isin(part.labels, classes)
    return Part(part.pixels[kept], new[part.labels[kept]])


def main() -> None:
    """Take the classes of one data set."""
    parser = argparse.ArgumentParser(prog="python -m stages.take_classes", description=__doc__)
    parser.add_argument("--dataset", required=True, help="one of data_sets.parts in params.yaml")
    args = parser.parse_args()
    parts = command.settings_of("params.yaml").data_sets.parts
    if args.dataset not in parts:
        known = ", ".join(parts) or "none"
        raise Failure(f"--dataset {args.dataset}: params.yaml has data_sets.parts = {known}: take one, or add it")
    entry = parts[args.dataset]
    source = Path("data/images") / entry.of
    found = {}
    for name, prefix in image_files.PREFIXES.items():
        files = (source / f"{prefix}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        found[name] = taken(Part(*map(image_files.read_idx, files)), entry.labels, entry.of)
    image_files.write(Path("data/images") / args.dataset, found)
    print(f"{args.dataset}: {' and '.join(f'{len(part.labels)} {name} images' for name, part in found.items())}")


if __name__ == "__main__":
    command.run(main)
