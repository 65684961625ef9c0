"""How many networks a prediction needs, by the kind of posterior."""

import pytest

from stages.evaluation import bnn
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
    params = tiny.params(bnn=section)
    assert params.evaluate.bnn.posterior_samples == 20
    assert bnn.draws(params) == wanted


@pytest.mark.parametrize(("learned", "foreign"), [("mnist", "fashion_mnist"), ("fashion_mnist", "mnist")])
def test_the_other_of_the_pair_is_foreign_first(learned, foreign):
    params = tiny.params(bnn={"dataset": learned})
    assert bnn.inside(params) == learned and bnn.outside(params)[0] == foreign
    assert sorted([learned, *bnn.outside(params)]) == sorted(bnn.DATA_SETS)
