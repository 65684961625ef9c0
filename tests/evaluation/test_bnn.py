"""Which data sets are in-distribution and out-of-distribution."""

import pytest

from stages.evaluation import bnn
from tests import tiny


@pytest.mark.parametrize(("learned", "other"), [("mnist", "fashion_mnist"), ("fashion_mnist", "mnist")])
def test_the_other_of_the_pair_is_the_first_out_of_distribution(learned, other):
    settings = tiny.settings(bnn={"dataset": learned})
    assert bnn.in_distribution(settings) == learned
    assert bnn.out_of_distribution(settings)[0] == other
    assert sorted([learned, *bnn.out_of_distribution(settings)]) == sorted(bnn.DATA_SETS)
