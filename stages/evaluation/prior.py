"""A prior predictive check: the predictions of networks drawn from the prior."""

import numpy as np
from scipy.stats import entropy


def favourite_share(probabilities: np.ndarray) -> np.ndarray:
    """Share of the images that each network puts into its most frequent class, (networks,).

    Args:
        probabilities: (networks, images, classes).
    """
    classes = probabilities.shape[-1]
    counts = np.stack([np.bincount(choices, minlength=classes) for choices in probabilities.argmax(axis=-1)])
    return counts.max(axis=1) / probabilities.shape[1]


def metrics(probabilities: np.ndarray) -> dict[str, float]:
    """Confidence and entropy of single networks and of their average.

    Args:
        probabilities: (networks, images, classes).

    Returns:
        confidence: mean of a network's largest class probability. favourite_share: mean share of images in a
        network's most frequent class. predictive_entropy: entropy of the mean over networks, averaged over
        images, nats. expected_entropy: entropy of a single network, averaged over networks and images, nats.
    """
    p = probabilities.astype(np.float64)
    return {
        "confidence": float(p.max(axis=-1).mean()),
        "favourite_share": float(favourite_share(p).mean()),
        "predictive_entropy": float(entropy(p.mean(axis=0), axis=-1).mean()),
        "expected_entropy": float(entropy(p, axis=-1).mean()),
    }
