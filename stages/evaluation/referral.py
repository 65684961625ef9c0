"""Selective classification: the classifier answers some cases itself and refers the others to a person."""

import math

import numpy as np
from scipy.stats import beta, binomtest


def guaranteed_threshold(score: np.ndarray, correct: np.ndarray, risk: float, confidence: float) -> float:
    """A threshold such that new cases with scores up to it have an error rate of at most `risk`.

    Selection with guaranteed risk (Geifman and El-Yaniv 2017, algorithm 1): a binary search among the scores of
    n cases. The error rate of each of the ceil(log2 n) candidates has a Clopper-Pearson bound, which may fail with
    an equal part of 1 - confidence for each of them.

    Args:
        score: of validation cases that were used for nothing else, (cases,); larger means less certain.
        correct: whether the answer would be correct, (cases,) bool.
        risk: the error rate allowed among answered cases.
        confidence: the probability, over draws of the validation cases, that new cases keep to it.

    Returns:
        The threshold; -inf if there is none that keeps the promise.
    """
    order = np.argsort(score, kind="stable")
    ranked, errors = score[order], np.cumsum(~correct[order])
    rounds = max(1, math.ceil(math.log2(len(score))))
    allowed = (1 - confidence) / rounds
    found, low, high = -np.inf, 0, len(score) - 1
    for _ in range(rounds):
        middle = (low + high + 1) // 2
        last = int(np.searchsorted(ranked, ranked[middle], side="right")) - 1  # equal scores share their fate
        if error_bound(int(errors[last]), last + 1, allowed) <= risk:
            found, low = float(ranked[last]), middle
        else:
            high = max(middle - 1, 0)
    return found


def error_bound(errors: int, cases: int, probability: float) -> float:
    """The Clopper-Pearson bound: an error rate above it gives so few errors with at most this probability."""
    return 1.0 if errors == cases else float(beta.ppf(1 - probability, errors + 1, cases - errors))


def outcome(score: np.ndarray, threshold: float, correct: np.ndarray | None = None) -> dict[str, float]:
    """The share of referred cases and the error rate at a threshold.

    Args:
        score: (cases,).
        threshold: cases with scores up to it are answered.
        correct: whether the answer would be correct, (cases,) bool; None if no answer would be correct, as for
            out-of-distribution cases.

    Returns:
        referred_percent: share of the cases that are referred. error_percent, only if `correct` is given: share of
        errors among the answered cases; 0 if none is answered. Both with the ends of their 95% intervals
        (Clopper-Pearson), after the same names: `_low` and `_high`.
    """
    answered = score <= threshold
    found = _percent("referred_percent", int((~answered).sum()), len(score))
    if correct is not None:
        found |= _percent("error_percent", int((~correct[answered]).sum()), int(answered.sum()))
    return found


def _percent(name: str, count: int, of: int) -> dict[str, float]:
    if of == 0:
        return {name: 0.0, f"{name}_low": 0.0, f"{name}_high": 100.0}
    interval = binomtest(count, of).proportion_ci(method="exact")
    return {name: 100 * count / of, f"{name}_low": 100 * interval.low, f"{name}_high": 100 * interval.high}
