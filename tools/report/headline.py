"""The headline table: the metrics for people in a hurry, each with its interval."""

from __future__ import annotations

import functools
import operator
from importlib import import_module
from pathlib import Path
from typing import Any

from stages import artifacts
from stages.params import MODELS
from tools.report.sources import Run

SEEDS = Path("metrics/seeds.json")
OF_STUDY = "studies/seeds/runs/five/metrics"  # the runs that it summarises


def headlines(model: str) -> tuple[str, dict[str, tuple[str, int]]]:
    """What to call a model, and its headline metrics: path in metrics/summary.json, text and decimals."""
    figures = import_module(f"stages.figures.{model}")
    return figures.TITLE, figures.HEADLINES


def section(run: Run) -> list[dict[str, Any]]:
    """For each model its title and its rows: the key, the metric, its value, half width, and what that is over."""
    summary, seeds = run.metrics("summary"), over_seeds(run)
    found = []
    for model in MODELS:
        title, metrics = headlines(model)
        rows = [
            {"key": path, "metric": text.format(**summary)} | value(entry, at(seeds, path), decimals)
            for path, (text, decimals) in metrics.items()
            if (entry := at(summary, path))
        ]
        found += [{"title": title, "rows": rows}] if rows else []
    return found


def value(entry: dict, of_seeds: dict | None, decimals: int) -> dict[str, str]:
    """A metric as text, with the interval over trainings if several were made, or else over test cases."""
    if of_seeds is None and entry["n"] > 1:
        of_seeds = entry
    shown = of_seeds or entry
    half_width = shown["ci95_seeds"] if of_seeds else entry["ci95_test"]
    over = f"{shown['n']} trainings" if of_seeds else "test cases"
    known = half_width is not None and decimals > 0
    return {
        "value": f"{shown['mean']:.{decimals}f}",
        "half_width": f"{half_width:.{decimals}f}" if known else "",
        "over": over if known else "",
    }


def over_seeds(run: Run) -> dict[str, Any]:
    """metrics/seeds.json, of those models whose metrics here are those of the study's first seed.

    With other params, this run is not one of the study's: its intervals are of another model.
    """
    if not SEEDS.exists():
        return {}
    return {
        kind: entry
        for kind, entry in artifacts.read_json(SEEDS).items()
        if (ours := Path("metrics", kind, f"{run.seed}.json")).exists()
        and (theirs := Path(OF_STUDY, kind, f"{run.seed}.json")).exists()
        and artifacts.read_json(ours) == artifacts.read_json(theirs)
    }


def at(tree: dict[str, Any], path: str) -> dict[str, Any] | None:
    """What stands at a dotted path; None if nothing does."""
    try:
        return functools.reduce(operator.getitem, path.split("."), tree)
    except KeyError:
        return None
