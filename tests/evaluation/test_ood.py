"""Uncertainty scores and how well they separate, against pair counting, thresholds and identities."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf

from stages import artifacts
from stages.evaluation import bnn, ood, vae
from stages.settings import OutOfDistribution
from tests import tiny
from tests.tiny import ROOT

ensembles = arrays(  # weights (networks, cases, classes), to be normalised
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
    """The mutual information of a point estimate separates no better than chance."""
    log_p = torch.tensor(logits).log_softmax(-1)
    cases = {"probabilities": log_p.exp().numpy(), "expected_entropy": -(log_p.exp() * log_p).sum(-1).numpy()}
    found = ood.classifier_scores(cases)["mutual_information"]
    assert (found == 0).all()
    assert ood.separation(found[:10], found[10:])["auroc"] == 0.5


# --- scores of a model of images -------------------------------------------------------------------------


def statistics(images, seed=0):
    """Made-up ones; the third latent dimension is not used."""
    generator = np.random.default_rng(seed)
    names = ("iwae", "distortion", "rate", "mean_norm", "scale_norm", "grey_entropy", "code_length")
    mixed = generator.normal(size=(images, 7)) @ generator.normal(size=(7, 7)) + 10 * generator.normal(size=7)
    latent = generator.normal(size=(images, 3)) * [1.0, 2.0, 0.01]
    return {name: mixed[:, place] for place, name in enumerate(names)} | {"latent_mean": latent}


REFERENCE, CASES = statistics(400), statistics(30, seed=1)


def test_likelihood_scores_and_baselines_by_hand():
    cases = {name: values[:2] for name, values in CASES.items()} | {
        "iwae": np.array([-200.0, -90.0]),
        "grey_entropy": np.array([120.0, 60.0]),
        "code_length": np.array([150.0, 80.0]),
    }
    reference = REFERENCE | {"grey_entropy": np.arange(400.0), "code_length": np.full(400, 100.0)}
    found = ood.ImageScores(reference, components=1)(cases)
    assert found["likelihood"].tolist() == [200, 90]
    assert found["grey_divergence"].tolist() == [80, 30]
    assert found["input_complexity"].tolist() == [50, 10]
    assert found["grey_entropy"].tolist() == [-120, -60]
    assert found["grey_entropy_two_sided"].tolist() == [79.5, 139.5]
    assert found["code_length"].tolist() == [-150, -80]
    assert found["code_length_two_sided"].tolist() == [50, 20]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("encoder_statistics", ["distortion", "rate", "mean_norm", "scale_norm"]),
        ("all_statistics", ["distortion", "rate", "mean_norm", "scale_norm", "grey_entropy", "code_length"]),
    ],
)
def test_density_of_one_component_is_the_normal_of_the_reference(name, columns):
    """Up to a constant, and the little that is added to its variances."""
    found = ood.ImageScores(REFERENCE, components=1)(CASES)[name]
    reference, cases = (np.column_stack([of[column] for column in columns]) for of in (REFERENCE, CASES))
    z = (cases - reference.mean(axis=0)) / reference.std(axis=0)
    covariance = np.corrcoef(reference.T) + 1e-4 * np.eye(len(columns))
    np.testing.assert_allclose(found, -multivariate_normal(cov=covariance).logpdf(z), rtol=1e-6)


def test_latent_density_sees_the_active_units_alone():
    scores = ood.ImageScores(REFERENCE, components=1)
    latent = CASES["latent_mean"]
    found = scores(CASES)["latent_density"]
    assert np.array_equal(scores(CASES | {"latent_mean": latent * [1, 1, 100]})["latent_density"], found)
    assert (scores(CASES | {"latent_mean": latent * [1, 100, 1]})["latent_density"] > found).all()
    unused = REFERENCE | {"latent_mean": 1e-3 * REFERENCE["latent_mean"]}
    assert np.isfinite(ood.ImageScores(unused, components=1)(CASES)["latent_density"]).all()


def test_combined_score_counts_each_in_sds_of_the_reference():
    scores = ood.ImageScores(REFERENCE, components=2)
    of_reference, found = scores(REFERENCE), scores(CASES)
    parts = ("input_complexity", "all_statistics", "latent_density")
    z = [(found[name] - np.mean(of_reference[name])) / np.std(of_reference[name]) for name in parts]
    np.testing.assert_allclose(found["combined"], z[0] + z[1] + z[2])


def test_scores_of_what_not_every_model_has():
    scores = ood.ImageScores(REFERENCE, components=1)
    assert set(scores(CASES)) == {*ood.SCORES, *ood.BASELINES} - {"likelihood_regret", "likelihood_ratio"}
    regret = np.append(np.full(29, np.nan), 2.5)
    found = scores(CASES | {"likelihood_regret": regret, "iwae_above": CASES["iwae"] - 3})
    np.testing.assert_array_equal(found["likelihood_regret"], regret)
    np.testing.assert_allclose(found["likelihood_ratio"], 3)


def test_params_can_name_every_score():
    named = {
        key: set(get_args(OutOfDistribution.model_fields[key].annotation)) for key in ("headline", "headline_bnn")
    }
    assert named == {"headline": {*ood.SCORES}, "headline_bnn": {*ood.CLASSIFIER_SCORES}}


# --- scores of features ----------------------------------------------------------------------------------


def of_two_classes(count, networks=2, units=3, seed=0):
    """Features around two means, other ones in each network, and labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    means = np.array([[4.0, 0.0, 1.0], [0.0, 4.0, 1.0]])[labels]
    spread = generator.normal(size=(count, networks, units)) * np.array([0.5, 1.0, 0.1])
    return (means[:, None] * np.array([1.0, 2.0])[None, :networks, None] + spread).astype(np.float32), labels


def test_feature_density_is_that_of_a_normal_for_each_class():
    """Against SciPy, with the covariance that Ledoit and Wolf's estimator gives."""
    x, labels = of_two_classes(200)
    new = of_two_classes(10, seed=1)[0]
    found = ood.FeatureScores(x, labels, neighbours=5)(new)["feature_density"]
    wanted = []
    for network in (0, 1):
        densities = [
            0.5
            * multivariate_normal(
                x[labels == c, network].mean(axis=0), ledoit_wolf(x[labels == c, network])[0]
            ).pdf(new[:, network])
            for c in (0, 1)
        ]
        wanted.append(-np.log(sum(densities)))
    np.testing.assert_allclose(found, np.mean(wanted, axis=0), rtol=1e-4)


def test_feature_distance_is_that_to_the_nearest_training_images():
    """By brute force: the distance to the third nearest, at unit length, averaged over networks."""
    x, labels = of_two_classes(50)
    new = of_two_classes(7, seed=1)[0]
    found = ood.FeatureScores(x, labels, neighbours=3)(new)["feature_distance"]
    of, to = (part / np.linalg.norm(part, axis=2, keepdims=True) for part in (new.astype(float), x.astype(float)))
    distances = np.linalg.norm(of[:, None] - to[None], axis=3)  # (new, training, networks)
    np.testing.assert_allclose(found, np.sort(distances, axis=1)[:, 2].mean(axis=1), rtol=1e-4)


def test_features_far_from_all_classes_score_highest():
    x, labels = of_two_classes(200)
    scored = ood.FeatureScores(x, labels)
    near, far = scored(of_two_classes(20, seed=1)[0]), scored(np.full((20, 2, 3), -5.0, np.float32))
    for name in near:
        assert near[name].max() < far[name].min()


def test_reported_score_is_the_one_that_made_images_name():
    """With the committed params and metrics."""
    mean = artifacts.read_json(ROOT / "metrics/surrogates/vae/0.json")["mean"]
    named = max(mean.keys() - {*ood.BASELINES}, key=lambda name: mean[name]["auroc"])
    assert tiny.settings().ood.headline == named
    assert vae.HEADLINES["foreign"] == f"ood/vae.*.{named}.auroc"
    mean = artifacts.read_json(ROOT / "metrics/surrogates/bnn/0.json")["mean"]
    named = max(mean, key=lambda name: mean[name]["auroc"])
    assert tiny.settings().ood.headline_bnn == named
    assert bnn.HEADLINES["auroc"] == f"ood/bnn.*.{named}.auroc"


# --- separation ------------------------------------------------------------------------------------------


def auroc_by_pairs(in_distribution, out_of_distribution):
    pairs = [(o > i) + 0.5 * (o == i) for i in in_distribution for o in out_of_distribution]
    return sum(pairs) / len(pairs)


def fpr95_by_thresholds(in_distribution, out_of_distribution):
    """The smallest share of negative cases flagged by any threshold that flags 95% of the positive ones."""
    thresholds = np.concatenate([in_distribution, out_of_distribution])
    return min(
        np.mean(in_distribution >= t)
        for t in thresholds
        if 100 * np.sum(out_of_distribution >= t) >= 95 * len(out_of_distribution)
    )


def aupr_by_thresholds(in_distribution, out_of_distribution):
    """Sum of precision times the rise in recall, over thresholds from high to low."""
    total, before = 0.0, 0.0
    for t in np.unique(np.concatenate([in_distribution, out_of_distribution]))[::-1]:
        true, false = np.sum(out_of_distribution >= t), np.sum(in_distribution >= t)
        total += (true / len(out_of_distribution) - before) * true / (true + false)
        before = true / len(out_of_distribution)
    return total


@given(scores, scores)
def test_separation_by_brute_force(in_distribution, out_of_distribution):
    found = ood.separation(in_distribution, out_of_distribution)
    assert found["auroc"] == pytest.approx(auroc_by_pairs(in_distribution, out_of_distribution))
    assert found["aupr"] == pytest.approx(aupr_by_thresholds(in_distribution, out_of_distribution))
    assert found["fpr95"] == pytest.approx(fpr95_by_thresholds(in_distribution, out_of_distribution))


def test_separation_by_hand():
    """The ranks alternate, and the highest is out-of-distribution."""
    found = ood.separation(in_distribution=np.array([0.3, 0.1]), out_of_distribution=np.array([0.4, 0.2]))
    assert found == pytest.approx({"auroc": 3 / 4, "aupr": (1 + 2 / 3) / 2, "fpr95": 1 / 2})


def test_what_has_no_score_does_not_count():
    own, others = np.array([0.3, np.nan, 0.1]), np.array([np.nan, 0.4, 0.2])
    assert ood.separation(own, others) == ood.separation(own[[0, 2]], others[1:])


@given(scores)
def test_identical_distributions_are_not_separated(values):
    assert ood.separation(values, values) == {
        "auroc": pytest.approx(0.5),
        "aupr": pytest.approx(aupr_by_thresholds(values, values)),
        "fpr95": pytest.approx(fpr95_by_thresholds(values, values)),
    }


@given(scores, scores)
def test_perfect_separation_and_its_reverse(in_distribution, out_of_distribution):
    far = 100.0
    assert ood.separation(in_distribution, out_of_distribution + far) == pytest.approx(
        {"auroc": 1, "aupr": 1, "fpr95": 0}
    )
    reverse = ood.separation(in_distribution + far, out_of_distribution)
    assert reverse["auroc"] == 0 and reverse["fpr95"] == 1


@pytest.mark.parametrize("transform", [lambda s: 3 * s + 1, np.exp, np.arctan], ids=["linear", "exp", "arctan"])
@given(in_distribution=scores, out_of_distribution=scores)
def test_separation_sees_only_the_order_of_scores(transform, in_distribution, out_of_distribution):
    assert ood.separation(transform(in_distribution), transform(out_of_distribution)) == ood.separation(
        in_distribution, out_of_distribution
    )


@pytest.mark.parametrize(("flagged", "fpr95"), [(19, 0.0), (18, 1.0)])
def test_fpr95_asks_for_95_of_100_and_not_for_more(flagged, fpr95):
    """Of 20 out-of-distribution cases, 19 are 95%; the remaining one is below all in-distribution ones."""
    out_of_distribution = np.where(np.arange(20) < flagged, 2.0, 0.0)
    assert ood.separation(np.ones(10), out_of_distribution)["fpr95"] == fpr95


def test_every_out_of_distribution_set_is_held_against_the_other_which_is_the_negative_class():
    low, high = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    sets = {"far": {"s": high, "t": low}, "like_training": {"s": low, "t": high}, "same": {"s": low, "t": high}}
    found = ood.metrics(sets, in_distribution="like_training")
    assert {name: {s: values["auroc"] for s, values in of_set.items()} for name, of_set in found.items()} == {
        "far": {"s": 1.0, "t": 0.0},
        "same": {"s": 0.5, "t": 0.5},
    }
