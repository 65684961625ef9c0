"""Reproduce the committed results from scratch and compare every metric with the committed one.

Runs the pipeline (or what one model needs) in a separate folder, without cache or run-cache. The tolerance of each
metric comes from the spread over seeds (metrics/seeds.json), or from tolerances.yaml, which gives a reason.

The exit status is 0 if all metrics are within their tolerances. Where the weights are others, as on a different
kind of machine, it is also 0 if at most one metric in twenty exceeds its tolerance, and none by three times or
more, since 95% of pairs of training runs differ by less. Otherwise it is 1.
"""

import argparse
import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from stages import artifacts, command, params
from tools import quick

ROOT = Path(__file__).parent.parent
FAR = 3  # times the tolerance: too far, whatever the other metrics do
CHANCE = 20  # one metric in so many may exceed its tolerance


@dataclass(frozen=True)
class Row:
    """One metric."""

    name: str
    committed: float
    rerun: float
    allowed: float

    @property
    def difference(self) -> float:
        """Rerun minus committed."""
        return self.rerun - self.committed

    @property
    def passes(self) -> bool:
        """Whether the difference is allowed."""
        return abs(self.difference) <= self.allowed

    @property
    def far(self) -> bool:
        """Whether it is so large that chance does not explain it."""
        return not (self.passes or abs(self.difference) < FAR * self.allowed)


def main() -> None:
    """Copy the pipeline, rerun it and compare."""
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    parser.add_argument("--model", choices=params.MODELS, help="verify only this model")
    parser.add_argument("--into", type=Path, help="the folder (default: a temporary one, deleted on success)")
    args = parser.parse_args()
    tolerances = read_tolerances(ROOT)
    folder = args.into or Path(tempfile.mkdtemp(prefix="verify-"))
    if folder.exists() and any(folder.iterdir()):
        raise command.Failure(f"{folder} is not empty: choose an empty folder")
    quick.copy(folder, {})
    files = metric_files(ROOT / "metrics", args.model)
    stages = writers(ROOT / "dvc.lock")
    rerun(folder, [stages[f"metrics/{file}.json"] for file in files] if args.model else [])
    rows = list(compare(ROOT / "metrics", folder / "metrics", files, tolerances))
    print(table(rows))
    weights = dict(posteriors(ROOT / "dvc.lock", folder / "dvc.lock"))
    for name, same in weights.items():
        print(f"{name}: {'the same bytes' if same else 'different bytes, as on a different kind of machine'}")
    words, reproduced = verdict(rows, same_weights=all(weights.values()))
    if not reproduced:
        raise command.Failure(f"{words}: see {folder}")
    print(words)
    if args.into is None:
        shutil.rmtree(folder)


def metric_files(metrics: Path, model: str | None) -> list[Path]:
    """Metrics files of one model, or of all, relative to their folder.

    Files directly in that folder are summaries, or belong to a study.
    """
    found = (path.relative_to(metrics).with_suffix("") for path in metrics.glob("*/**/*.json"))
    found = (path for path in found if path.parts[0] != "intervals")
    return sorted(path for path in found if model is None or model in path.parts)


def writers(lock: Path) -> dict[str, str]:
    """The stage that writes each output, from a lock file."""
    stages = yaml.safe_load(lock.read_text())["stages"]
    return {out["path"]: name for name, entry in stages.items() for out in entry.get("outs", [])}


def rerun(folder: Path, stages: list[str]) -> None:
    """Run stages and their dependencies, all if none are named, without using results of earlier runs."""
    words = ["dvc", "repro", "--force", "--no-run-cache", *stages]
    if subprocess.run(words, cwd=folder, env=quick.environment()).returncode:
        raise command.Failure(f"the rerun failed, see above; its outputs are in {folder}")


class Tolerances:
    """The tolerance of each metric.

    Args:
        spread: metrics/seeds.json, {model: {key: {mean, n, ci95_seeds}}}, which takes precedence.
        groups: tolerances.yaml, for all other metrics: groups of `because` and `allowed`, in which `*` matches
            anything and 10% means a tenth of the committed value.
    """

    def __init__(self, spread: Mapping[str, Any], groups: list[Mapping[str, Any]]):
        self.spread = {model: _flat_entries(metrics) for model, metrics in spread.items()}
        self.allowed = {name: value for group in groups for name, value in group["allowed"].items()}

    def of(self, model: str, key: str, committed: float) -> float:
        """The largest allowed difference of two training runs: 95% of pairs differ by less.

        Raises:
            Failure: if there is no tolerance for the metric.
        """
        entry = self.spread.get(model, {}).get(key)
        if entry and entry["ci95_seeds"]:  # a spread of 0 over a few seeds does not mean that there is none
            return entry["ci95_seeds"] * math.sqrt(2 * entry["n"])  # from a mean to a difference
        name = f"{model}.{key}"
        for pattern in (name, *self.allowed):
            if pattern in self.allowed and fnmatchcase(name, pattern):
                value = str(self.allowed[pattern])
                return abs(committed) * float(value[:-1]) / 100 if value.endswith("%") else float(value)
        raise command.Failure(f"tolerances.yaml: {name} is missing: add a tolerance and the reason for it")


def read_tolerances(root: Path) -> Tolerances:
    """Tolerances from metrics/seeds.json, if it exists, and tolerances.yaml."""
    seeds = root / "metrics/seeds.json"
    spread = artifacts.read_json(seeds) if seeds.exists() else {}
    return Tolerances(spread, yaml.safe_load((root / "tolerances.yaml").read_text()))


def compare(committed: Path, rerun: Path, files: list[Path], tolerances: Tolerances) -> Iterator[Row]:
    """A row for each metric in the files.

    Raises:
        Failure: if a metric is in only one of the two, or has no tolerance.
    """
    for file in files:
        old, new = (_flat(artifacts.read_json((root / file).with_suffix(".json"))) for root in (committed, rerun))
        if odd := sorted(old.keys() ^ new.keys()):
            raise command.Failure(f"{file}: {odd[0]} is in only one of the two: commit the metrics of this code")
        model = "/".join(part for part in file.parts if not part.isdigit())
        for key in old:
            yield Row(f"{file}.{key}", old[key], new[key], tolerances.of(model, key, old[key]))


def verdict(rows: list[Row], same_weights: bool) -> tuple[str, bool]:
    """What the differences say in words, and whether the results are reproduced.

    Args:
        rows: all metrics.
        same_weights: whether training gave the same bytes, so that chance explains nothing.
    """
    beyond, far = sum(not row.passes for row in rows), sum(row.far for row in rows)
    if not beyond:
        return f"All {len(rows)} metrics are reproduced", True
    words = f"{beyond} of {len(rows)} metrics differ by more than their tolerance, {far} of them by {FAR} times"
    if same_weights or far or beyond > (chance := math.ceil(len(rows) / CHANCE)):
        return words, False
    return f"{words}; up to {chance} would do so by chance: the results are reproduced", True


def posteriors(committed: Path, rerun: Path) -> Iterator[tuple[str, bool]]:
    """Each posterior of the rerun, and whether its bytes match dvc.lock."""
    old, new = (yaml.safe_load(path.read_text())["stages"] for path in (committed, rerun))
    for name in sorted(new.keys() & old.keys()):
        hashes = [
            {out["path"]: out["md5"] for out in lock[name].get("outs", []) if out["path"].endswith(".safetensors")}
            for lock in (old, new)
        ]
        if hashes[0]:
            yield next(iter(hashes[0])), hashes[0] == hashes[1]


def table(rows: list[Row]) -> str:
    """A table with one line per metric: committed, rerun, difference, tolerance, a mark if that is exceeded."""
    lines = [("metric", "committed", "rerun", "difference", "tolerance", "")]
    for row in rows:
        numbers = (f"{value:.6g}" for value in (row.committed, row.rerun, row.difference, row.allowed))
        lines.append((row.name, *numbers, "" if row.passes else "<-- far" if row.far else "<--"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    rows = {}
    for key, value in tree.items():
        rows |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return rows


def _flat_entries(tree: Mapping[str, Any], prefix: str = "") -> dict[str, dict]:
    """Like `_flat`, for a tree whose leaves are {mean, n, ci95_seeds}."""
    rows = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        rows |= {name: value} if "ci95_seeds" in value else _flat_entries(value, f"{name}.")
    return rows


if __name__ == "__main__":
    command.run(main)
