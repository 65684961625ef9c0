"""Confidence intervals of metrics, over test cases and over seeds."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from tqdm import tqdm

from stages.artifacts import Groups

Metrics = dict[str, Any]  # a nested dictionary of numbers


def bootstrap(
    compute: Callable[[Groups], Metrics], predictions: Groups, resampled: set[str], resamples: int
) -> Metrics:
    """Half widths of 95% percentile intervals (Efron and Tibshirani 1993) of metrics over test cases.

    Args:
        compute: function from predictions to metrics.
        predictions: groups of arrays.
        resampled: the groups whose arrays have one entry per test case; each is resampled independently.
        resamples: number of resamples.

    Returns:
        The half widths, nested like the metrics; None where a metric is the same in all resamples.
    """
    return mapped(_half_width, *replicates(compute, predictions, resampled, resamples))


def replicates(
    compute: Callable[[Groups], Metrics], predictions: Groups, resampled: set[str], resamples: int
) -> list[Metrics]:
    """Metrics of bootstrap resamples, for the same arguments as `bootstrap`.

    Predictions of the same cases by any model are resampled in the same way, so that differences are paired.
    """
    generator = np.random.default_rng(0)
    draws = []
    for _ in tqdm(range(resamples), desc="bootstrap", disable=None):
        draw = dict(predictions)
        for group in sorted(resampled):
            size = len(next(iter(predictions[group].values())))
            index = generator.integers(size, size=size)
            draw[group] = {name: values[index] for name, values in predictions[group].items()}
        draws.append(compute(draw))
    return draws


def _half_width(*values: float) -> float | None:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(high - low) / 2 if np.ptp(values) > 0 else None


def over_seeds(of_seeds: Sequence[Metrics]) -> Metrics:
    """For each metric: its mean over seeds, the number of seeds, and the half width of the mean's 95% interval."""

    def entry(*values: float) -> dict[str, float | int | None]:
        return {"mean": float(np.mean(values)), "n": len(values), "ci95_seeds": t_interval(values)}

    return mapped(entry, *of_seeds)


def t_interval(values: Sequence[float]) -> float | None:
    """Half width of the 95% interval of the mean; None for a single value."""
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def mapped(function: Callable, *trees: Metrics) -> Any:
    """Apply `function` to the corresponding leaves of all trees; the keys are those of the last tree."""
    if isinstance(trees[-1], dict):
        return {key: mapped(function, *(tree[key] for tree in trees)) for key in trees[-1]}
    return function(*trees)
