"""What the last layer of a Bayesian network is given: the features of an image, at the means of the weights.

One set of features for each member of an ensemble, else one. Dropout is off, as it is for the mean network.
"""

import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from stages.datasets import unit_interval
from stages.models import bnn
from stages.models.networks import Dropout
from stages.models.weight_guides import EnsembleGuide, PointGuide


def mean_networks(params: bnn.Params, guide: PyroModule) -> list[nn.Sequential]:
    """The network with the mean of each weight, of each member of the guide."""
    return [_mean_network(params, alone) for alone in _members(guide)]


def _members(guide: PyroModule) -> list[PointGuide]:
    return list(guide.members) if isinstance(guide, EnsembleGuide) else [guide]


def _mean_network(params: bnn.Params, guide: PointGuide) -> nn.Sequential:
    network = bnn.network(params)
    means = {name: guide.q(f"network.{name}").mean.detach() for name, _ in network.named_parameters()}
    network.load_state_dict(means)
    for layer in network.modules():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    return network.to(next(iter(means.values())).device)


@torch.no_grad()
def features(networks: list[nn.Sequential], pixels: Tensor, batch_size: int = 1000) -> Tensor:
    """The inputs of the last layer, (images, networks, units) float32.

    Args:
        networks: whose last layer is dense.
        pixels: bytes, (images, 784).
        batch_size: images per forward pass.
    """
    parts = [unit_interval(part) for part in pixels.split(batch_size)]
    return torch.stack([torch.cat([network[:-1](part) for part in parts]) for network in networks], dim=1)
