"""How well scores separate out-of-distribution data from data like those that a model was trained on.

Higher scores mean that an input looks less like the training data. Out-of-distribution data are the positives.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp
from scipy.stats import entropy
from sklearn.covariance import LedoitWolf
from sklearn.metrics import auc, roc_curve
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

PICTURED = 36  # images that are saved for a picture
Statistics = dict[str, np.ndarray]  # of images, by name: each (images,) or (images, dimensions)

ENCODER = ("distortion", "rate", "mean_norm", "scale_norm")  # Morningstar et al. 2021
ALL = (*ENCODER, "grey_entropy", "code_length")
COMBINED = ("input_complexity", "all_statistics", "latent_density")
SCORES = (  # of a model of images
    "likelihood",
    "grey_divergence",
    "input_complexity",
    "likelihood_regret",
    "encoder_statistics",
    "all_statistics",
    "latent_density",
    "combined",
    "likelihood_ratio",  # with two levels
)
CLASSIFIER_SCORES = ("entropy", "mutual_information", "max_probability", "feature_density", "feature_distance")
BASELINES = ("grey_entropy", "code_length", "grey_entropy_two_sided", "code_length_two_sided")  # without a model


def predictive_entropy(probabilities: np.ndarray) -> np.ndarray:
    """H[y | x, data] of class probabilities (cases, classes), (cases,) nats."""
    p = probabilities.astype(np.float64)
    return entropy(p / p.sum(axis=1, keepdims=True), axis=1)


def classifier_scores(cases: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Scores of a Bayesian classifier, each (cases,).

    Args:
        cases: probabilities (cases, classes) and expected_entropy (cases,) of the posterior predictive.

    Returns:
        entropy: H[y | x, data], the total uncertainty. mutual_information: its epistemic part, entropy minus
        expected entropy (Houlsby et al. 2011); 0 where the difference is within rounding error. max_probability:
        one minus the maximum probability (Hendrycks and Gimpel 2017).
    """
    p = cases["probabilities"].astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    total = predictive_entropy(cases["probabilities"])
    epistemic, rounding = total - cases["expected_entropy"], 10 * np.finfo(cases["probabilities"].dtype).eps
    return {
        "entropy": total,
        "mutual_information": np.where(epistemic > rounding, epistemic, 0.0),
        "max_probability": 1.0 - p.max(axis=1),
    }


class FeatureScores:
    """Scores of a classifier's features, fitted to features of training images alone.

    Args:
        features: inputs of the last layer of one or more networks, (images, networks, units).
        labels: classes of these images, (images,).
        neighbours: the distance to this one of the nearest training images is a score.
    """

    def __init__(self, features: np.ndarray, labels: np.ndarray, neighbours: int = 50):
        self.normals, self.nearest = [], []
        for of_network in np.moveaxis(features, 1, 0):
            of_classes = [of_network[labels == label].astype(np.float64) for label in np.unique(labels)]
            fitted = [LedoitWolf().fit(of_class) for of_class in of_classes]
            shares = [np.log(len(of_class) / len(labels)) for of_class in of_classes]
            self.normals.append((fitted, shares))
            self.nearest.append(NearestNeighbors(n_neighbors=neighbours).fit(_unit_length(of_network)))

    def __call__(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Scores of images, averaged over networks; each (images,).

        Args:
            features: of the same networks, (images, networks, units).

        Returns:
            feature_density: -log density of the features, a normal for each class, with a covariance of its own
            that is shrunk as Ledoit and Wolf (2004) do (DDU; Mukhoti et al. 2023). feature_distance: distance to
            the nearest training images, of features scaled to unit length (Sun et al. 2022).
        """
        density, distance = [], []
        for of_network, (fitted, shares), nearest in zip(
            np.moveaxis(features, 1, 0), self.normals, self.nearest, strict=True
        ):
            x = of_network.astype(np.float64)
            logs = [share + _log_density(normal, x) for normal, share in zip(fitted, shares, strict=True)]
            density.append(-logsumexp(logs, axis=0))
            distance.append(nearest.kneighbors(_unit_length(of_network))[0][:, -1])
        return {"feature_density": np.mean(density, axis=0), "feature_distance": np.mean(distance, axis=0)}


def _log_density(normal: LedoitWolf, x: np.ndarray) -> np.ndarray:
    """Of a fitted normal, (cases,), nats."""
    _, log_determinant = np.linalg.slogdet(normal.precision_)
    return 0.5 * (log_determinant - x.shape[1] * np.log(2 * np.pi) - normal.mahalanobis(x))


def _unit_length(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


class ImageScores:
    """Scores of a model of images, with densities that are fitted to images of its training set.

    Args:
        reference: statistics of training images, as stages/predictive/foreign.py describes them.
        components: of the normal mixtures that are fitted to some of them.
    """

    def __init__(self, reference: Statistics, components: int):
        self.reference, self.components = reference, components
        variance = reference["latent_mean"].var(axis=0)
        self.active = variance >= min(0.01, variance.max())  # as in active_units; at least one
        self.densities = {
            "encoder_statistics": self._fitted(_columns(reference, ENCODER)),
            "all_statistics": self._fitted(_columns(reference, ALL)),
            "latent_density": self._fitted(reference["latent_mean"][:, self.active]),
        }
        found = self._without_combination(reference)
        self.moments = {name: (found[name].mean(), found[name].std()) for name in COMBINED}

    def __call__(self, cases: Statistics) -> dict[str, np.ndarray]:
        """Scores of images, each (images,); NaN where a statistic is.

        Args:
            cases: the same statistics as those of the reference, and perhaps `likelihood_regret` and `iwae_above`.

        Returns:
            likelihood: -log p(x). Known to fail: simple images get a high likelihood (Nalisnick et al. 2019).
            grey_divergence: -log p(x) minus the entropy of the grey image; on average over its binary draws, the
            Kullback-Leibler divergence of the model from the distribution that drew them.
            input_complexity: -log p(x) minus the nats of an adaptive code for x (Serra et al. 2020).
            encoder_statistics: -log density of distortion, rate and the lengths of mean and sd of q(z | x)
            (DoSE, Morningstar et al. 2021). all_statistics: the same with grey_entropy and code_length.
            latent_density: -log density of E_q[z | x], active units only.
            combined: the sum of input_complexity, all_statistics and latent_density, each in sds of the reference.
            likelihood_regret: see stages/predictive/foreign.py (Xiao et al. 2020), if it is among the cases.
            likelihood_ratio: of a model with two levels of latent variables, if `iwae_above` is among the cases:
            the bound on log p(x) minus the one with the lower level drawn from its prior given the upper (Havtorn
            et al. 2021).
            grey_entropy, code_length: baselines without a model, what the corrections above subtract: larger for
            simpler images. The same with `_two_sided`: the distance from the median of the reference.
        """
        scores = self._without_combination(cases)
        scores["combined"] = sum((scores[name] - mean) / sd for name, (mean, sd) in self.moments.items())
        if "likelihood_regret" in cases:
            scores["likelihood_regret"] = cases["likelihood_regret"]
        if "iwae_above" in cases:
            scores["likelihood_ratio"] = cases["iwae"] - cases["iwae_above"]
        for name in ("grey_entropy", "code_length"):
            scores[name] = -cases[name]
            scores[f"{name}_two_sided"] = np.abs(cases[name] - np.median(self.reference[name]))
        return scores

    def _without_combination(self, cases: Statistics) -> dict[str, np.ndarray]:
        features = {
            "encoder_statistics": _columns(cases, ENCODER),
            "all_statistics": _columns(cases, ALL),
            "latent_density": cases["latent_mean"][:, self.active],
        }
        return {
            "likelihood": -cases["iwae"],
            "grey_divergence": -cases["iwae"] - cases["grey_entropy"],
            "input_complexity": -cases["iwae"] - cases["code_length"],
        } | {name: -self.densities[name].score_samples(features[name]) for name in features}

    def _fitted(self, features: np.ndarray):
        # 1e-4: the least variance of a component, in units of the whole; one with fewer would fit a single image
        mixture = GaussianMixture(self.components, reg_covar=1e-4, max_iter=500, random_state=0)
        return make_pipeline(StandardScaler(), mixture).fit(features.astype(np.float64))


def _columns(cases: Statistics, names: Sequence[str]) -> np.ndarray:
    return np.column_stack([cases[name] for name in names]).astype(np.float64)


def largest(score: np.ndarray, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Score and pixels of the images with the largest scores, from the largest down; NaN counts as smallest."""
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[:PICTURED]
    return {"score": score[order], "pixels": pixels[order]}


def metrics(
    scores: dict[str, dict[str, np.ndarray]], in_distribution: str
) -> dict[str, dict[str, dict[str, float]]]:
    """How well each score separates each out-of-distribution data set from the in-distribution one.

    Args:
        scores: data set -> score name -> values (cases,).
        in_distribution: name of the data set that resembles the training data.
    """
    return {
        name: {score: separation(scores[in_distribution][score], of_set[score]) for score in of_set}
        for name, of_set in scores.items()
        if name != in_distribution
    }


def separation(in_distribution: np.ndarray, out_of_distribution: np.ndarray) -> dict[str, float]:
    """How well one score separates.

    Args:
        in_distribution: scores of data like the training data, (cases,); NaN for those that have none.
        out_of_distribution: scores of other data, (other cases,); the same.

    Returns:
        auroc; aupr (average precision); fpr95: share of the in-distribution cases that are flagged at the
        threshold that flags 95% of the out-of-distribution ones. All fractions.
    """
    own, others = (values[~np.isnan(values)] for values in (in_distribution, out_of_distribution))
    positive = np.repeat([0, 1], [len(own), len(others)])
    scores = np.concatenate([own, others])
    false_positive_rate, true_positive_rate, _ = roc_curve(positive, scores, drop_intermediate=False)
    true, false = len(others) * true_positive_rate[1:], len(own) * false_positive_rate[1:]  # at each threshold
    return {
        "auroc": float(auc(false_positive_rate, true_positive_rate)),
        "aupr": float((np.diff(true_positive_rate) * true / (true + false)).sum()),
        "fpr95": float(false_positive_rate[np.argmax(true_positive_rate >= 0.95)]),
    }
