"""The signal-to-noise ratio of each weight in a mean-field posterior, and pruning of the weights with the lowest.

The signal-to-noise ratio of a weight is |loc| / sd: a weight that is small compared to its sd might as well be
zero (Graves 2011; Blundell et al. 2015, section 5.2).
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.models.weight_guides import MeanFieldGuide

NO_NOISE = -40.0  # rho of pruned weights: softplus gives an sd of 4e-18


def signal_to_noise(guide: MeanFieldGuide) -> dict[str, Tensor]:
    """The signal-to-noise ratio of every weight and bias, by site."""
    return {site: (guide.q(site).mean.abs() / guide.q(site).stddev).detach() for site in guide.sites}


def pruned(guide: MeanFieldGuide, share: float) -> MeanFieldGuide:
    """A copy of the guide in which the weights and biases with the lowest ratios are zero, and so are their sds.

    Args:
        guide: is not changed.
        share: share of all weights and biases to prune, in [0, 1).
    """
    left = copy.deepcopy(guide)
    ranked = torch.cat([ratio.flatten() for ratio in signal_to_noise(guide).values()]).sort().values
    count = round(share * len(ranked))
    threshold = ranked[count - 1] if count else -1.0
    with torch.no_grad():
        for key, loc in left.loc.items():
            rho = left.rho[key]
            noisy = loc.abs() / F.softplus(rho) <= threshold
            loc[noisy], rho[noisy] = 0.0, NO_NOISE
    return left
