"""The headline metrics: a dozen of the many hundred that the stages measure, for people in a hurry.

Writes metrics/headline.json: {model: {column: mean over the seeds}}, as HEADLINES in stages/evaluation/<model>.py
has it. No other file is declared as `metrics` in dvc.yaml, so that the table of `dvc exp show` fits on a screen;
`dvc metrics diff --targets metrics/bnn/0.json` reads any other.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from stages import artifacts, command
from stages.params import MODELS


def main() -> None:
    """Read the summary, pick, write."""
    command.opened(__doc__)
    artifacts.write_json("metrics/headline.json", headline(artifacts.read_json("metrics/summary.json")))


def headline(summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The headline metrics of all models that are in a summary, as it holds them."""
    picked = {}
    for model in MODELS:
        columns = import_module(f"stages.evaluation.{model}").HEADLINES
        found = {column: located(summary, path) for column, path in columns.items()}
        picked[model] = {column: entry(summary, keys)["mean"] for column, keys in found.items() if keys}
    return {model: metrics for model, metrics in picked.items() if metrics}


def located(tree: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
    """The keys that lead to an entry of a summary; None if it is not there.

    Args:
        tree: of models, metrics and perhaps data sets and scores.
        path: with dots. `*` stands for the first key there, as of the data sets that a model was not trained on.
    """
    keys = []
    for key in path.split("."):
        key = next(iter(tree), key) if key == "*" else key
        if key not in tree:
            return None
        keys.append(key)
        tree = tree[key]
    return tuple(keys)


def entry(tree: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    """What those keys lead to."""
    for key in keys:
        tree = tree[key]
    return tree


if __name__ == "__main__":
    command.run(main)
