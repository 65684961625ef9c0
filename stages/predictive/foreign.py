"""What a trained VAE says of images that may be unlike its training data: the statistics behind all scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyro
import torch
from pyro.nn import PyroModule
from torch import Tensor

from stages import complexity, datasets
from stages.models import vae
from stages.predictive import likelihood
from stages.predictive.refined import Moved, refine, unmoved

if TYPE_CHECKING:
    from stages.settings import OutOfDistribution

IMAGES_AT_ONCE = 500


def statistics(
    model: PyroModule, guide: PyroModule, pixels: Tensor, ood: OutOfDistribution
) -> dict[str, np.ndarray]:
    """Bounds, encoder outputs and complexity of grey images, averaged over several binary draws of each.

    Args:
        model: the decoder and its prior.
        guide: the encoder, with a method `q(x)` that returns q(z | x), a normal.
        pixels: bytes, (images, 784).
        ood: the section of params.yaml: how many draws, and how many importance samples for each.

    Returns:
        iwae, a bound on log p(x), rate, distortion, code_length, grey_entropy (nats); mean_norm and scale_norm,
        the lengths of the mean and of the sd of q(z | x), or of q(z2 | x); each (images,) float32. latent_mean:
        (images, latents). With two levels also iwae_above (nats), the bound from `UpperLevel`.
    """
    draws = [
        _of_draw(model, guide, datasets.binarise(pixels), ood.importance_samples) for _ in range(ood.binarisations)
    ]
    means = {name: np.mean([draw[name] for draw in draws], axis=0, dtype=np.float64) for name in draws[0]}
    means["grey_entropy"] = complexity.grey_entropy(pixels.cpu().numpy())
    return {name: values.astype(np.float32) for name, values in means.items()}


def _of_draw(model: PyroModule, guide: PyroModule, x: Tensor, samples: int) -> dict[str, np.ndarray]:
    found = likelihood.bounds(model, guide, x, samples)
    with torch.no_grad():
        q = [guide.q(part) for part in x.split(IMAGES_AT_ONCE)]
    found = {name: found[name].cpu().numpy() for name in ("iwae", "rate", "distortion", "latent_mean")} | {
        "mean_norm": torch.cat([part.loc.norm(dim=-1) for part in q]).cpu().numpy(),
        "scale_norm": torch.cat([part.scale.norm(dim=-1) for part in q]).cpu().numpy(),
    }
    if guide.levels == 2:
        found["iwae_above"] = likelihood.bounds(model, UpperLevel(model, guide), x, samples)["iwae"].cpu().numpy()
    return found | {"code_length": complexity.code_length(x.cpu().numpy())}


class UpperLevel(PyroModule):
    """A guide that encodes the upper level alone: q(z2 | x) p(z1 | z2).

    What its bound on log p(x) lacks is what the image says of z1 beyond z2 (L^{>1} of Havtorn et al. 2021).
    """

    def __init__(self, model: vae.Model, guide: vae.Guide):
        super().__init__()
        self.lower_prior, self.q = model.lower_prior, guide.q

    def forward(self, x: Tensor) -> None:
        """Draw z2 and z1 for images, (batch, 784)."""
        with pyro.plate("data", len(x)):
            z2 = pyro.sample("z2", self.q(x).to_event(1))
            pyro.sample("z1", vae.normal(self.lower_prior(z2)))


def regret(model: PyroModule, guide: PyroModule, pixels: Tensor, ood: OutOfDistribution) -> np.ndarray:
    """By how much the ELBO of each image rises if its own q(z | x) is optimised, starting from the encoder's.

    Likelihood regret of Xiao, Yan and Amit (2020), with an offset and a factor for the means and the sds of each
    image instead of an encoder of its own. Both ELBOs are estimated with the same random numbers.

    Args:
        model: the decoder and its prior; not changed.
        guide: the encoder, all of whose sites are normals; not changed.
        pixels: bytes, (images, 784), each binarised once.
        ood: the section of params.yaml: steps, learning rate, and importance samples for both ELBOs.

    Returns:
        (images,) float32, nats.
    """
    parts = [_regret(model, guide, x, ood) for x in datasets.binarise(pixels).split(IMAGES_AT_ONCE)]
    return torch.cat(parts).cpu().numpy()


def _regret(model: PyroModule, guide: PyroModule, x: Tensor, ood: OutOfDistribution) -> Tensor:
    moves = unmoved(guide, x)
    generator = torch.cuda if x.is_cuda else torch.random  # the one that Pyro draws from

    def elbo(samples: int) -> Tensor:
        return likelihood.log_weights(model, Moved(moves)(guide), x, samples)[0].mean(0)

    with torch.no_grad():
        state = generator.get_rng_state()
        encoded = elbo(ood.importance_samples)
    refine(moves, lambda: elbo(1), ood.regret_steps, ood.regret_learning_rate)
    with torch.no_grad():
        generator.set_rng_state(state)
        return elbo(ood.importance_samples) - encoded
