"""The number of networks per prediction for each kind of posterior, and the cases chosen for figures."""

import numpy as np
import pytest
import torch

from stages.datasets import Images
from stages.predictive import bnn
from tests import tiny


@pytest.mark.parametrize(
    ("section", "wanted"),
    [
        ({"inference": "map"}, 1),
        ({"inference": "mean_field"}, 20),
        ({"inference": "mc_dropout", "members": 7}, 20),
        ({"inference": "laplace", "members": 7}, 20),
        ({"inference": "ensemble", "member": "map", "members": 7}, 7),
        ({"inference": "ensemble", "member": "mean_field", "members": 7}, 21),
        ({"inference": "ensemble", "member": "mc_dropout", "members": 5}, 20),
        ({"inference": "ensemble", "member": "mc_dropout", "members": 50}, 50),
    ],
)
def test_every_member_has_as_many_draws(section, wanted):
    settings = tiny.settings(bnn=section)
    assert settings.evaluate.bnn.posterior_samples == 20
    assert bnn.draws(settings) == wanted


def test_the_cases_of_largest_score_come_first_with_their_pixels():
    """With equal scores the first ones; no more than a figure shows."""
    count = bnn.PICTURED + 10
    pixels = torch.arange(count, dtype=torch.uint8).unsqueeze(1).expand(-1, 784)
    images = Images(pixels, torch.arange(count) % 10)
    score = np.where(np.arange(count) % 2 == 0, 2.0, 1.0)
    found = bnn.largest(score, {"place": np.arange(count)}, images)
    wanted = [*range(0, count, 2), *range(1, count, 2)][: bnn.PICTURED]
    assert found["place"].tolist() == wanted == found["pixels"][:, 0].tolist()


@pytest.mark.parametrize("inference", ["map", "mc_dropout"])
def test_networks_of_the_prior(inference):
    """Classes of every image, by each network; no two are equal, and two calls differ by no dropout mask."""
    settings = tiny.settings(bnn={"network": "mlp", "inference": inference, "dropout": 0.5})
    pixels = tiny.images(4).pixels[:1].expand(4, -1)
    found = bnn.predict_from_prior(settings, pixels, networks=3)
    for prior in ("networks", "before"):
        p = found[prior]["probabilities"]
        assert p.shape == (3, 4, 10)
        np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-5)
        np.testing.assert_allclose(p, p[:, :1].repeat(4, axis=1), atol=1e-6)  # of the same image
        assert len({network.tobytes() for network in p}) == 3
    assert (
        found["before"]["probabilities"].max(axis=-1).mean()
        > found["networks"]["probabilities"].max(axis=-1).mean()
    )
