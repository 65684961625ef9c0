"""Decisions: which cases a classifier answers itself, and which it hands to a person."""

import numpy as np

from stages.evaluation.classification import RISK, selective_risk


def threshold(score: np.ndarray, correct: np.ndarray, risk: float = RISK) -> float:
    """The largest score up to which cases can be answered with an error rate of at most `risk`.

    Args:
        score: of validation cases, larger for the less sure, (cases,).
        correct: whether the answer would be right, (cases,) bool.
        risk: the error rate allowed among the answered.

    Returns:
        The threshold; -inf if no case can be answered.
    """
    allowed = np.flatnonzero(selective_risk(-score, correct) <= risk)
    ranked = np.sort(score)
    # a group of equal scores is answered as a whole or not at all
    whole = [place for place in allowed if place + 1 == len(ranked) or ranked[place + 1] > ranked[place]]
    return float(ranked[whole[-1]]) if whole else -np.inf


def outcome(score: np.ndarray, threshold: float, correct: np.ndarray | None = None) -> dict[str, float]:
    """What comes of a threshold.

    Args:
        score: (cases,).
        threshold: cases up to it are answered.
        correct: whether the answer would be right, (cases,) bool; None if no answer is right.

    Returns:
        referred_percent: share of the cases that go to a person. error_percent, where answers can be right: share
        of errors among the answered ones; 0 if none is.
    """
    answered = score <= threshold
    found = {"referred_percent": 100 * float(1 - answered.mean())}
    if correct is not None:
        found["error_percent"] = 100 * float(np.mean(~correct[answered])) if answered.any() else 0.0
    return found
