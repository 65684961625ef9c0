"""The VAE of Pyro's example, 784-400-50 with a softplus layer, on binarised Fashion-MNIST."""

from collections.abc import Callable, Sequence

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from torch import Tensor, nn

from benchmarks import torch_contestants
from benchmarks.contest import Contestant
from stages.models import vae
from stages.params import Training

PIXELS, HIDDEN, LATENTS, BATCH = 784, 400, 50, 256


def encoder() -> nn.Sequential:
    """Images to means and raw scales of z."""
    return nn.Sequential(nn.Linear(PIXELS, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, 2 * LATENTS))


def decoder() -> nn.Sequential:
    """z to logits of the pixels."""
    return nn.Sequential(nn.Linear(LATENTS, HIDDEN), nn.Softplus(), nn.Linear(HIDDEN, PIXELS))


def contestants(batches: Sequence[Tensor], training: Training, torch_alone: bool) -> list[Contestant]:
    """Implementations of the gradient step; all start from the same weights.

    Args:
        batches: binary pixels, each (256, 784).
        training: settings of our loop.
        torch_alone: only the implementations in PyTorch and Pyro, which run on any device.
    """
    weights = {"encoder": encoder().state_dict(), "decoder": decoder().state_dict()}
    inputs = [(x,) for x in batches]
    rows = [
        ours(weights, inputs, training),
        *torch_contestants.hand_written_both(lambda: HandWritten(weights), inputs),
        tutorial(weights, inputs),
    ]
    if torch_alone:
        return rows
    return [*rows, numpyro(weights, batches), torch_contestants.floor(floor())]


def ours(weights: dict, inputs: Sequence[tuple], training: Training) -> Contestant:
    """stages/models/vae.py with this encoder and decoder, in the project's loop."""
    params = vae.Params.model_construct(
        latents=LATENTS, hidden=HIDDEN, levels=1, prior="normal", components=1, pixels="independent"
    )
    model, guide = vae.build(params)
    model.decoder = torch_contestants.copy(decoder(), weights["decoder"])
    guide.encoder = torch_contestants.copy(encoder(), weights["encoder"])
    return torch_contestants.ours(model, guide, TraceMeanField_ELBO(), inputs, BATCH, training)


class HandWritten(nn.Module):
    """The same bound, without Pyro."""

    def __init__(self, weights: dict):
        super().__init__()
        self.encoder = torch_contestants.copy(encoder(), weights["encoder"])
        self.decoder = torch_contestants.copy(decoder(), weights["decoder"])

    def forward(self, x: Tensor) -> Tensor:
        """Batch to -ELBO per image."""
        loc, rho = self.encoder(x).chunk(2, dim=-1)
        scale = F.softplus(rho) + 1e-4
        logits = self.decoder(torch.addcmul(loc, scale, torch.randn_like(loc)))
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        rate = 0.5 * (loc.square() + scale.square() - 1).sum() - scale.log().sum()
        return (distortion + rate) / len(x)


def tutorial(weights: dict, inputs: Sequence[tuple]) -> Contestant:
    """As Pyro's documentation writes a VAE: `pyro.module`, probabilities for the Bernoulli, `Trace_ELBO`."""

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(PIXELS, HIDDEN)
            self.loc = nn.Linear(HIDDEN, LATENTS)
            self.scale = nn.Linear(HIDDEN, LATENTS)
            self.softplus = nn.Softplus()

        def forward(self, x):
            hidden = self.softplus(self.hidden(x))
            return self.loc(hidden), self.softplus(self.scale(hidden)) + 1e-4

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(LATENTS, HIDDEN)
            self.pixels = nn.Linear(HIDDEN, PIXELS)
            self.softplus = nn.Softplus()
            self.sigmoid = nn.Sigmoid()

        def forward(self, z):
            return self.sigmoid(self.pixels(self.softplus(self.hidden(z))))

    class VAE(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = Encoder(), Decoder()

        def model(self, x):
            pyro.module("decoder", self.decoder)
            with pyro.plate("data", x.shape[0]):
                z_loc = torch.zeros(x.shape[0], LATENTS, dtype=x.dtype, device=x.device)
                z_scale = torch.ones(x.shape[0], LATENTS, dtype=x.dtype, device=x.device)
                z = pyro.sample("latent", dist.Normal(z_loc, z_scale).to_event(1))
                pyro.sample("obs", dist.Bernoulli(self.decoder(z)).to_event(1), obs=x)

        def guide(self, x):
            pyro.module("encoder", self.encoder)
            with pyro.plate("data", x.shape[0]):
                z_loc, z_scale = self.encoder(x)
                pyro.sample("latent", dist.Normal(z_loc, z_scale).to_event(1))

    net = VAE()
    w, b = weights["encoder"]["2.weight"], weights["encoder"]["2.bias"]
    torch_contestants.copy(
        net.encoder,
        {"hidden.weight": weights["encoder"]["0.weight"], "hidden.bias": weights["encoder"]["0.bias"]}
        | {"loc.weight": w[:LATENTS], "loc.bias": b[:LATENTS]}
        | {"scale.weight": w[LATENTS:], "scale.bias": b[LATENTS:]},
    )
    names = {"0": "hidden", "2": "pixels"}
    decoder_weights = {f"{names[key[0]]}{key[1:]}": value for key, value in weights["decoder"].items()}
    torch_contestants.copy(net.decoder, decoder_weights)
    return torch_contestants.tutorial(net.model, net.guide, Trace_ELBO(), inputs, BATCH)


def numpyro(weights: dict, batches: Sequence[Tensor]) -> Contestant:
    """NumPyro, with `lax.scan` over the batches inside one jitted function."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    from benchmarks import numpyro_contestants

    def model(x, w):
        with numpyro.plate("data", len(x)):
            z = numpyro.sample("z", dist.Normal(jnp.zeros(LATENTS), 1.0).to_event(1))
            hidden = jax.nn.softplus(z @ w["decoder"]["0.weight"].T + w["decoder"]["0.bias"])
            logits = hidden @ w["decoder"]["2.weight"].T + w["decoder"]["2.bias"]
            numpyro.sample("x", dist.Bernoulli(logits=logits).to_event(1), obs=x)

    def guide(x, w):
        hidden = jax.nn.softplus(x @ w["encoder"]["0.weight"].T + w["encoder"]["0.bias"])
        loc, rho = jnp.split(hidden @ w["encoder"]["2.weight"].T + w["encoder"]["2.bias"], 2, axis=-1)
        with numpyro.plate("data", len(x)):
            numpyro.sample("z", dist.Normal(loc, jax.nn.softplus(rho) + 1e-4).to_event(1))

    return numpyro_contestants.contestant(model, guide, weights, [(x,) for x in batches], BATCH)


def floor() -> list[Callable[[], None]]:
    """Matrix products of the step."""
    sizes = [(PIXELS, HIDDEN), (HIDDEN, 2 * LATENTS), (LATENTS, HIDDEN), (HIDDEN, PIXELS)]
    return [torch_contestants.Products(BATCH, *size, index > 0).run for index, size in enumerate(sizes)]
