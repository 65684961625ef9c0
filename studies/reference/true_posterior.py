"""The same models in JAX, for a sampler whose draws come from the posterior itself: NUTS by NumPyro."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.infer import MCMC, NUTS
from scipy import special

from studies.reference.problems import Sampler

Weights = list[
    tuple[jax.Array, jax.Array]
]  # of each layer: (outputs, inputs) and (outputs,), in units of the prior


class Chain(NamedTuple):
    """One chain after its warm-up."""

    weights: np.ndarray  # in units of their prior sds, (draws, number of weights)
    steps: np.ndarray  # leapfrog steps to each draw, (draws,)
    divergent: np.ndarray  # (draws,) bool


class Posterior:
    """The posterior of a network of dense layers with ReLU units, given data.

    The weights are in units of their prior sds, so their prior is a standard normal.

    Args:
        inputs: (data, inputs).
        labels: (data,).
        sizes: number of inputs, of units in each hidden layer, and of classes.
        sds: prior sds of the weights and of the biases of each layer.
    """

    def __init__(self, inputs: np.ndarray, labels: np.ndarray, sizes: list[int], sds: list[tuple[float, float]]):
        self.inputs, self.labels = jnp.asarray(inputs), jnp.asarray(labels)
        self.sizes, self.sds = sizes, sds
        self.size = sum((before + 1) * after for before, after in pairwise(sizes))

    def layers(self, weights: jax.Array) -> Weights:
        """The layers of one vector of weights, (number of weights,): weight before bias, as in PyTorch."""
        found, place = [], 0
        for before, after in pairwise(self.sizes):
            end = place + before * after
            found.append((weights[place:end].reshape(after, before), weights[end : end + after]))
            place = end + after
        return found

    def logits(self, weights: jax.Array, inputs: jax.Array) -> jax.Array:
        """Of a network, (data, classes)."""
        hidden = inputs
        for place, ((weight, bias), (weight_sd, bias_sd)) in enumerate(
            zip(self.layers(weights), self.sds, strict=True)
        ):
            hidden = hidden if place == 0 else jax.nn.relu(hidden)
            hidden = hidden @ (weight_sd * weight).T + bias_sd * bias
        return hidden

    def potential(self, weights: jax.Array) -> jax.Array:
        """-log p(labels, weights) up to a constant, nats, ()."""
        log_p = jax.nn.log_softmax(self.logits(weights, self.inputs))
        log_likelihood = jnp.take_along_axis(log_p, self.labels[:, None], axis=1).sum()
        return 0.5 * (weights**2).sum() - log_likelihood

    def covariance_at_mode(self, steps: int = 25) -> jax.Array:
        """The inverse of the potential's Hessian at its minimum, found by Newton's method; for convex potentials.

        Returns:
            (number of weights, number of weights).
        """
        gradient, hessian = jax.jit(jax.grad(self.potential)), jax.jit(jax.hessian(self.potential))
        weights = jnp.zeros(self.size)
        for _ in range(steps):
            step = jnp.linalg.solve(hessian(weights), gradient(weights))
            sizes = jnp.array([1.0, 0.5, 0.25, 0.1, 0.03])
            reached = jnp.array([self.potential(weights - size * step) for size in sizes])
            weights = weights - sizes[reached.argmin()] * step
            if jnp.abs(step).max() < 1e-3:
                break
        return jnp.linalg.inv(hessian(weights))

    def sample(self, sampler: Sampler, seed: int, progress: bool = True) -> Chain:
        """One chain, which starts at a draw from the prior."""
        known = {"inverse_mass_matrix": self.covariance_at_mode(), "dense_mass": True} if sampler.curvature else {}
        kernel = NUTS(
            potential_fn=self.potential,
            max_tree_depth=sampler.depth,
            adapt_mass_matrix=not sampler.curvature,
            **known,
        )
        chains = MCMC(kernel, num_warmup=sampler.warmup, num_samples=sampler.draws, progress_bar=progress)
        start, key = jax.random.split(jax.random.PRNGKey(seed))
        first = jax.random.normal(start, (self.size,))
        chains.run(key, init_params=first, extra_fields=("num_steps", "diverging"))
        extra = chains.get_extra_fields()
        return Chain(
            np.asarray(chains.get_samples()), np.asarray(extra["num_steps"]), np.asarray(extra["diverging"])
        )

    def log_probabilities(self, weights: np.ndarray, inputs: np.ndarray) -> np.ndarray:
        """log p(y | x, w) of one network, (data, classes) float64: no digit has a probability of exactly 1."""
        if not hasattr(self, "_logits"):
            self._logits = jax.jit(self.logits)
        logits = np.asarray(self._logits(jnp.asarray(weights), jnp.asarray(inputs)), np.float64)
        return special.log_softmax(logits, axis=1)
