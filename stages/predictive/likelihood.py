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
    guide_trace, model_trace = _traces(model, guide, x, samples)
    return _log_weights(guide_trace, model_trace), model_trace.nodes["x"]["log_prob"]


@torch.no_grad()
def bounds(model: PyroModule, guide: PyroModule, images: Tensor, samples: int) -> dict[str, Tensor]:
    """The IWAE bound and the two terms of the ELBO, per image.

    log p(x) >= IWAE_k = E[log 1/k sum_i w_i] (Burda, Grosse and Salakhutdinov 2016), which increases with k.
    Memory does not grow with the number of images.

    Args:
        model: as for `log_weights`.
        guide: as for `log_weights`.
        images: binary, (images, 784).
        samples: importance samples per image.

    Returns:
        iwae: the bound for k = `samples`, (images,), nats.
        iwae_by_samples: the bound for each k of `sample_counts(samples)`, (images, counts), nats; below `samples`,
        the mean over as many groups of k samples as there are.
        rate: KL(q(z | x) || p(z)), in closed form where there is one, else by the same samples; distortion:
        -E_q[log p(x | z)] (Alemi et al. 2018); both (images,), nats. Minus their sum is the ELBO.
        latent_mean: E_q[z | x], (images, latents); all sites side by side.
    """
    parts = []
    for x in tqdm(images.split(IMAGES_AT_ONCE), desc=f"IWAE-{samples}", unit="batch", disable=None):
        weights, sums = [], None
        for start in range(0, samples, SAMPLES_AT_ONCE):
            count = min(SAMPLES_AT_ONCE, samples - start)
            guide_trace, model_trace = _traces(model, guide, x, count)
            weights.append(_log_weights(guide_trace, model_trace))
            rate = sum(
                _divergence(guide_trace.nodes[name], model_trace.nodes[name]) for name in _latent(guide_trace)
            )
            latent = torch.cat([guide_trace.nodes[name]["fn"].mean for name in _latent(guide_trace)], dim=-1)
            terms = (rate, -model_trace.nodes["x"]["log_prob"], latent.expand(count, *latent.shape[-2:]))
            terms = [term.sum(0) for term in terms]
            sums = terms if sums is None else [old + new for old, new in zip(sums, terms, strict=True)]
        curve = _by_samples(torch.cat(weights))
        parts.append((curve[:, -1], curve, *(total / samples for total in sums)))
    names = ("iwae", "iwae_by_samples", "rate", "distortion", "latent_mean")
    return {name: torch.cat(column) for name, column in zip(names, zip(*parts, strict=True), strict=True)}


def sample_counts(samples: int) -> list[int]:
    """1, 2, 5, 10, 20, 50, ... and, as the last, `samples`: where the curve of the bound is computed."""
    rounds = [factor * 10**power for power in range(len(str(samples))) for factor in (1, 2, 5)]
    return [count for count in rounds if count < samples] + [samples]


def _by_samples(log_weights: Tensor) -> Tensor:
    """(samples, batch) -> the bound for each of `sample_counts`, (batch, counts)."""
    samples, batch = log_weights.shape
    bounds = []
    for count in sample_counts(samples):
        groups = log_weights[: samples // count * count].view(-1, count, batch)
        bounds.append((groups.logsumexp(1) - math.log(count)).mean(0))
    return torch.stack(bounds, dim=-1)


def _traces(model: PyroModule, guide: PyroModule, x: Tensor, samples: int) -> tuple[poutine.Trace, poutine.Trace]:
    """Traces of the guide and of the model, with log densities of shape (samples, batch)."""
    with primitives.plate("importance_samples", samples, dim=-2):
        guide_trace = poutine.trace(guide).get_trace(x)
        model_trace = poutine.trace(poutine.replay(model, guide_trace)).get_trace(x)
    guide_trace.compute_log_prob()
    model_trace.compute_log_prob()
    return guide_trace, model_trace


def _log_weights(guide_trace: poutine.Trace, model_trace: poutine.Trace) -> Tensor:
    joint = sum(site["log_prob"] for site in model_trace.nodes.values() if "log_prob" in site)
    return joint - sum(site["log_prob"] for site in guide_trace.nodes.values() if "log_prob" in site)


def _latent(guide_trace: poutine.Trace) -> list[str]:
    """Names of the sites that the guide draws, in their order."""
    plates = {name for name, site in guide_trace.nodes.items() if poutine.util.site_is_subsample(site)}
    return [name for name in guide_trace.stochastic_nodes if name not in plates]


def _divergence(q: dict, p: dict) -> Tensor:
    """KL of two sites given the sites before, or an estimate from the values drawn; (samples, batch), nats."""
    try:
        return torch.distributions.kl_divergence(q["fn"], p["fn"]).expand(q["log_prob"].shape)
    except NotImplementedError:
        return q["log_prob"] - p["log_prob"]
