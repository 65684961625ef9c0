"""Mean-field Bayesian neural networks on MNIST: the 784-400-400-10 network and the LeNet of the pipeline."""

import math
from collections.abc import Callable, Sequence

import pyro
import pyro.distributions as dist
import torch
import torch.nn.functional as F
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.nn import PyroModule, PyroSample
from torch import Tensor, nn

from benchmarks import torch_contestants
from benchmarks.contest import Contestant
from stages.inference.local_reparameterization import MIN_VARIANCE, LocalReparameterization
from stages.models import bnn, weight_priors
from stages.models.networks import NETWORKS
from stages.models.weight_guides import MeanFieldGuide
from stages.params import Training

BATCH, SIZE = 128, 50_000
INITIAL_SD = 0.02


def contestants(
    batches: Sequence[tuple[Tensor, Tensor]], training: Training, torch_alone: bool, network: str
) -> list[Contestant]:
    """Implementations of the gradient step; all start from the same weights.

    Args:
        batches: images (128, 784) in [0, 1] and labels (128,).
        training: settings of our loop.
        torch_alone: only the implementations in PyTorch and Pyro, which run on any device.
        network: `mlp` or `lenet`.
    """
    build = NETWORKS[network]
    weights = build().state_dict()
    rows = [
        ours(build(), weights, batches, training),
        *torch_contestants.hand_written_both(lambda: HandWritten(build(), weights), batches),
        tutorial(build(), weights, batches),
    ]
    if torch_alone:
        return rows
    if network == "mlp":
        return [*rows, numpyro(weights, batches), torch_contestants.floor(mlp_floor())]
    return [*rows, bayesian_torch(build(), weights, batches), torch_contestants.floor(lenet_floor())]


def ours(network: nn.Module, weights: dict, batches, training: Training) -> Contestant:
    """stages/models/bnn.py in the project's loop."""
    network.load_state_dict(weights)
    sites = {f"network.{name}": value for name, value in network.named_parameters()}
    guide = MeanFieldGuide(sites, INITIAL_SD)
    model = bnn.Model(network, weight_priors.isotropic(1.0))
    inputs = [(*batch, SIZE) for batch in batches]
    return torch_contestants.ours(
        model, guide, TraceMeanField_ELBO(), inputs, SIZE, training, LocalReparameterization
    )


class HandWritten(nn.Module):
    """The same bound, hand-written: explicit local reparameterisation and Flipout, the KL term in closed form."""

    def __init__(self, network: nn.Sequential, weights: dict):
        super().__init__()
        network.load_state_dict(weights)
        self.loc = network
        self.rho = nn.ParameterDict(
            {
                name.replace(".", "_"): torch.full_like(value, math.log(math.expm1(INITIAL_SD)))
                for name, value in network.named_parameters()
            }
        )

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Batch to -ELBO per image."""
        h, kl = images, 0.0
        for name, layer in self.loc.named_children():
            if not hasattr(layer, "weight"):
                h = layer(h)
                continue
            weight_sd, bias_sd = F.softplus(self.rho[f"{name}_weight"]), F.softplus(self.rho[f"{name}_bias"])
            if isinstance(layer, nn.Conv2d):
                signs = torch.randint(2, (len(h), sum(layer.weight.shape[:2]), 1, 1), device=h.device) * 2.0 - 1
                into, out = signs.split(layer.weight.shape[1::-1], dim=1)
                bias_noise = bias_sd * torch.randn(len(h), len(bias_sd), device=h.device)
                noise = F.conv2d(h * into, weight_sd * torch.randn_like(weight_sd)) * out
                h = layer(h) + noise + bias_noise[..., None, None]
            else:
                variance = F.linear(h.square(), weight_sd.square(), bias_sd.square())
                h = layer(h) + variance.clamp(min=MIN_VARIANCE).sqrt() * torch.randn_like(variance)
            for loc, sd in ((layer.weight, weight_sd), (layer.bias, bias_sd)):
                kl = kl + 0.5 * (loc.square() + sd.square() - 1).sum() - sd.log().sum()
        return F.cross_entropy(h, labels) + kl / SIZE


def tutorial(network: nn.Module, weights: dict, batches) -> Contestant:
    """As Pyro's documentation writes a BNN: `PyroSample` priors, an AutoNormal guide, weights drawn per batch."""

    class Network(PyroModule):
        def __init__(self):
            super().__init__()
            self.network = network
            pyro.nn.module.to_pyro_module_(self.network)
            for module in self.network.modules():
                for name, value in list(module.named_parameters(recurse=False)):
                    setattr(module, name, PyroSample(dist.Normal(0.0, 1.0).expand(value.shape).to_event()))

        def forward(self, images, labels=None):
            logits = self.network(images)
            with pyro.plate("data", SIZE, subsample_size=len(images)):
                pyro.sample("obs", dist.Categorical(logits=logits), obs=labels)

    model = Network()
    start = {f"network.{name}": value.detach().clone() for name, value in weights.items()}
    guide = AutoNormal(model, init_loc_fn=lambda site: start[site["name"]], init_scale=INITIAL_SD)
    guide(*batches[0])
    return torch_contestants.tutorial(model, guide, Trace_ELBO(), batches, SIZE)


def numpyro(weights: dict, batches) -> Contestant:
    """NumPyro: weights drawn per batch from independent normals, the KL term in closed form."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    from benchmarks import numpyro_contestants

    rho = math.log(math.expm1(INITIAL_SD))
    parameters = {name: {"loc": w, "rho": torch.full_like(w, rho)} for name, w in weights.items()}

    def normal(loc, scale):
        return dist.Normal(loc, scale).to_event(loc.ndim)

    def model(images, labels, parameters):
        w = {name: numpyro.sample(name, normal(jnp.zeros_like(p["loc"]), 1.0)) for name, p in parameters.items()}
        h = jax.nn.relu(images @ w["0.weight"].T + w["0.bias"])
        h = jax.nn.relu(h @ w["2.weight"].T + w["2.bias"])
        with numpyro.plate("data", SIZE, subsample_size=len(images)):
            numpyro.sample("label", dist.Categorical(logits=h @ w["4.weight"].T + w["4.bias"]), obs=labels)

    def guide(images, labels, parameters):
        for name, p in parameters.items():
            numpyro.sample(name, normal(p["loc"], jax.nn.softplus(p["rho"])))

    return numpyro_contestants.contestant(model, guide, parameters, batches, SIZE)


def bayesian_torch(network: nn.Module, weights: dict, batches) -> Contestant:
    """Intel's bayesian-torch, weights drawn per batch; its KL term, a mean over weights, is made a sum."""
    from bayesian_torch.models.dnn_to_bnn import dnn_to_bnn

    rho = math.log(math.expm1(INITIAL_SD))
    settings = {"prior_mu": 0.0, "prior_sigma": 1.0, "posterior_mu_init": 0.0, "posterior_rho_init": rho}
    network.load_state_dict(weights)
    dnn_to_bnn(network, settings | {"type": "Reparameterization", "moped_enable": False, "moped_delta": 0.5})
    layers = [(name, layer) for name, layer in network.named_children() if hasattr(layer, "kl_div")]
    parts = []
    for name, layer in layers:
        for kind in ("weight", "bias"):
            mu = getattr(layer, f"mu_{'kernel' if kind == 'weight' and hasattr(layer, 'mu_kernel') else kind}")
            raw = getattr(layer, f"rho_{'kernel' if kind == 'weight' and hasattr(layer, 'rho_kernel') else kind}")
            mu.data.copy_(weights[f"{name}.{kind}"])
            raw.data.fill_(rho)
            parts.append((layer, mu, raw))

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        zero, one = images.new_tensor(0.0), images.new_tensor(1.0)
        kl = sum(layer.kl_div(mu, F.softplus(raw), zero, one) * mu.numel() for layer, mu, raw in parts)
        return F.cross_entropy(network(images), labels) + kl / SIZE

    return torch_contestants.hand_written("bayesian-torch", network, loss, batches)


def mlp_floor() -> list[Callable[[], None]]:
    """Each layer twice: means and variances of the pre-activations."""
    sizes = [(784, 400), (400, 400), (400, 10)]
    products = [torch_contestants.Products(BATCH, *size, index > 0) for index, size in enumerate(sizes)]
    return [layer.run for layer in products for _ in range(2)]


def lenet_floor() -> list[Callable[[], None]]:
    """The convolutions and matrix products of the LeNet, twice each."""
    parts: list[Callable[[], None]] = []
    for inputs, outputs, side, first in ((1, 16, 28, True), (16, 32, 12, False)):
        parts.append(torch_contestants.convolution(BATCH, inputs, outputs, side, 5, not first))
    for inputs, outputs in ((512, 128), (128, 10)):
        parts.append(torch_contestants.Products(BATCH, inputs, outputs).run)
    return [part for part in parts for _ in range(2)]
