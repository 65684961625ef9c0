"""Step 4b for the semi-supervised VAE: classification with few labels, drawn digits, completed halves."""

import numpy as np
from scipy.special import logsumexp, softmax

from stages.evaluation.classification import scores
from stages.temperature import scaled

# groups with one entry per test case, which the bootstrap resamples
TEST_CASES = {"cases", "drawn", "real", "real_variety", "halves"}
BASELINE = "labels_only_"  # the prefix of the metrics of the classifier that has seen no unlabelled image
DIFFERENCES = ("error_percent", "nll", "brier", "ece", "nll_temperature", "ece_temperature")
TITLE = "semi-supervised VAE"
WITHOUT = "the same of its classifier without unlabelled images"
DIFFERENCE = "difference of these, paired"
RESULTS = {  # rows of the table of results, by their place in metrics/summary.json: label, decimals
    "ssvae.error_percent": ("error with {ssvae[labels][mean]:,.0f} labels (%)", 2),
    "ssvae.labels_only_error_percent": ("error of its classifier without unlabelled images (%)", 2),
    "ssvae.error_percent_minus_labels_only": (f"{DIFFERENCE} (points)", 2),
    "ssvae.nll": ("negative log likelihood (nats)", 3),
    "ssvae.labels_only_nll": (WITHOUT, 3),
    "ssvae.nll_minus_labels_only": (f"{DIFFERENCE} (nats)", 3),
    "ssvae.brier": ("Brier score", 4),
    "ssvae.labels_only_brier": (WITHOUT, 4),
    "ssvae.brier_minus_labels_only": (DIFFERENCE, 4),
    "ssvae.ece": ("expected calibration error", 3),
    "ssvae.labels_only_ece": (WITHOUT, 3),
    "ssvae.ece_minus_labels_only": (DIFFERENCE, 3),
    "ssvae.nll_temperature": ("negative log likelihood after temperature scaling (nats)", 3),
    "ssvae.labels_only_nll_temperature": (WITHOUT, 3),
    "ssvae.nll_temperature_minus_labels_only": (DIFFERENCE, 3),
    "ssvae.ece_temperature": ("expected calibration error after temperature scaling", 3),
    "ssvae.labels_only_ece_temperature": (WITHOUT, 3),
    "ssvae.ece_temperature_minus_labels_only": (DIFFERENCE, 3),
    "ssvae.one_draw_error_percent": ("error on one binary draw of each digit (%)", 2),
    "ssvae.generative_error_percent": ("error of the generative answer, by Bayes' rule, on the same draws (%)", 2),
    "ssvae.generative_error_percent_minus_one_draw": (f"{DIFFERENCE} (points)", 2),
    "ssvae.one_draw_nll": ("negative log likelihood on one binary draw of each digit (nats)", 3),
    "ssvae.generative_nll": ("the same of the generative answer", 3),
    "ssvae.generative_nll_minus_one_draw": (DIFFERENCE, 3),
    "ssvae.conditional_accuracy_percent": ("drawn digits that the nearest training images recognise (%)", 1),
    "ssvae.conditional_accuracy_lenet_percent": ("drawn digits that a LeNet recognises (%)", 1),
    "ssvae.conditional_accuracy_lenet_means_percent": ("the same in the probabilities of their pixels (%)", 1),
    "ssvae.judge_error_percent": ("error of this LeNet on real digits, drawn as binary images (%)", 1),
    "ssvae.train_on_drawn_accuracy_percent": ("accuracy of a LeNet that was trained on drawn digits alone (%)", 1),
    "ssvae.train_on_real_accuracy_percent": ("the same of a LeNet that was trained as long on real digits (%)", 1),
    "ssvae.spread_percent": ("variance of drawn digits within a class, as a share of that of real ones (%)", 1),
    "ssvae.nearest_distance": ("distance of drawn digits from the nearest training image", 2),
    "ssvae.nearest_distance_real": ("the same of real test digits", 2),
    "ssvae.half_error_percent": ("error if the lower half is hidden (%)", 1),
    "ssvae.half_neighbours_error_percent": ("the same by similar training images and all their labels (%)", 1),
    "ssvae.half_nll": ("negative log likelihood if the lower half is hidden (nats)", 3),
    "ssvae.half_neighbours_nll": ("the same by similar training images and all their labels", 3),
    "ssvae.half_effective_samples": ("effective sample size of its importance samples, median", 0),
    "ssvae.hidden_half_nll": ("negative log likelihood of the hidden half (nats)", 1),
    "ssvae.hidden_half_neighbours_nll": ("the same by similar training images", 1),
}
HEADLINES = {  # the columns of `dvc exp show`: name, and place in metrics/summary.json
    "error_percent": "ssvae.error_percent",
    "labels_only": "ssvae.labels_only_error_percent",
    "drawn": "ssvae.conditional_accuracy_lenet_percent",
}


def metrics(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """Metrics of classification, likelihood (bounds as costs, nats per image) and generation.

    Those of the baseline are prefixed with labels_only_, and `minus_labels_only` marks differences on the same
    cases: negative where the model is better. On one binary draw of each image, those of the answer by Bayes' rule
    are prefixed with generative_, those of the classifier with one_draw_; `minus_one_draw` is their difference.
    """
    cases = predictions["cases"]
    ours, baseline = classified(cases, ""), classified(cases, BASELINE)
    answers = {"generative": softmax(cases["log_joint"], axis=1), "one_draw": cases["one_draw_probabilities"]}
    of_one_draw = {}
    for name, p in answers.items():
        found = scores(p, cases["labels"])
        of_one_draw |= {f"{name}_{key}": found[key] for key in ("error_percent", "nll", "ece")}
    for key in ("error_percent", "nll"):
        difference = of_one_draw[f"generative_{key}"] - of_one_draw[f"one_draw_{key}"]
        of_one_draw[f"generative_{key}_minus_one_draw"] = difference
    return (
        {"labels": int(cases["kept_labels"][0])}
        | ours
        | {f"{BASELINE}{name}": value for name, value in baseline.items()}
        | {f"{name}_minus_labels_only": ours[name] - baseline[name] for name in DIFFERENCES}
        | of_one_draw
        | {
            "elbo": -float(cases["elbo"].mean(dtype=np.float64)),
            "iwae": -float(logsumexp(cases["log_joint"].astype(np.float64), axis=1).mean()),
        }
        | digits(predictions)
        | _halves(predictions["halves"])
    )


def classified(cases: dict[str, np.ndarray], prefix: str) -> dict[str, float]:
    """Error, NLL, Brier score and ECE of the classifier with that prefix, before and after its temperature."""
    probabilities, temperature = cases[f"{prefix}probabilities"], float(cases[f"{prefix}temperature"][0])
    plain = scores(probabilities, cases["labels"])
    tempered = scores(scaled(probabilities, temperature), cases["labels"])
    return (
        plain
        | {f"{name}_temperature": tempered[name] for name in ("nll", "brier", "ece")}
        | {"temperature": temperature}
    )


def digits(predictions: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    """How often drawn digits are what was asked for, and how varied and new they are, beside real ones.

    Args:
        predictions: the groups drawn, real and real_variety.
    """
    drawn, real, variety = (predictions[name] for name in ("drawn", "real", "real_variety"))
    return {  # real digits are not as many in every class: means over classes
        "conditional_accuracy_percent": _percent(drawn["neighbours"] == drawn["labels"]),
        "conditional_accuracy_lenet_percent": _percent(drawn["lenet"] == drawn["labels"]),
        "conditional_accuracy_lenet_means_percent": _percent(drawn["lenet_means"] == drawn["labels"]),
        "judge_error_percent": _percent(real["lenet"] != real["labels"]),
        "train_on_drawn_accuracy_percent": _percent(real["student"] == real["labels"]),
        "train_on_real_accuracy_percent": _percent(real["student_of_real"] == real["labels"]),
        "spread_percent": 100 * _mean_of_classes(drawn, "deviation") / _mean_of_classes(variety, "deviation"),
        "nearest_distance": _mean_of_classes(drawn, "distance"),
        "nearest_distance_real": _mean_of_classes(variety, "distance"),
    }


def _mean_of_classes(group: dict[str, np.ndarray], name: str) -> float:
    """The mean over classes of the mean within each."""
    of_class = (group[name][group["labels"] == label] for label in np.unique(group["labels"]))
    return float(np.mean([values.mean(dtype=np.float64) for values in of_class]))


def _halves(halves: dict[str, np.ndarray]) -> dict[str, float]:
    """What is known of a digit from its upper half."""
    read, neighbours = (
        scores(halves[f"{prefix}probabilities"], halves["labels"]) for prefix in ("", "neighbours_")
    )
    return {
        "half_error_percent": read["error_percent"],
        "half_nll": read["nll"],
        "half_neighbours_error_percent": neighbours["error_percent"],
        "half_neighbours_nll": neighbours["nll"],
        "half_effective_samples": float(np.median(halves["effective_samples"])),
        "hidden_half_nll": -float(halves["hidden"].mean(dtype=np.float64)),
        "hidden_half_neighbours_nll": -float(halves["neighbours"].mean(dtype=np.float64)),
        "hidden_half_minus_neighbours": float((halves["neighbours"] - halves["hidden"]).mean(dtype=np.float64)),
    }


def _percent(values: np.ndarray) -> float:
    return 100 * float(values.mean())
