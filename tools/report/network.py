"""The Bayesian neural network's sections: decisions by a threshold, calibration, foreign images, turned images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.metrics import roc_curve
from torch import Tensor

from stages import datasets, ood_data, runtime
from stages.evaluation import bnn as evaluation
from stages.evaluation import ood, referral
from stages.evaluation.classification import BINS
from stages.evaluation.shift import KEYS
from stages.predictive import bnn as predictive
from stages.refer import entropy, every_other, right
from tools.report import charts, pictures, words
from tools.report.sources import Run, rounded

THRESHOLDS = 160  # positions of the slider besides the chosen one
SHOWN = 6  # foreign images of a kind: handed to a person, or answered
CANDIDATES = 24  # looked at again to find them
DEGREES = range(0, 360, 5)  # positions of the slider that turns an image
PER_ROW = 12  # of these in a row of the picture that holds them all
FALSE_POSITIVE_RATES = np.concatenate([[0.0], np.geomspace(1e-4, 1, 81)])  # at which ROC curves are drawn
SCORES = {
    "entropy": "entropy",
    "mutual_information": "mutual information",
    "max_probability": "1 − max probability",
}


def names(run: Run) -> dict[str, words.DataSet]:
    """What it learned, and the other data set of the pair."""
    learned = evaluation.in_distribution(run.settings)
    other = evaluation.out_of_distribution(run.settings)[0]
    return {"learned": words.data_set(learned), "other": words.data_set(other)}


def decisions(run: Run) -> dict[str, Any]:
    """What comes of each threshold on the predictive entropy, as stages/refer.py measures it.

    Returns:
        thresholds: ascending, nats; `top` is the largest entropy there is. chosen: the place of the one that was
        chosen on validation data. rows: for the held-out images and each foreign data set, `referred` and, where
        known, `wrong` (percent) and `answered` and `errors` (counts) at each threshold. entropies: histograms.
    """
    cases = run.predictions("bnn")["cases"]
    if run.settings.evaluate.split == "validation":  # the other half chose the threshold
        cases = every_other(cases, 1 - evaluation.UNTEMPERED)
    measured = run.metrics(f"referral/bnn/{run.seed}")
    own, correct = entropy(cases), right(cases)
    scores = run.predictions("ood/bnn")
    top = np.log(cases["probabilities"].shape[1])
    thresholds = np.unique([*np.geomspace(1e-3, top, THRESHOLDS), measured["threshold_nats"]])
    learned = evaluation.in_distribution(run.settings)
    rows = [_outcomes(learned, own, thresholds, correct)]
    forms = run.predictions("shift/bnn")
    for form in evaluation.other_forms(run.settings):
        p, labels = forms[form]["probabilities"][0], forms[form]["labels"]
        of_form = {"probabilities": p, "labels": labels}
        rows.append(_outcomes(form, entropy(of_form), thresholds, right(of_form)))
    rows += [
        _outcomes(name, scores[name]["entropy"], thresholds)
        for name in evaluation.out_of_distribution(run.settings)
    ]
    foreign = evaluation.out_of_distribution(run.settings)[0]
    return {
        "thresholds": thresholds.tolist(),
        "top": float(top),
        "chosen": int(np.searchsorted(thresholds, measured["threshold_nats"])),
        "rows": rows,
        "entropies": charts.histogram(
            {words.data_set(learned).name: own, words.data_set(foreign).name: scores[foreign]["entropy"]}, top
        ),
    }


def _outcomes(name: str, score: np.ndarray, thresholds: np.ndarray, correct: np.ndarray | None = None) -> dict:
    found = [referral.outcome(score, threshold, correct) for threshold in thresholds]
    row = {"name": words.data_set(name).name, "key": name, "images": len(score)}
    row["referred"] = rounded([of["referred_percent"] for of in found], 3)
    if correct is not None:
        answered = [score <= threshold for threshold in thresholds]
        row["wrong"] = rounded([of["error_percent"] for of in found], 4)
        row["answered"] = [int(which.sum()) for which in answered]
        row["errors"] = [int((~correct[which]).sum()) for which in answered]
    return row


def reliability(run: Run) -> dict[str, dict[str, Any]]:
    """Calibration on held-out images, and on images turned by some angles.

    Returns:
        Of each set, `bins`, accuracy in bins of confidence, and the metrics error_percent, ece and
        predictive_entropy.
    """
    cases, turned = run.predictions("bnn")["cases"], run.predictions("shift/bnn")["rotation"]
    upright, along = run.metrics(f"bnn/{run.seed}"), run.metrics(f"shift/bnn/{run.seed}")["rotation"]
    many = names(run)["learned"].many
    sets = {f"held-out {many}": (cases["probabilities"], cases["labels"], upright)}
    for level, probabilities in zip(turned["levels"], turned["probabilities"], strict=True):
        if level:
            sets[f"{many} turned by {level:g}°"] = (probabilities, turned["labels"], along[f"{level:g}"])
    return {
        name: {"bins": _bins(p.max(axis=1), p.argmax(axis=1) == labels)} | {key: of[key] for key in KEYS}
        for name, (p, labels, of) in sets.items()
    }


def _bins(confidence: np.ndarray, correct: np.ndarray) -> list[dict]:
    """Bins of equal width, as the expected calibration error has them; intervals are Wilson's, 95%."""
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = []
    for place in np.unique(index):
        inside = index == place
        count, hits = int(inside.sum()), int(correct[inside].sum())
        low, high = binomtest(hits, count).proportion_ci(method="wilson")
        rows.append(
            {
                "from": round(place / BINS, 4),
                "to": round((place + 1) / BINS, 4),
                "confidence": round(float(confidence[inside].mean()), 4),
                "accuracy": round(hits / count, 4),
                "low": round(low, 4),
                "high": round(high, 4),
                "cases": count,
            }
        )
    return rows


def roc(run: Run) -> dict[str, list[dict]]:
    """ROC curves of each score for each foreign data set, which is the positive class."""
    scores = run.predictions("ood/bnn")
    learned = scores[evaluation.in_distribution(run.settings)]
    return {
        words.data_set(name).name: [row for score in SCORES for row in _curve(score, learned, scores[name])]
        for name in evaluation.out_of_distribution(run.settings)
    }


def _curve(score: str, learned: dict, foreign: dict) -> list[dict]:
    values = np.concatenate([learned[score], foreign[score]])
    positive = np.repeat([0, 1], [len(learned[score]), len(foreign[score])])
    false_positive, true_positive, _ = roc_curve(positive, values)
    along = np.interp(FALSE_POSITIVE_RATES, false_positive, true_positive)
    return [
        {"score": SCORES[score], "fpr": float(f"{fpr:.3g}"), "tpr": round(float(tpr), 4)}
        for fpr, tpr in zip(FALSE_POSITIVE_RATES, along, strict=True)
    ]


def areas(run: Run) -> dict[str, list[dict]]:
    """AUROC and FPR95 of each score for each foreign data set, from metrics/."""
    measured = run.metrics(f"ood/bnn/{run.seed}")
    return {
        words.data_set(name).name: [
            {"score": text, "auroc": measured[name][score]["auroc"], "fpr95": measured[name][score]["fpr95"]}
            for score, text in SCORES.items()
        ]
        for name in evaluation.out_of_distribution(run.settings)
    }


class Drawn:
    """The trained network, to be asked about a few more images."""

    def __init__(self, run: Run):
        self.settings, self.seed = run.settings, run.seed
        self.device = runtime.prepare(run.settings, run.seed)
        self.posterior = predictive.trained(run.settings, run.seed, self.device)
        self.learned = evaluation.in_distribution(run.settings)

    def name(self, label: int) -> str:
        """What a class is called that it can answer with."""
        return words.class_name(self.settings, self.learned, label)

    def __call__(self, pixels: Tensor) -> dict[str, np.ndarray]:
        """Probabilities (images, classes), and entropy and mutual_information (images,), in nats."""
        images = datasets.Images(pixels, torch.full((len(pixels),), -1))
        cases = predictive.predict_cases(self.settings, self.posterior, images)
        return {"probabilities": cases["probabilities"]} | ood.classifier_scores(cases)


def foreign(run: Run, drawn: Drawn) -> list[dict[str, Any]]:
    """Some images of each foreign data set: some handed to a person, and the surest answers, if there are any.

    They are chosen by the scores in predictions/. What is written below them comes from networks drawn anew;
    images that these would decide about differently are left out.
    """
    threshold = run.metrics(f"referral/bnn/{run.seed}")["threshold_nats"]
    scores = run.predictions("ood/bnn")
    found = []
    for name in evaluation.out_of_distribution(run.settings):
        values, called = scores[name]["entropy"], words.data_set(name)
        images = ood_data.load(name, run.settings.evaluate.split, run.settings)
        groups = {"referred": np.flatnonzero(values > threshold), "answered": np.flatnonzero(values <= threshold)}
        shown = {}
        for group, places in groups.items():
            if group == "answered":  # the surest
                few = places[np.argsort(values[places], kind="stable")][:CANDIDATES]
            else:  # some from all over the set
                few = places[np.unique(np.linspace(0, len(places) - 1, CANDIDATES // 2).astype(int))]
            shown[group] = _cards(drawn, images, few, threshold, group, name) if len(few) else []
        found.append(
            {
                "key": name,
                "name": called.name,
                "many": called.many,
                "images": len(values),
                "counts": {group: len(places) for group, places in groups.items()},
            }
            | shown
        )
    return found


def _cards(
    drawn: Drawn, images: datasets.Images, places: np.ndarray, threshold: float, group: str, data_set: str
) -> list[dict[str, Any]]:
    said, labels = drawn(images.pixels[places]), images.labels[places].tolist()
    cards = []
    for place, (p, nats) in enumerate(zip(said["probabilities"], said["entropy"], strict=True)):
        if (nats <= threshold) == (group == "answered"):
            label, best = labels[place], int(p.argmax())
            truth = words.data_set(data_set).one
            if label >= 0:
                truth += f", {words.class_name(drawn.settings, data_set, label)}"
            cards.append(
                {
                    "picture": pictures.one(images.pixels[places[place]].numpy()),
                    "truth": truth,
                    "guess": drawn.name(best),
                    "percent": 100 * float(p[best]),
                    "entropy": float(nats),
                }
            )
    if group == "answered":
        return sorted(cards[:SHOWN], key=lambda card: card["entropy"])
    return cards[:: max(1, len(cards) // SHOWN)][:SHOWN]


def turned(run: Run, drawn: Drawn) -> dict[str, Any]:
    """The first held-out image of each class, turned all around, and what the network says of it.

    Returns:
        degrees: of each position. start: the image whose entropy rises most. images: label, picture (a grid of
        the turned images, `per_row` in a row), thumbnail, probabilities (positions, classes), entropy and
        mutual_information (positions,).
    """
    learned = evaluation.in_distribution(run.settings)
    held_out = datasets.load(learned, run.settings.evaluate.split, run.settings.images)
    labels = held_out.labels.numpy()
    found = []
    for label in np.unique(labels):
        upright = held_out.pixels[int(np.argmax(labels == label))][None]
        around = torch.cat([ood_data.rotated(upright, degrees) for degrees in DEGREES])
        said = drawn(around)
        found.append(
            {
                "label": drawn.name(int(label)),
                "picture": pictures.grid(around.numpy().reshape(-1, PER_ROW, datasets.PIXELS), gap=0),
                "thumbnail": pictures.one(upright[0].numpy()),
                "probabilities": rounded(said["probabilities"], 4),
                "entropy": rounded(said["entropy"], 4),
                "mutual_information": rounded(said["mutual_information"], 4),
            }
        )
    classes = range(len(found[0]["probabilities"][0]))
    changes = [max(image["entropy"]) - image["entropy"][0] for image in found]
    return {
        "degrees": list(DEGREES),
        "per_row": PER_ROW,
        "classes": [drawn.name(label) for label in classes],
        "start": int(np.argmax(changes)),
        "images": found,
    }
