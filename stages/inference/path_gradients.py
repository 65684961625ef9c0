"""Gradient estimators for continuous latent variables whose noise falls as the guide approaches the posterior.

With z = g(noise, phi) drawn from q(z | x; phi), the derivative of log p(x, z) - log q(z | x; phi) in phi has two
parts: one along the path through z, and the score, the derivative of log q in its own parameters. The expectation
of the score is zero, but its noise is not: it remains even where q is the exact posterior. Both estimators here
hold phi in log q fixed and so leave the score out.

    PathELBO   "sticking the landing", for the ELBO (Roeder, Wu and Duvenaud 2017)
    DReG       "doubly reparameterised", for the IWAE bound (Tucker et al. 2019)

The guide's sites must be reparameterised, and all data in one plate.
"""

import math
from collections.abc import Iterator
from contextlib import nullcontext

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor


class HeldELBO(pyro.infer.ELBO):
    """What both have in common: traces of model and guide, all particles at once."""

    def _get_trace(self, model, guide, args, kwargs) -> tuple[poutine.Trace, poutine.Trace]:
        """Traces whose sites have log densities of shape (particles, batch), or (batch,) for one particle."""
        copies = pyro.plate("particles", self.num_particles, dim=-2) if self.num_particles > 1 else nullcontext()
        with copies:
            guide_trace = poutine.trace(guide).get_trace(*args, **kwargs)
            model_trace = poutine.trace(poutine.replay(model, guide_trace)).get_trace(*args, **kwargs)
        model_trace.compute_log_prob()
        return model_trace, guide_trace

    def loss(self, model, guide, *args, **kwargs) -> float:
        """The estimate as a number."""
        with torch.no_grad():
            return self.differentiable_loss(model, guide, *args, **kwargs).item()


class PathELBO(HeldELBO):
    """The negative ELBO, with the path gradient.

    With several sites in the guide, such as q(z2 | x) q(z1 | x, z2), each density is held in its own parameters,
    those that depend on other sites included: given these sites, that part of the gradient is zero on average too.

    Args:
        num_particles: draws of z for each image.
    """

    def differentiable_loss(self, model, guide, *args, **kwargs) -> Tensor:
        """The estimate, nats, (); it scales as the plates do."""
        model_trace, guide_trace = self._get_trace(model, guide, args, kwargs)
        joint = sum(site["log_prob"].sum() for site in _sites(model_trace))
        q = sum(held(site).sum() for site in _sites(guide_trace))
        return (q - joint) / self.num_particles


class DReG(HeldELBO):
    """The negative IWAE bound, with the doubly reparameterised gradient.

    Let w_i = p(x, z_i) / q(z_i | x; phi) for `num_particles` draws of z, and v_i = w_i / sum_j w_j. The bound is
    log 1/k sum_i w_i. Its gradient is sum_i v_i d log w_i in the model's parameters and, for a guide with one
    latent site, sum_i v_i^2 (d log w_i / d z_i) (d z_i / d phi) in phi.

    Args:
        num_particles: draws of z for each image, k.
    """

    def differentiable_loss(self, model, guide, *args, **kwargs) -> Tensor:
        """The estimate, nats, (); it scales as the plates do."""
        again = _AgainWeighted()
        model_trace, guide_trace = self._get_trace(model, again(guide), args, kwargs)
        sites = list(_sites(guide_trace))
        if len(sites) != 1:
            raise ValueError(f"the guide draws {len(sites)} sites: this gradient is for one")
        joint = sum(site["log_prob"] for site in _sites(model_trace))  # (particles, batch) or (batch,)
        log_w = joint - held(sites[0])
        if self.num_particles == 1:
            log_w = log_w.unsqueeze(0)
        scale = next(site["scale"] for site in _sites(model_trace) if site["is_observed"])  # of the data's plate
        log_w = log_w / scale
        v = log_w.detach().softmax(0)  # (particles, batch)
        again.weights = v if self.num_particles > 1 else v.squeeze(0)
        bound = log_w.detach().logsumexp(0) - math.log(self.num_particles)
        with_gradient = (v * log_w).sum(0)
        return -scale * (bound + with_gradient - with_gradient.detach()).sum()


class _AgainWeighted(Messenger):
    """Multiply the gradient that reaches a drawn z by `weights`, which are known once all densities are."""

    weights: Tensor

    def _pyro_post_sample(self, message) -> None:
        if not message["is_observed"] and message["value"].requires_grad:
            message["value"].register_hook(lambda gradient: gradient * self.weights.unsqueeze(-1))


def _sites(trace: poutine.Trace) -> Iterator[dict]:
    """The sample sites that are no plates."""
    for site in trace.nodes.values():
        if site["type"] == "sample" and not poutine.util.site_is_subsample(site):
            yield site


def held(site: dict) -> Tensor:
    """The scaled log density of a site's value, without a gradient in the parameters of its distribution."""
    return site["scale"] * _detached(site["fn"]).log_prob(site["value"])


def _detached(fn: dist.Distribution) -> dist.Distribution:
    """The same distribution with its parameters detached."""
    if isinstance(fn, torch.distributions.Independent):
        return dist.Independent(_detached(fn.base_dist), fn.reinterpreted_batch_ndims)
    if not fn.has_rsample:
        raise ValueError(f"{type(fn).__name__} cannot be reparameterised: use another estimator")
    return type(fn)(**{name: getattr(fn, name).detach() for name in fn.arg_constraints})
