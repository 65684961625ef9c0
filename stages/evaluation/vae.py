"""Step 4b for the VAE: bounds on the likelihood of held-out images, and what the latent space is used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.evaluation import ood

if TYPE_CHECKING:
    from stages.settings import Settings

TEST_CASES = {"cases"}  # groups of predictions with an entry per test case: the bootstrap resamples them

ood_scores = ood.likelihood_scores


def in_distribution(settings: Settings) -> str:
    """The data set that the VAE was trained on."""
    return settings.vae.dataset


def out_of_distribution(settings: Settings) -> list[str]:
    """The one that it was not."""
    return [settings.ood.vae]


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Likelihood bounds as costs, -ELBO and -IWAE: nats per image, lower is better."""
    cases = predictions["cases"]
    iwae, rate, distortion = (float(cases[name].mean(dtype=np.float64)) for name in ("iwae", "rate", "distortion"))
    return {
        "elbo": rate + distortion,
        "iwae": -iwae,
        "iwae_samples": int(cases["iwae_samples"][0]),
        "active_units": active_units(cases["latent_mean"]),
        "rate": rate,
        "distortion": distortion,
    }


def active_units(latent_mean: np.ndarray, threshold: float = 0.01) -> int:
    """Latent dimensions whose mean varies over the data: Var_x(E_q[z | x]) > 0.01 (Burda et al. 2016).

    Args:
        latent_mean: E_q[z | x], (images, latents).
        threshold: of the variance.
    """
    return int((latent_mean.var(axis=0) > threshold).sum())
