"""The semi-supervised VAE's step on unlabelled images, with the networks of Pyro's example (M2, 500 hidden)."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro.infer import TraceEnum_ELBO, config_enumerate
from torch import Tensor, nn

from benchmarks import torch_contestants
from benchmarks.contest import Contestant
from stages.inference.enumeration import EnumeratedELBO
from stages.models import ssvae
from stages.params import Training

PIXELS, CLASSES, HIDDEN, LATENTS, BATCH = 784, 10, 500, 50, 200


def networks() -> tuple[ssvae.Model, ssvae.Guide]:
    """Those of stages/models/ssvae.py, with the classifier of Pyro's example, which has one hidden layer."""
    params = ssvae.Params.model_construct(
        stack="m2", latents=LATENTS, hidden=HIDDEN, network="mlp", width=1, dropout=0.0
    )
    model, guide = ssvae.build(params)
    guide.classifier = nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, CLASSES))
    return model, guide


def contestants(batches: Sequence[Tensor], training: Training, torch_alone: bool) -> list[Contestant]:
    """Implementations of the gradient step; all start from the same weights.

    Args:
        batches: binary pixels, each (200, 784).
        training: settings of our loop.
        torch_alone: only the implementations in PyTorch and Pyro, which run on any device.
    """
    weights = [part.state_dict() for part in networks()]
    inputs = [(x,) for x in batches]
    rows = [
        ours(weights, inputs, training),
        *torch_contestants.hand_written_both(lambda: HandWritten(weights), inputs),
        tutorial(weights, inputs),
    ]
    if torch_alone:
        return rows
    return [*rows, numpyro(weights, batches), torch_contestants.floor(floor())]


def start(weights: list[dict]) -> tuple[ssvae.Model, ssvae.Guide]:
    """The networks with given weights."""
    model, guide = networks()
    return torch_contestants.copy(model, weights[0]), torch_contestants.copy(guide, weights[1])


def ours(weights: list[dict], inputs: Sequence[tuple], training: Training) -> Contestant:
    """stages/models/ssvae.py in the project's loop, the class enumerated."""
    model, guide = start(weights)
    return torch_contestants.ours(model, guide, EnumeratedELBO(), inputs, BATCH, training)


class HandWritten(nn.Module):
    """An explicit sum over classes; layers with two inputs are computed once per image and once per class."""

    def __init__(self, weights: list[dict]):
        super().__init__()
        self.model, self.guide = start(weights)

    def forward(self, x: Tensor) -> Tensor:
        """Batch to -ELBO per image."""
        log_q = self.guide.classifier(x).log_softmax(-1)  # (batch, classes)
        encode, decode = self.guide.encoder, self.model.decoder
        hidden = F.softplus(encode.inputs(x) + encode.label.weight.T.unsqueeze(1))  # (classes, batch, hidden)
        loc, rho = encode.outputs(hidden).chunk(2, dim=-1)
        scale = F.softplus(rho) + 1e-4
        noise = torch.randn_like(loc)
        z = torch.addcmul(loc, scale, noise)
        logits = decode.outputs(F.softplus(decode.inputs(z) + decode.label.weight.T.unsqueeze(1)))
        distortion = F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)
        rate = (0.5 * (z.square() - noise.square()) - scale.log()).sum(-1)
        cost = distortion + rate + log_q.T - torch.log(torch.tensor(1.0 / CLASSES))
        return (log_q.T.exp() * cost).sum() / len(x)


def tutorial(weights: list[dict], inputs: Sequence[tuple]) -> Contestant:
    """As Pyro's example writes M2: inputs concatenated, the class enumerated and expanded over the batch."""
    model_net, guide_net = start(weights)

    class Joined(nn.Module):
        """A dense layer of concatenated inputs."""

        def __init__(self, both: ssvae.WithClass):
            super().__init__()
            self.linear = nn.Linear(both.inputs.in_features + CLASSES, HIDDEN)
            self.linear.weight.data = torch.cat([both.inputs.weight, both.label.weight], dim=1).detach().clone()
            self.linear.bias.data = both.inputs.bias.detach().clone()

        def forward(self, first, second):
            shape = torch.broadcast_shapes(first.shape[:-1], second.shape[:-1])
            joined = torch.cat([part.expand(*shape, -1) for part in (first, second)], dim=-1)
            return F.softplus(self.linear(joined))

    class SSVAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.classifier = guide_net.classifier
            self.encoder_hidden, self.encoder_output = Joined(guide_net.encoder), guide_net.encoder.outputs
            self.decoder_hidden, self.decoder_output = Joined(model_net.decoder), model_net.decoder.outputs

        def model(self, x):
            pyro.module("ss_vae", self)
            with pyro.plate("data", len(x)):
                prior = x.new_ones(len(x), CLASSES) / CLASSES
                y = pyro.sample("y", dist.OneHotCategorical(prior))
                loc, scale = x.new_zeros(len(x), LATENTS), x.new_ones(len(x), LATENTS)
                z = pyro.sample("z", dist.Normal(loc, scale).to_event(1))
                probabilities = torch.sigmoid(self.decoder_output(self.decoder_hidden(z, y)))
                pyro.sample("x", dist.Bernoulli(probabilities, validate_args=False).to_event(1), obs=x)

        def guide(self, x):
            with pyro.plate("data", len(x)):
                y = pyro.sample("y", dist.OneHotCategorical(self.classifier(x).softmax(-1)))
                loc, rho = self.encoder_output(self.encoder_hidden(x, y)).chunk(2, dim=-1)
                pyro.sample("z", dist.Normal(loc, F.softplus(rho) + 1e-4).to_event(1))

    net = SSVAE()
    guide = config_enumerate(net.guide, "parallel", expand=True)
    return torch_contestants.tutorial(net.model, guide, TraceEnum_ELBO(max_plate_nesting=1), inputs, BATCH)


def numpyro(weights: list[dict], batches: Sequence[Tensor]) -> Contestant:
    """NumPyro, with the sum over classes as one factor in a jitted epoch, two-input layers computed once each."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    from benchmarks import numpyro_contestants

    @contextmanager
    def weighted(log_q):
        plates = numpyro.plate("class", CLASSES, dim=-2), numpyro.plate("data", log_q.shape[-1], dim=-1)
        with plates[0], plates[1], numpyro.handlers.scale(scale=jnp.exp(log_q)):
            yield

    def with_class(w, name, inputs):
        from_inputs = inputs @ w[f"{name}.inputs.weight"].T + w[f"{name}.inputs.bias"]
        hidden = jax.nn.softplus(from_inputs + w[f"{name}.label.weight"].T[:, None])
        return hidden @ w[f"{name}.outputs.weight"].T + w[f"{name}.outputs.bias"]

    def q_z(x, w):
        loc, rho = jnp.split(with_class(w, "encoder", x), 2, axis=-1)
        return dist.Normal(loc, jax.nn.softplus(rho) + 1e-4).to_event(1)

    def log_q_y(x, w):
        hidden = jax.nn.softplus(x @ w["classifier.0.weight"].T + w["classifier.0.bias"])
        return jax.nn.log_softmax(hidden @ w["classifier.2.weight"].T + w["classifier.2.bias"])

    def model(x, w):
        of_model, of_guide = w
        log_q = log_q_y(x, of_guide).T
        with weighted(log_q):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(LATENTS), 1.0).to_event(1))
            logits = with_class(of_model, "decoder", z)
            numpyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=jnp.broadcast_to(x, logits.shape))
        numpyro.factor("y", -(jnp.exp(log_q) * (log_q + jnp.log(CLASSES))).sum())

    def guide(x, w):
        log_q = log_q_y(x, w[1]).T
        with weighted(log_q):
            numpyro.sample("z", q_z(x, w[1]))

    inputs = [(x,) for x in batches]
    return numpyro_contestants.contestant(model, guide, weights, inputs, BATCH, numpyro.infer.Trace_ELBO())


def floor() -> list[Callable[[], None]]:
    """Matrix products of the step: those with the image once, those with the latents ten times."""
    products = torch_contestants.Products
    once = [(PIXELS, HIDDEN, False), (HIDDEN, CLASSES, True), (PIXELS, HIDDEN, False)]
    per_class = [(HIDDEN, 2 * LATENTS, True), (LATENTS, HIDDEN, True), (HIDDEN, PIXELS, True)]
    parts = [products(BATCH, *layer) for layer in once] + [
        products(CLASSES * BATCH, *layer) for layer in per_class
    ]
    return [part.run for part in parts]
