"""How complex images are by themselves, without any model of other images.

The two baselines of every score of a model of images: one that separates two data sets no better than these has
learned nothing from its training data that helps.
"""

import numpy as np
from scipy.special import entr, gammaln

SIDE = 28
CONTEXTS = 16  # values of four binary neighbours


def grey_entropy(pixels: np.ndarray) -> np.ndarray:
    """Entropy of the binary images that are drawn from grey ones, x ~ Bernoulli(pixel / 255); nats, (images,).

    It is the mean of -log p(x) under the distribution that drew x: no model can do better on average.

    Args:
        pixels: bytes, (images, 784).
    """
    white = pixels / 255.0
    return (entr(white) + entr(1 - white)).sum(axis=1)


def code_length(binary: np.ndarray) -> np.ndarray:
    """Length of each binary image under an adaptive code that starts from nothing; nats, (images,).

    The code reads the image row by row and predicts each pixel from how often the pixels before it were white that
    had the same left, upper left, upper and upper right neighbours: (white + 1/2) / (seen + 1), the estimator of
    Krichevsky and Trofimov (1981). Outside the image is black. With a white and b black pixels in a context, the
    predictions multiply to Gamma(a + 1/2) Gamma(b + 1/2) / (pi Gamma(a + b + 1)), whatever their order.

    Args:
        binary: pixels 0 or 1, (images, 784).
    """
    images = np.asarray(binary, dtype=np.int64).reshape(-1, SIDE, SIDE)
    padded = np.pad(images, ((0, 0), (1, 0), (1, 1)))
    west, north_west = padded[:, 1:, :-2], padded[:, :-1, :-2]
    north, north_east = padded[:, :-1, 1:-1], padded[:, :-1, 2:]
    context = west + 2 * north_west + 4 * north + 8 * north_east
    cell = (np.arange(len(images))[:, None, None] * CONTEXTS + context) * 2 + images
    counts = np.bincount(cell.ravel(), minlength=len(images) * CONTEXTS * 2).reshape(-1, CONTEXTS, 2)
    log_p = gammaln(counts + 0.5).sum(axis=2) - np.log(np.pi) - gammaln(counts.sum(axis=2) + 1)
    return -log_p.sum(axis=1)
