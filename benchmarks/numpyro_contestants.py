"""Shared by the NumPyro contestants: an epoch of steps inside one jitted function."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpyro
from numpyro.infer import SVI, TraceMeanField_ELBO
from torch import Tensor

from benchmarks.contest import Contestant
from benchmarks.torch_contestants import RATE


def contestant(
    model: Callable, guide: Callable, weights: dict, batches: Sequence[tuple], per_datum: int, elbo=None
) -> Contestant:
    """SVI as NumPyro's documentation recommends for speed: `lax.scan` over an epoch, jitted.

    Args:
        model: called with a batch and the weights.
        guide: the same.
        weights: nested tensors, which become one NumPyro parameter each.
        batches: batches of tensors.
        per_datum: the loss is divided by it.
        elbo: `TraceMeanField_ELBO` if None.
    """
    initial = jax.tree.map(_array, weights, is_leaf=lambda leaf: isinstance(leaf, Tensor))
    leaves, tree = jax.tree.flatten(initial)

    def with_parameters(function):
        def run(*batch):
            values = [numpyro.param(f"w{index}", leaf) for index, leaf in enumerate(leaves)]
            return function(*batch, jax.tree.unflatten(tree, values))

        return run

    model, guide = with_parameters(model), with_parameters(guide)
    svi = SVI(model, guide, numpyro.optim.Adam(RATE), elbo or TraceMeanField_ELBO())
    columns = [jnp.stack([_array(value) for value in column]) for column in zip(*batches, strict=True)]
    fixed = [column[0] for column in columns]
    state = svi.init(jax.random.PRNGKey(0), *fixed)
    keys = map(jax.random.PRNGKey, itertools.count(1))

    @partial(jax.jit, static_argnums=1, donate_argnums=0)
    def epoch(state, steps, columns):
        def body(state, index):
            batch = [column[index % len(column)] for column in columns]
            return svi.update(state, *batch)

        return jax.lax.scan(body, state, jnp.arange(steps))

    loss = jax.jit(lambda key, parameters: svi.loss.loss(key, parameters, model, guide, *fixed) / per_datum)

    def run(steps: int) -> None:
        nonlocal state
        state, losses = epoch(state, steps, columns)
        losses.block_until_ready()

    return Contestant("NumPyro", lambda: float(loss(next(keys), svi.get_params(state))), run)


def _array(value: Tensor):
    return jnp.asarray(value.detach().cpu().numpy())
