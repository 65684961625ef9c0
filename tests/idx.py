"""Files in the format of MNIST (http://yann.lecun.com/exdb/mnist), written by hand."""

import struct

import numpy as np


def write_images(path, pixels):
    """Write images, (images, 28, 28)."""
    _write(path, struct.pack(">4B3I", 0, 0, 8, 3, *pixels.shape), pixels)


def write_labels(path, labels):
    """Write classes, (images,)."""
    _write(path, struct.pack(">4B1I", 0, 0, 8, 1, len(labels)), labels)


def _write(path, header, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + np.asarray(values).astype(np.uint8).tobytes())
