"""The features of mean networks: of each member, at the mean of each weight, without dropout."""

import numpy as np
import pytest
import torch

from stages.datasets import unit_interval
from stages.models import bnn
from stages.predictive import features
from tests import tiny


@pytest.mark.parametrize(
    ("section", "members"),
    [
        ({"inference": "map"}, 1),
        ({"inference": "mean_field"}, 1),
        ({"inference": "laplace"}, 1),
        ({"inference": "last_layer_full"}, 1),
        ({"inference": "mc_dropout", "dropout": 0.5}, 1),
        ({"inference": "ensemble", "member": "mc_dropout", "dropout": 0.5, "members": 3}, 3),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_features_are_the_last_layers_input_at_the_means(section, members):
    settings = tiny.settings(bnn={"network": "lenet"} | section)
    _, guide = bnn.build(settings.bnn)
    pixels = tiny.images(5).pixels
    networks = features.mean_networks(settings.bnn, guide)
    found, again = (features.features(networks, pixels, batch_size=size) for size in (2, 5))
    assert found.shape == (5, members, 128)
    torch.testing.assert_close(found, again)
    alone = guide.members[members - 1] if members > 1 else guide
    plain = bnn.network(settings.bnn, dropout=False)
    means = [alone.q(site).mean for site in alone.sites]
    plain.load_state_dict(dict(zip(plain.state_dict(), means, strict=True)))
    with torch.no_grad():
        wanted = plain[:-1](unit_interval(pixels))
    torch.testing.assert_close(found[:, -1], wanted)
    assert not np.allclose(wanted, 0)
