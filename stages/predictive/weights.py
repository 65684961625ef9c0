"""What a mean-field posterior knows of each weight, and what becomes of a network without those it knows least of.

The signal-to-noise ratio of a weight is |loc| / sd: a weight that is small beside its sd can as well be zero
(Graves 2011; Blundell et al. 2015, section 5.2).
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.models.weight_guides import MeanFieldGuide

NO_NOISE = -40.0  # its softplus, an sd, is 4e-18


def signal_to_noise(guide: MeanFieldGuide) -> dict[str, Tensor]:
    """The ratio for every weight and bias, by site."""
    return {site: (guide.q(site).mean.abs() / guide.q(site).stddev).detach() for site in guide.sites}


def pruned(guide: MeanFieldGuide, share: float) -> MeanFieldGuide:
    """A copy, in which the weights and biases of least signal-to-noise are zero, their sds too.

    Args:
        guide: stays as it is.
        share: of all weights and biases, in [0, 1).
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
