"""What a trained VAE says of images that may be unlike its training data: the statistics behind all scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor

from stages import complexity, datasets
from stages.predictive import likelihood

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
        the lengths of the mean and of the sd of q(z | x); each (images,) float32. latent_mean: (images, latents).
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
    return found | {"code_length": complexity.code_length(x.cpu().numpy())}


def regret(model: PyroModule, guide: PyroModule, pixels: Tensor, ood: OutOfDistribution) -> np.ndarray:
    """By how much the ELBO of each image rises if its own q(z | x) is optimised, starting from the encoder's.

    Likelihood regret of Xiao, Yan and Amit (2020), with a normal of its own for each image instead of an encoder
    of its own. Both ELBOs are estimated with the same random numbers. For a model with the one latent site `z`.

    Args:
        model: the decoder and its prior; not changed.
        guide: the encoder, with a method `q(x)` that returns q(z | x), a normal; not changed.
        pixels: bytes, (images, 784), each binarised once.
        ood: the section of params.yaml: steps, learning rate, and importance samples for both ELBOs.

    Returns:
        (images,) float32, nats.
    """
    parts = [_regret(model, guide, x, ood) for x in datasets.binarise(pixels).split(IMAGES_AT_ONCE)]
    return torch.cat(parts).cpu().numpy()


def _regret(model: PyroModule, guide: PyroModule, x: Tensor, ood: OutOfDistribution) -> Tensor:
    with torch.no_grad():
        q = guide.q(x)
    encoded = [q.loc, q.scale.log()]
    fitted = [value.clone().requires_grad_() for value in encoded]

    def elbo(parameters: list[Tensor], samples: int) -> Tensor:
        loc, log_scale = parameters

        def normal(x: Tensor) -> None:
            with pyro.plate("data", len(x)):
                pyro.sample("z", dist.Normal(loc, log_scale.exp()).to_event(1))

        return likelihood.log_weights(model, normal, x, samples)[0].mean(0)

    optimiser = torch.optim.Adam(fitted, lr=ood.regret_learning_rate)
    for _ in range(ood.regret_steps):
        gradients = torch.autograd.grad(-elbo(fitted, 1).sum(), fitted)  # of nothing else: the decoder stays
        for parameter, gradient in zip(fitted, gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()
    with torch.no_grad():
        state = torch.get_rng_state()
        after = elbo(fitted, ood.importance_samples)
        torch.set_rng_state(state)
        return after - elbo(encoded, ood.importance_samples)
