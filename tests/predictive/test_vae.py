"""The complexity of images, as the size after compression."""

import gzip
import math

import numpy as np
import pytest

from stages.predictive import vae


def test_complexity_is_least_for_a_blank_image_and_most_for_noise():
    generator = np.random.default_rng(0)
    blank, noise = np.zeros((28, 28)), generator.random((28, 28)) < 0.5
    stripes = np.tile(noise[0], (28, 1))
    of_blank, of_stripes, of_noise = vae.complexity(np.stack([blank, stripes, noise]).reshape(3, 784))
    assert of_blank < of_stripes < of_noise
    assert of_noise > 784 * math.log(
        2
    )  # noise cannot be compressed: one bit per pixel, plus the overhead of the format
    assert of_blank < 0.25 * of_noise


def test_complexity_is_in_nats():
    image = np.random.default_rng(1).random((1, 784)) < 0.3
    bits = "".join(str(int(pixel)) for pixel in image[0])
    packed = int(bits, 2).to_bytes(98, "big")
    deflate = len(gzip.compress(packed, 9)) - 18  # gzip's header and trailer; zlib's take 6
    assert vae.complexity(image) == pytest.approx([8 * (deflate + 6) * math.log(2)])
