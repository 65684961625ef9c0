"""The headline table: the metrics for people in a hurry, each with its interval."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from stages import artifacts
from stages.headline import entry, located
from tools import readme
from tools.report.sources import Run

SEEDS = Path("metrics/seeds.json")
OF_STUDY = "studies/seeds/runs/five/metrics"  # the runs that it summarises


def title(model: str) -> str:
    """What to call a model."""
    return import_module(f"stages.evaluation.{model}").TITLE


def section(run: Run) -> list[dict[str, Any]]:
    """For each model its title and its rows: the key, the metric, its value, half width, and what that is over."""
    summary, seeds = run.metrics("summary"), over_seeds(run)
    found: dict[str, list] = {}
    for model, keys, text, decimals in readme.rows(summary, "HEADLINES"):
        path = ".".join(keys)
        of_seeds = entry(seeds, keys) if located(seeds, path) else None
        row = {"key": path, "metric": text} | value(entry(summary, keys), of_seeds, decimals)
        found.setdefault(model, []).append(row)
    return [{"title": model, "rows": rows} for model, rows in found.items()]


def value(found: dict, of_seeds: dict | None, decimals: int) -> dict[str, str]:
    """A metric as text, with the interval over trainings if several were made, or else over test cases."""
    if of_seeds is None and found["n"] > 1:
        of_seeds = found
    shown = of_seeds or found
    half_width = shown["ci95_seeds"] if of_seeds else found["ci95_test"]
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
        kind: metrics
        for kind, metrics in artifacts.read_json(SEEDS).items()
        if (ours := Path("metrics", kind, f"{run.seed}.json")).exists()
        and (theirs := Path(OF_STUDY, kind, f"{run.seed}.json")).exists()
        and artifacts.read_json(ours) == artifacts.read_json(theirs)
    }
