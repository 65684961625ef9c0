"""What pictures of a VAE need besides its images: the nearest training images, and a map of the latent space."""

import numpy as np
import torch
from sklearn.manifold import TSNE
from torch import Tensor

from stages.datasets import unit_interval

MAPPED = 2000  # images on the map of the latent space
IMAGES_AT_ONCE = 10_000


def nearest(images: Tensor, training: Tensor) -> Tensor:
    """The training image nearest to each image, by the Euclidean distance of their pixels.

    Args:
        images: intensities, (images, 784).
        training: bytes, (training images, 784).

    Returns:
        Bytes, (images, 784).
    """
    distances = [torch.cdist(images, unit_interval(part)) for part in training.split(IMAGES_AT_ONCE)]
    return training[torch.cat(distances, dim=1).argmin(dim=1)]


def latent_map(latent_mean: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """A map on which images with similar latent means are neighbours, t-SNE (van der Maaten and Hinton 2008).

    Args:
        latent_mean: E_q[z | x], (images, latents), of which the first `MAPPED` are used.
        labels: classes of the images, (images,).
        seed: of the optimisation.

    Returns:
        position, (mapped, 2) float32; labels, (mapped,).
    """
    some = latent_mean[:MAPPED].astype(np.float64)
    perplexity = min(30.0, len(some) / 4)  # about the number of neighbours that count
    position = TSNE(perplexity=perplexity, random_state=seed, n_jobs=1).fit_transform(some)
    return {"position": position.astype(np.float32), "labels": labels[:MAPPED]}
