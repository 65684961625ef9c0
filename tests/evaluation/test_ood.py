"""Uncertainty scores and how well they separate, against pair counting, thresholds and identities."""

import gzip
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from stages.evaluation import ood

ensembles = arrays(  # weights of (networks, cases, classes), to be normalised
    np.float64, array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=5), elements=st.floats(1e-6, 1.0)
)
scores = st.lists(st.integers(-5, 5), min_size=1, max_size=30).map(lambda values: np.array(values, dtype=float))


def scored(networks):
    """Scores of the mean of an ensemble, (networks, cases, classes)."""
    return ood.classifier_scores(
        {"probabilities": networks.mean(axis=0), "expected_entropy": entropy(networks).mean(axis=0)}
    )


def entropy(p):
    return -(p * np.log(p)).sum(axis=-1)


# --- scores of a classifier ------------------------------------------------------------------------------


@given(ensembles)
def test_entropy_is_mutual_information_plus_expected_entropy(weights):
    networks = weights / weights.sum(axis=-1, keepdims=True)
    found = scored(networks)
    epistemic, aleatoric = found["mutual_information"], entropy(networks).mean(axis=0)
    assert (epistemic >= 0).all() and (epistemic <= found["entropy"] + 1e-12).all()
    np.testing.assert_allclose(found["entropy"], epistemic + aleatoric, atol=1e-12)
    np.testing.assert_allclose(found["entropy"], entropy(networks.mean(axis=0)), atol=1e-12)


@given(ensembles)
def test_mutual_information_is_the_mean_divergence_from_the_mean(weights):
    networks = weights / weights.sum(axis=-1, keepdims=True)
    divergence = (networks * np.log(networks / networks.mean(axis=0))).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(scored(networks)["mutual_information"], divergence, atol=1e-12)


def test_networks_that_agree_have_no_epistemic_uncertainty_and_sure_ones_that_differ_have_no_other():
    found = scored(np.array([[[0.5, 0.5], [1 - 1e-12, 1e-12]], [[0.5, 0.5], [1e-12, 1 - 1e-12]]]))
    np.testing.assert_allclose(found["entropy"], math.log(2))
    np.testing.assert_allclose(found["mutual_information"], [0, math.log(2)], atol=1e-9)


def test_max_probability_score_rises_as_the_maximum_falls():
    cases = {"probabilities": np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]), "expected_entropy": np.zeros(2)}
    np.testing.assert_allclose(ood.classifier_scores(cases)["max_probability"], [0.3, 0.6])


@given(arrays(np.float32, (20, 10), elements=st.floats(-30, 30, width=32)))
def test_one_network_has_no_epistemic_uncertainty_whatever_rounding_says(logits):
    """A point estimate separates by mutual information as a coin does."""
    log_p = torch.tensor(logits).log_softmax(-1)
    cases = {"probabilities": log_p.exp().numpy(), "expected_entropy": -(log_p.exp() * log_p).sum(-1).numpy()}
    found = ood.classifier_scores(cases)["mutual_information"]
    assert (found == 0).all()
    assert ood.separation(found[:10], found[10:])["auroc"] == 0.5


# --- scores of a model of images -------------------------------------------------------------------------


def test_likelihood_scores_by_hand():
    found = ood.likelihood_scores({"iwae": np.array([-200.0, -90.0]), "complexity": np.array([150.0, 80.0])})
    assert found["likelihood"].tolist() == [200, 90]
    assert found["input_complexity"].tolist() == [50, 10]


def test_complexity_is_least_for_a_blank_image_and_most_for_noise():
    generator = np.random.default_rng(0)
    blank, noise = np.zeros((28, 28)), generator.random((28, 28)) < 0.5
    stripes = np.tile(noise[0], (28, 1))
    of_blank, of_stripes, of_noise = ood.complexity(np.stack([blank, stripes, noise]).reshape(3, 784))
    assert of_blank < of_stripes < of_noise
    assert of_noise > 784 * math.log(2)  # noise cannot be compressed: a bit per pixel, and the format's overhead
    assert of_blank < 0.25 * of_noise


def test_complexity_is_in_nats():
    image = np.random.default_rng(1).random((1, 784)) < 0.3
    bits = "".join(str(int(pixel)) for pixel in image[0])
    packed = int(bits, 2).to_bytes(98, "big")
    deflate = len(gzip.compress(packed, 9)) - 18  # gzip's header and trailer; zlib's take 6
    assert ood.complexity(image) == pytest.approx([8 * (deflate + 6) * math.log(2)])


# --- separation ------------------------------------------------------------------------------------------


def auroc_by_pairs(inside, outside):
    pairs = [(o > i) + 0.5 * (o == i) for i in inside for o in outside]
    return sum(pairs) / len(pairs)


def fpr95_by_thresholds(inside, outside):
    """The least share of inside cases flagged by any threshold that flags 95% of the outside ones."""
    thresholds = np.concatenate([inside, outside])
    return min(np.mean(inside >= t) for t in thresholds if 100 * np.sum(outside >= t) >= 95 * len(outside))


def aupr_by_thresholds(inside, outside):
    """Sum of precision times the rise in recall, over thresholds from high to low."""
    total, before = 0.0, 0.0
    for t in np.unique(np.concatenate([inside, outside]))[::-1]:
        true, false = np.sum(outside >= t), np.sum(inside >= t)
        total += (true / len(outside) - before) * true / (true + false)
        before = true / len(outside)
    return total


@given(scores, scores)
def test_separation_by_brute_force(inside, outside):
    found = ood.separation(inside, outside)
    assert found["auroc"] == pytest.approx(auroc_by_pairs(inside, outside))
    assert found["aupr"] == pytest.approx(aupr_by_thresholds(inside, outside))
    assert found["fpr95"] == pytest.approx(fpr95_by_thresholds(inside, outside))


def test_separation_by_hand():
    """Ranked from above: outside, inside, outside, inside."""
    found = ood.separation(inside=np.array([0.3, 0.1]), outside=np.array([0.4, 0.2]))
    assert found == pytest.approx({"auroc": 3 / 4, "aupr": (1 + 2 / 3) / 2, "fpr95": 1 / 2})


@given(scores)
def test_identical_distributions_are_not_separated(values):
    assert ood.separation(values, values) == {
        "auroc": pytest.approx(0.5),
        "aupr": pytest.approx(aupr_by_thresholds(values, values)),
        "fpr95": pytest.approx(fpr95_by_thresholds(values, values)),
    }


@given(scores, scores)
def test_perfect_separation_and_its_reverse(inside, outside):
    far = 100.0
    assert ood.separation(inside, outside + far) == pytest.approx({"auroc": 1, "aupr": 1, "fpr95": 0})
    reverse = ood.separation(inside + far, outside)
    assert reverse["auroc"] == 0 and reverse["fpr95"] == 1


@pytest.mark.parametrize("transform", [lambda s: 3 * s + 1, np.exp, np.arctan], ids=["linear", "exp", "arctan"])
@given(inside=scores, outside=scores)
def test_separation_sees_only_the_order_of_scores(transform, inside, outside):
    assert ood.separation(transform(inside), transform(outside)) == ood.separation(inside, outside)


@pytest.mark.parametrize(("flagged", "fpr95"), [(19, 0.0), (18, 1.0)])
def test_fpr95_asks_for_95_of_100_and_not_for_more(flagged, fpr95):
    """Of 20 outside cases, 19 are 95%; the others lie below all inside cases."""
    outside = np.where(np.arange(20) < flagged, 2.0, 0.0)
    assert ood.separation(np.ones(10), outside)["fpr95"] == fpr95


def test_every_foreign_set_is_held_against_the_known_one_which_is_the_negative_class():
    low, high = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    sets = {"far": {"s": high, "t": low}, "known": {"s": low, "t": high}, "same": {"s": low, "t": high}}
    found = ood.metrics(sets, inside="known")
    assert {name: {s: values["auroc"] for s, values in of_set.items()} for name, of_set in found.items()} == {
        "far": {"s": 1.0, "t": 0.0},
        "same": {"s": 0.5, "t": 0.5},
    }
