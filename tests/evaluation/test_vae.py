"""Active units of the VAE's latent space."""

import numpy as np

from stages.evaluation import vae


def test_active_units_are_those_whose_mean_varies():
    variance = np.array([0.0, 0.0099, 0.0101, 1.0])  # two equally frequent values, one sd above and below the mean
    sides = np.where(np.arange(100) % 2, 1.0, -1.0)[:, None]
    latent_mean = 5.0 + sides * np.sqrt(variance)
    assert vae.active_units(latent_mean) == 2
    assert vae.active_units(latent_mean, threshold=0.5) == 1
    assert vae.active_units(latent_mean[:1]) == 0
