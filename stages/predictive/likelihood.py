"""Bounds on the likelihood of images under a VAE, by importance sampling from its guide."""

import math

import torch
from pyro import poutine, primitives
from pyro.nn import PyroModule
from torch import Tensor
from tqdm import tqdm

IMAGES_AT_ONCE, SAMPLES_AT_ONCE = 100, 50  # per forward pass: 16 MB for each activation of 784 pixels


def log_weights(model: PyroModule, guide: PyroModule, x: Tensor, samples: int) -> tuple[Tensor, Tensor]:
    """log p(x, z) - log q(z | x) and log p(x | z) for z drawn from the guide.

    Args:
        model: observes the site `x`.
        guide: of that model; all other sites are drawn from it.
        x: images, (batch, 784).
        samples: number of draws per image.

    Returns:
        Log weights and log likelihoods, both (samples, batch), nats.
    """
    with primitives.plate("importance_samples", samples, dim=-2):
        guide_trace = poutine.trace(guide).get_trace(x)
        model_trace = poutine.trace(poutine.replay(model, guide_trace)).get_trace(x)
    guide_trace.compute_log_prob()
    model_trace.compute_log_prob()
    joint = sum(site["log_prob"] for site in model_trace.nodes.values() if "log_prob" in site)
    q = sum(site["log_prob"] for site in guide_trace.nodes.values() if "log_prob" in site)
    return joint - q, model_trace.nodes["x"]["log_prob"]


@torch.no_grad()
def bounds(model: PyroModule, guide: PyroModule, images: Tensor, samples: int) -> dict[str, Tensor]:
    """The IWAE bound and the two terms of the ELBO, per image.

    log p(x) >= IWAE_k = E[log 1/k sum_i w_i] (Burda, Grosse and Salakhutdinov 2016), which increases with k =
    `samples`. Memory grows neither with `samples` nor with the number of images.

    Args:
        model: as for `log_weights`.
        guide: as for `log_weights`, with a method `q(x)` that returns q(z | x).
        images: binary, (images, 784).
        samples: importance samples per image.

    Returns:
        iwae: the bound, (images,), nats.
        rate: KL(q(z | x) || p(z)) in closed form; distortion: -E_q[log p(x | z)] (Alemi et al. 2018); both
        (images,), nats. Minus their sum is the ELBO.
        latent_mean: E_q[z | x], (images, latents).
    """
    parts = []
    for x in tqdm(images.split(IMAGES_AT_ONCE), desc=f"IWAE-{samples}", unit="batch", disable=None):
        log_sum, log_likelihood = x.new_full((len(x),), -math.inf), 0.0
        for start in range(0, samples, SAMPLES_AT_ONCE):
            weights, likelihoods = log_weights(model, guide, x, min(SAMPLES_AT_ONCE, samples - start))
            log_sum = torch.logaddexp(log_sum, weights.logsumexp(0))
            log_likelihood = log_likelihood + likelihoods.sum(0)
        q = guide.q(x)
        standard = torch.distributions.Normal(torch.zeros_like(q.loc), torch.ones_like(q.scale))
        rate = torch.distributions.kl_divergence(q, standard).sum(-1)
        parts.append((log_sum - math.log(samples), rate, -log_likelihood / samples, q.loc))
    names = ("iwae", "rate", "distortion", "latent_mean")
    return {name: torch.cat(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}
