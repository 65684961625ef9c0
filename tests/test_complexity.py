"""The complexity of images: against a code that is run pixel by pixel, and draws from grey images."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages import complexity

images = st.builds(
    lambda seed, share: (np.random.default_rng(seed).random((1, 784)) < share).astype(np.uint8),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.02, 0.2, 0.5, 1.0]),
)


def coded_pixel_by_pixel(image):
    """The product of all predictions, as an exact fraction, from the neighbours that were already read."""
    seen, p = {}, Fraction(1)
    for row in range(28):
        for column in range(28):
            places = [(row, column - 1), (row - 1, column - 1), (row - 1, column), (row - 1, column + 1)]
            inside = [(r, c) for r, c in places if r >= 0 and 0 <= c < 28]
            context = frozenset((r - row, c - column) for r, c in inside if image[28 * r + c])
            of_context = seen.setdefault(context, [0, 0])
            value = int(image[28 * row + column])
            p *= Fraction(2 * of_context[value] + 1, 2 * sum(of_context) + 2)
            of_context[value] += 1
    return p


@settings(max_examples=15, deadline=None)
@given(images)
def test_code_length_is_that_of_the_predictions(image):
    p = coded_pixel_by_pixel(image[0])
    wanted = math.log(p.denominator) - math.log(p.numerator)
    assert complexity.code_length(image) == pytest.approx([wanted], rel=1e-9)


def test_each_image_is_coded_from_nothing():
    """Its length does not depend on the images beside it."""
    both = (np.random.default_rng(0).random((2, 784)) < [[0.1], [0.4]]).astype(np.float32)
    together = complexity.code_length(both)
    assert together.tolist() == [complexity.code_length(image[None])[0] for image in both]


def test_noise_takes_a_bit_per_pixel_and_stripes_take_little():
    noise = np.random.default_rng(1).random((1, 784)) < 0.5
    stripes = np.tile([0, 1], 392)[None]
    assert complexity.code_length(noise)[0] == pytest.approx(784 * math.log(2), rel=0.1)
    assert complexity.code_length(stripes)[0] < 0.05 * 784 * math.log(2)


def test_entropy_is_the_mean_cost_of_binary_draws():
    pixels = np.random.default_rng(2).integers(256, size=(1, 784))
    white = pixels / 255
    draws = np.random.default_rng(3).random((20_000, 784)) < white
    with np.errstate(divide="ignore"):
        costs = -np.where(draws, np.log(white), np.log(1 - white)).sum(axis=1)
    found = complexity.grey_entropy(pixels)
    assert found == pytest.approx([costs.mean()], abs=4 * costs.std() / len(costs) ** 0.5)


def test_black_and_white_have_no_entropy_and_grey_has_most():
    pixels = np.array([[0] * 784, [0, 255] * 392, [127] * 784])
    found = complexity.grey_entropy(pixels)
    assert found[:2].tolist() == [0, 0]
    assert found[2] == pytest.approx(784 * math.log(2), rel=1e-4)
