"""Step 4a for the VAE: a bound on the likelihood of images, and images from the decoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stages import datasets
from stages.inference import posterior
from stages.models import vae
from stages.predictive import foreign, gallery, likelihood

if TYPE_CHECKING:
    from stages.settings import Settings

DRAWN, RECONSTRUCTED, WALKS, WALK_STEPS = 64, 16, 6, 10  # images of each kind
Trained = tuple[vae.Model, vae.Guide]  # the model and its learned posterior


def trained(settings: Settings, seed: int, device: torch.device) -> Trained:
    """The model and its learned posterior."""
    model, guide = (part.to(device) for part in vae.build(settings.vae))
    posterior.load(Path(f"posteriors/vae/{seed}/weights.safetensors"), model, guide)
    return model, guide


def predict(settings: Settings, seed: int, trained: Trained) -> dict[str, dict[str, np.ndarray]]:
    """Bound the likelihood of held-out images, and generate images.

    Returns:
        cases: iwae, rate, distortion, iwae_samples, each (images,); latent_mean (images, latents), of all levels
        side by side.
        bound: the mean of the bound over the images, iwae (counts,), for several numbers of importance `samples`
        (counts,).
        pictures: pixel probabilities of samples (64, 784) from the prior, reconstructions (16, 784) of originals
        (16, 784), walks (6, 10, 784) along straight lines between the latent means of two images; draws (64, 784),
        bytes 0 or 1, the samples as binary images; nearest (64, 784), bytes, the training images that are nearest
        to the samples. If pixels are autoregressive, the probability of each is that given those drawn before it.
        map: position (2000, 2) and labels (2000,) of held-out images on a map of the latent space.
    """
    which = settings.vae.dataset, settings.evaluate.split, settings.images
    held_out = datasets.load(*which)
    cases = predict_cases(settings, trained, held_out, datasets.published_binarisation(*which))
    bound = {
        "samples": np.array(likelihood.sample_counts(settings.evaluate.vae.iwae_samples)),
        "iwae": cases.pop("iwae_by_samples").mean(axis=0, dtype=np.float64),
    }
    latents = torch.from_numpy(cases["latent_mean"]).to(_device(trained))
    pictures = _pictures(trained[0], latents, held_out.pixels[:RECONSTRUCTED])
    training = datasets.load(settings.vae.dataset, "train", settings.images).pixels
    pictures["nearest"] = gallery.nearest(torch.from_numpy(pictures["samples"]), training).numpy()
    latent_map = gallery.latent_map(cases["latent_mean"], held_out.labels.numpy(), seed)
    return {"cases": cases, "bound": bound, "pictures": pictures, "map": latent_map}


def predict_cases(
    settings: Settings, trained: Trained, images: datasets.Images, binary: Tensor | None = None
) -> dict[str, np.ndarray]:
    """Likelihood bounds of any images.

    Args:
        settings: the whole of params.yaml.
        trained: the model and its learned posterior.
        images: grey.
        binary: the same images, binarised; None: `datasets.fixed_binarisation` of them.
    """
    if binary is None:
        binary = datasets.fixed_binarisation(images.pixels)
    cases = likelihood.bounds(*trained, binary.to(_device(trained)), settings.evaluate.vae.iwae_samples)
    cases = {name: value.cpu().numpy() for name, value in cases.items()}
    return cases | {"iwae_samples": np.full(len(images), settings.evaluate.vae.iwae_samples)}


def reference(settings: Settings, trained: Trained) -> dict[str, np.ndarray]:
    """Statistics of training images, which scores of other images are held against."""
    images = datasets.load(settings.vae.dataset, "train", settings.images)
    pixels = images.pixels[: settings.ood.reference].to(_device(trained))
    return foreign.statistics(*trained, pixels, settings.ood)


def ood_cases(settings: Settings, trained: Trained, images: datasets.Images) -> dict[str, np.ndarray]:
    """Statistics of any images, and the likelihood regret of the first of them: NaN for the others."""
    pixels = images.pixels.to(_device(trained))
    regret = np.full(len(pixels), np.nan, dtype=np.float32)
    first = pixels[: settings.ood.regret_images]
    regret[: len(first)] = foreign.regret(*trained, first, settings.ood)
    return foreign.statistics(*trained, pixels, settings.ood) | {"likelihood_regret": regret}


def _device(trained: Trained) -> torch.device:
    return next(trained[0].parameters()).device


@torch.no_grad()
def _pictures(model: vae.Model, latents: Tensor, originals: Tensor) -> dict[str, np.ndarray]:
    prior = vae.prior_draws(model, DRAWN)
    start, end = latents[:WALKS, None], latents[WALKS : 2 * WALKS, None]
    position = torch.linspace(0, 1, WALK_STEPS, device=latents.device).view(1, -1, 1)
    drawn = {"samples": prior, "reconstructions": latents[:RECONSTRUCTED], "walks": start.lerp(end, position)}
    pictures = {name: model.draw(z) for name, z in drawn.items()}
    draws = pictures["samples"][0].cpu().numpy().astype(np.uint8)
    probabilities = {name: white.cpu().numpy() for name, (_, white) in pictures.items()}
    return probabilities | {"draws": draws, "originals": originals.numpy()}
