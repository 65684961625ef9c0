"""Signal-to-noise ratios and pruning, on weights whose ratios are known."""

import pytest
import torch

from stages.models.weight_guides import MeanFieldGuide
from stages.predictive import weights

# sites not in the order of their names
LOC = {"z": torch.tensor([[4.0, -1.0], [0.5, 0.0]]), "b": torch.tensor([3.0, -6.0])}
RATIOS = {"z": [[8.0, 2.0], [1.0, 0.0]], "b": [6.0, 12.0]}


@pytest.fixture
def guide():
    return MeanFieldGuide(LOC, 0.5)


def test_ratio_is_mean_over_sd(guide):
    found = weights.signal_to_noise(guide)
    for site, wanted in RATIOS.items():
        torch.testing.assert_close(found[site], torch.tensor(wanted))


@pytest.mark.parametrize(("share", "gone"), [(0.0, 0), (0.17, 1), (0.5, 3), (0.84, 5)])
def test_the_weights_of_least_ratio_become_zero(guide, share, gone):
    left = weights.pruned(guide, share)
    order = sorted(ratio for rows in ([*RATIOS["z"][0], *RATIOS["z"][1]], RATIOS["b"]) for ratio in rows)
    for site, ratios in RATIOS.items():
        for ratio, before, after in zip(
            torch.tensor(ratios).flatten(), LOC[site].flatten(), left.q(site).sample().flatten(), strict=True
        ):
            if ratio in order[:gone]:
                assert abs(after) < 1e-15
            else:
                assert 0 < abs(after - before) < 6 * 0.5
    assert weights.signal_to_noise(guide)["b"].tolist() == pytest.approx(RATIOS["b"])  # the original is unchanged
    assert guide.q("z").stddev[0, 0].item() == pytest.approx(0.5)
