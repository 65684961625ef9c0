"""Priors of weights: against SciPy, by type of layer, and counted once."""

import numpy as np
import pytest
import torch
from pyro import poutine
from scipy import stats
from torch import nn

from stages.models import bnn, weight_priors
from stages.models.networks import lenet
from tests import tiny

SDS = {"convolution_sd": 0.3, "dense_sd": 0.07, "bias_sd": 1.5, "narrow_sd": 0.01, "narrow_share": 0.25}


DENSE, CONVOLUTION = nn.Linear(3, 2), nn.Conv2d(1, 1, 3)


def prior(family):
    return weight_priors.Params(family=family, **SDS)


@pytest.mark.parametrize(
    ("layer", "name", "sd"),
    [
        (DENSE, "weight", 0.07),
        (CONVOLUTION, "weight", 0.3),
        (DENSE, "bias", 1.5),
        (CONVOLUTION, "bias", 1.5),
    ],
    ids=["dense", "convolution", "dense bias", "convolution bias"],
)
def test_log_density_is_that_of_scipy(layer, name, sd):
    w = torch.tensor([[0.0, 0.001, -0.02], [0.1, -0.5, 1.0]])
    wide = stats.norm.pdf(w.numpy(), scale=sd)
    mixture = 0.25 * stats.norm.pdf(w.numpy(), scale=0.01) + 0.75 * wide
    for family, density in (("normal", wide), ("scale_mixture", mixture)):
        found = weight_priors.prior(prior(family), layer, name, w.shape, w).log_prob(w)
        assert found.item() == pytest.approx(np.log(density).sum(), rel=1e-5)


@pytest.mark.parametrize("family", ["normal", "scale_mixture"])
def test_draws_have_the_moments_of_the_density(family):
    torch.manual_seed(0)
    believed = weight_priors.prior(prior(family), CONVOLUTION, "weight", torch.Size([200_000]), torch.empty(0))
    draws = believed.sample()
    variance = 0.3**2 if family == "normal" else 0.25 * 0.01**2 + 0.75 * 0.3**2
    assert draws.mean().item() == pytest.approx(0, abs=5 * (variance / 200_000) ** 0.5)
    assert draws.var().item() == pytest.approx(variance, rel=0.02)


def test_every_weight_has_the_sd_of_its_layer():
    model = bnn.Model(lenet(), prior("normal"))
    trace = poutine.trace(model).get_trace(torch.rand(2, 784))
    sds = {
        name: node["fn"].base_dist.scale.unique().tolist()
        for name, node in trace.nodes.items()
        if name.startswith("network.")
    }
    assert len(sds) == 8
    for name, found in sds.items():
        kind = "bias" if name.endswith("bias") else "convolution" if name.split(".")[1] in "14" else "dense"
        assert found == pytest.approx([SDS[f"{kind}_sd"]]), name


@pytest.mark.parametrize("kl_weight", [1.0, 0.5])
def test_tempering_is_said(kl_weight, capsys):
    tiny.build("bnn", kl_weight=kl_weight)
    said = capsys.readouterr().out
    assert said == (
        "" if kl_weight == 1 else "bnn.kl_weight = 0.5: a tempered posterior, not the posterior of the model\n"
    )
