"""Step 4b for the VAE: bounds on the likelihood of held-out images, and the use of the latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stages.evaluation import ood

if TYPE_CHECKING:
    from stages.settings import Settings

TEST_CASES = {"cases"}  # groups with one entry per test case, which the bootstrap resamples
TITLE = "VAE"
RESULTS = {  # rows of the table of results, by their place in metrics/summary.json: label, decimals
    "vae.iwae": ("−IWAE, {vae[iwae_samples][mean]:.0f} samples (nats per image)", 2),
    "vae.elbo": ("−ELBO (nats per image)", 2),
    "vae.active_units": ("active units of the latent space", 0),
    "ood/vae.*.likelihood.auroc": ("AUROC against {other}, likelihood", 4),
    "ood/vae.*.input_complexity.auroc": (
        "AUROC against {other}, negative log likelihood minus length of a code",
        5,
    ),
    "ood/vae.*.combined.auroc": ("AUROC against {other}, combined score", 4),
    "ood/vae.*.grey_entropy.auroc": ("AUROC against {other}, grey entropy without a model", 4),
}
HEADLINES = {  # the columns of `dvc exp show`: name, and place in metrics/summary.json
    "iwae": "vae.iwae",
    "auroc": "ood/vae.*.likelihood.auroc",
    "foreign": "ood/vae.*.input_complexity.auroc",  # the score that is `ood.headline`
}


def in_distribution(settings: Settings) -> str:
    """The data set that the VAE was trained on."""
    return settings.vae.dataset


def out_of_distribution(settings: Settings) -> list[str]:
    """The data set `ood.vae` of params.yaml."""
    return [settings.ood.vae]


def ood_scorer(settings: Settings, reference: dict[str, np.ndarray]) -> ood.ImageScores:
    """The function from statistics of images to scores.

    Args:
        settings: of which `ood.components` matters here.
        reference: statistics of training images.
    """
    return ood.ImageScores(reference, settings.ood.components)


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Negative likelihood bounds, -ELBO and -IWAE, in nats per image; lower is better."""
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
    """Number of latent dimensions whose mean varies over the data: Var_x(E_q[z | x]) > 0.01 (Burda et al. 2016).

    Args:
        latent_mean: E_q[z | x], (images, latents).
        threshold: of the variance.
    """
    return int((latent_mean.var(axis=0) > threshold).sum())
