"""Which data sets are in-distribution and out-of-distribution."""

from stages.evaluation import bnn, vae
from tests import tiny

MADE = ["gaussian_noise", "uniform_noise", "sklearn_digits", "photographs"]


def test_metrics_keep_their_names():
    others = ["fashion_mnist", "inverted_mnist", *MADE]
    assert sorted(bnn.out_of_distribution(tiny.settings())) == sorted(others)
    assert vae.out_of_distribution(tiny.settings()) == ["mnist"]


def test_params_say_what_is_learned_and_what_is_not():
    settings = tiny.settings(
        bnn={"dataset": "mine"}, vae={"dataset": "mine"}, ood={"bnn": "other", "vae": "third"}
    )
    assert bnn.in_distribution(settings) == vae.in_distribution(settings) == "mine"
    assert bnn.out_of_distribution(settings)[0] == "other"
    assert sorted(bnn.out_of_distribution(settings)[1:]) == sorted(["inverted_mine", *MADE])
    assert vae.out_of_distribution(settings) == ["third"]
