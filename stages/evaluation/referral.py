"""Selective classification: the classifier answers some cases itself and refers the others to a person."""

import numpy as np

from stages.evaluation.classification import RISK, selective_risk


def threshold(score: np.ndarray, correct: np.ndarray, risk: float = RISK) -> float:
    """The largest threshold such that the cases with scores up to it have an error rate of at most `risk`.

    Args:
        score: of validation cases, (cases,); larger means less certain.
        correct: whether the answer would be correct, (cases,) bool.
        risk: the error rate allowed among the answered cases.

    Returns:
        The threshold; -inf if no case can be answered.
    """
    allowed = np.flatnonzero(selective_risk(-score, correct) <= risk)
    ranked = np.sort(score)
    # a group of equal scores is answered as a whole or not at all
    whole = [place for place in allowed if place + 1 == len(ranked) or ranked[place + 1] > ranked[place]]
    return float(ranked[whole[-1]]) if whole else -np.inf


def outcome(score: np.ndarray, threshold: float, correct: np.ndarray | None = None) -> dict[str, float]:
    """The share of referred cases and the error rate at a threshold.

    Args:
        score: (cases,).
        threshold: cases with scores up to it are answered.
        correct: whether the answer would be correct, (cases,) bool; None if no answer would be correct, as for
            out-of-distribution cases.

    Returns:
        referred_percent: share of the cases that are referred. error_percent, only if `correct` is given: share of
        errors among the answered cases; 0 if none is answered.
    """
    answered = score <= threshold
    found = {"referred_percent": 100 * float(1 - answered.mean())}
    if correct is not None:
        found["error_percent"] = 100 * float(np.mean(~correct[answered])) if answered.any() else 0.0
    return found
