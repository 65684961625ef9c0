"""Step 4 for the VAE: an honest bound on the likelihood of held-out images, and pictures from the decoder."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stages import datasets
from stages.evaluation import likelihood, ood
from stages.inference import posterior
from stages.models import vae

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them
DRAWN, RECONSTRUCTED, WALKS, WALK_STEPS = 64, 16, 6, 10  # pictures of each kind

ood_scores = ood.likelihood_scores


def inside(params) -> str:
    """The data set that the VAE was trained on."""
    return "fashion_mnist"


def outside(params) -> list[str]:
    """Those that it was not."""
    return ["mnist"]


def predict(params, seed: int, device: torch.device) -> dict[str, dict[str, np.ndarray]]:
    """Bound the likelihood of held-out images, and draw.

    Returns:
        cases: iwae, rate, distortion, complexity, iwae_samples, each (images,); latent_mean (images, latents).
        pictures: pixel probabilities of samples (64, 784) from the prior, reconstructions (16, 784) of originals
        (16, 784), walks (6, 10, 784) along straight lines between the latent means of two images.
    """
    held_out = datasets.load(inside(params), params.evaluate.split, params.images)
    cases = predict_cases(params, seed, device, held_out)
    model, _ = _load(params, seed, device)
    latents = torch.from_numpy(cases["latent_mean"]).to(device)
    return {"cases": cases, "pictures": _pictures(model, latents, held_out.pixels[:RECONSTRUCTED])}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Likelihood bounds as costs, -ELBO and -IWAE: nats per image, lower is better."""
    cases = predictions["cases"]
    iwae, rate, distortion = (float(cases[name].mean(dtype=np.float64)) for name in ("iwae", "rate", "distortion"))
    return {
        "elbo": rate + distortion,
        "iwae": -iwae,
        "iwae_samples": int(cases["iwae_samples"][0]),
        "active_units": likelihood.active_units(cases["latent_mean"]),
        "rate": rate,
        "distortion": distortion,
    }


def predict_cases(params, seed: int, device: torch.device, images: datasets.Images) -> dict[str, np.ndarray]:
    """Likelihood bounds of any images, binarised once."""
    model, guide = _load(params, seed, device)
    binary = datasets.fixed_binarisation(images.pixels)
    cases = likelihood.bounds(model, guide, binary.to(device), params.evaluate.vae.iwae_samples)
    cases = {name: value.cpu().numpy() for name, value in cases.items()}
    return cases | {
        "complexity": ood.complexity(binary.numpy()).astype(np.float32),
        "iwae_samples": np.full(len(images), params.evaluate.vae.iwae_samples),
    }


def _load(params, seed: int, device: torch.device) -> tuple[vae.Model, vae.Guide]:
    model, guide = (part.to(device) for part in vae.build(params.vae))
    posterior.load(Path(f"posteriors/vae/{seed}/weights.safetensors"), model, guide)
    return model, guide


@torch.no_grad()
def _pictures(model: vae.Model, latents: Tensor, originals: Tensor) -> dict[str, np.ndarray]:
    prior = torch.randn(DRAWN, model.latents, device=latents.device)
    start, end = latents[:WALKS, None], latents[WALKS : 2 * WALKS, None]
    position = torch.linspace(0, 1, WALK_STEPS, device=latents.device).view(1, -1, 1)
    drawn = {"samples": prior, "reconstructions": latents[:RECONSTRUCTED], "walks": start.lerp(end, position)}
    pictures = {name: torch.sigmoid(model.decoder(z)).cpu().numpy() for name, z in drawn.items()}
    return pictures | {"originals": originals.numpy()}
