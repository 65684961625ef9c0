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


def test_pictured_images_are_the_least_sure_and_their_parts_are_told_apart():
    """Entropy falls with the place; of the least sure, even ones are aleatoric, odd ones epistemic."""
    count = 10 * bnn.PICTURED
    confidence = np.linspace(0.5, 0.999, count)
    p = np.stack([confidence, 1 - confidence], axis=1)
    total = -(p * np.log(p)).sum(axis=1)
    share = np.where(np.arange(count) % 2 == 0, 0.9, 0.1)
    found = bnn.to_picture({"probabilities": p, "expected_entropy": share * total})
    assert found["least_sure"].tolist() == [*range(bnn.PICTURED)]
    assert (found["most_aleatoric"] % 2 == 0).all() and (found["most_epistemic"] % 2 == 1).all()
    assert max(found["most_aleatoric"].max(), found["most_epistemic"].max()) < bnn.UNSURE * bnn.PICTURED


def test_foreign_images_from_the_surest_to_the_least_sure():
    count = 500
    p = np.stack([np.linspace(0.5, 0.999, count), 1 - np.linspace(0.5, 0.999, count)], axis=1)
    pixels = (torch.arange(count) % 256).to(torch.uint8).unsqueeze(1).expand(-1, 784)
    found = bnn.answered({"probabilities": p}, Images(pixels, torch.zeros(count, dtype=torch.int64)))
    half = bnn.PICTURED // 2
    np.testing.assert_array_equal(found["surest"]["probabilities"], p[::-1][:half])
    assert found["surest"]["pixels"][:, 0].tolist() == [place % 256 for place in range(count)][::-1][:half]
    others = found["others"]["probabilities"][:, 0]
    assert len(others) == half and (np.diff(others) < 0).all() and others[-1] == 0.5


@pytest.mark.parametrize("inference", ["map", "mc_dropout"])
def test_networks_of_the_prior(inference):
    """Classes of every image, by each network; no two are equal, and two calls differ by no dropout mask."""
    settings = tiny.settings(bnn={"network": "mlp", "inference": inference, "dropout": 0.5})
    pixels = tiny.images(4).pixels[:1].expand(4, -1)
    found = bnn.predict_from_prior(settings, pixels, networks=3)
    for prior in ("networks", "one_sd", "variance_kept"):
        p = found[prior]["probabilities"]
        assert p.shape == (3, 4, 10)
        np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-5)
        np.testing.assert_allclose(p, p[:, :1].repeat(4, axis=1), atol=1e-6)  # of the same image
        assert len({network.tobytes() for network in p}) == 3
    assert (
        found["one_sd"]["probabilities"].max(axis=-1).mean()
        > found["variance_kept"]["probabilities"].max(axis=-1).mean()
    )
