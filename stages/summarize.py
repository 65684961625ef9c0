"""Summarize every metric: its mean over the seeds, and how far off it might be.

Writes metrics/summary.json: {model: {key: {mean, n, ci95_seeds, ci95_test}}}, the intervals as half widths.
`ci95_seeds` comes from the t distribution over seeds, null for a single one. `ci95_test` comes from a bootstrap
over the test cases of the first seed, null for a metric that does not depend on them.
"""

import argparse
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from tqdm import tqdm

from stages import artifacts, command, params
from stages.evaluation.ood import metrics as separations

Groups = dict[str, dict[str, np.ndarray]]
Metrics = dict[str, Any]  # numbers, or the same again

WITH_OOD = ("bnn", "vae")


def main() -> None:
    """Read metrics and predictions of all declared seeds, write the summary."""
    argparse.ArgumentParser(prog="python -m stages.summarize", description=__doc__).parse_args()
    settings = params.load()
    forget_other_seeds(settings.seeds)
    summary = {name: summary_of(name, settings) for name in params.MODELS}
    summary |= {f"ood/{name}": summary_of(name, settings, ood=True) for name in WITH_OOD}
    artifacts.write_json("metrics/summary.json", summary)


def forget_other_seeds(seeds: list[int], root: str | Path = "metrics") -> None:
    """Remove the metrics of seeds that params.yaml no longer declares: DVC leaves outputs of dropped stages."""
    declared = {str(seed) for seed in seeds}
    for path in Path(root).rglob("*.json"):
        if path.stem.isdigit() and path.stem not in declared:
            path.unlink()


def summary_of(model: str, settings, ood: bool = False) -> Metrics:
    """The summary of one model, or of its scores on foreign data."""
    name = f"ood/{model}" if ood else model
    of_seeds = [artifacts.read_json(f"metrics/{name}/{seed}.json") for seed in settings.seeds]
    folder = Path("predictions") / name / str(settings.seeds[0])
    predictions = {path.stem: artifacts.read_arrays(path) for path in sorted(folder.glob("*.safetensors"))}
    evaluation = import_module(f"stages.evaluation.{model}")
    if ood:
        compute, resampled = partial(separations, inside=evaluation.inside(settings)), set(predictions)
    else:
        compute, resampled = evaluation.metrics, evaluation.TEST_CASES
    ci95_test = bootstrap(compute, predictions, resampled, settings.summarize.bootstrap, name)
    return _combine(of_seeds, ci95_test)


def bootstrap(
    compute: Callable[[Groups], Metrics], predictions: Groups, resampled: set[str], resamples: int, title: str
) -> Metrics:
    """Half widths of 95% percentile intervals (Efron and Tibshirani 1993) of metrics over test cases.

    Args:
        compute: from predictions to metrics.
        predictions: groups of arrays.
        resampled: the groups whose arrays have one entry per test case; each is resampled on its own.
        resamples: number of resamples.
        title: of the progress bar.

    Returns:
        The tree of metrics, None where resampling changes nothing.
    """
    generator = np.random.default_rng(0)
    draws = []
    for _ in tqdm(range(resamples), desc=f"bootstrap {title}", disable=None):
        draw = dict(predictions)
        for group in sorted(resampled):
            size = len(next(iter(predictions[group].values())))
            index = generator.integers(size, size=size)
            draw[group] = {name: values[index] for name, values in predictions[group].items()}
        draws.append(compute(draw))
    return _map(_half_width, *draws)


def _half_width(*values: float) -> float | None:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(high - low) / 2 if np.ptp(values) > 0 else None


def _combine(of_seeds: list[Metrics], ci95_test: Metrics) -> Metrics:
    def entry(ci95: float | None, *values: float) -> dict[str, float | int | None]:
        return {
            "mean": float(np.mean(values)),
            "n": len(values),
            "ci95_seeds": t_interval(values),
            "ci95_test": ci95,
        }

    return _map(entry, ci95_test, *of_seeds)


def t_interval(values: tuple[float, ...]) -> float | None:
    """Half width of the 95% interval of a mean."""
    if len(values) < 2:
        return None
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


def _map(function: Callable, *trees: Metrics) -> Any:
    """Apply `function` to the leaves that stand at the same place in every tree."""
    if isinstance(trees[0], dict):
        return {key: _map(function, *(tree[key] for tree in trees)) for key in trees[0]}
    return function(*trees)


if __name__ == "__main__":
    command.run(main)
