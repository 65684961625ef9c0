"""Reproduce committed results from nothing, and compare: does this machine find the same numbers?

Runs the pipeline (or what one model needs) in a folder of its own, without cache or run-cache, and holds every
metric against the committed one. How far each may be off stands in tolerances.yaml, with the reason. The exit
status is 0 if all are within, 1 if not.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from stages import artifacts, command, params, quick

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Row:
    """One metric."""

    name: str
    committed: float
    rerun: float
    allowed: float

    @property
    def difference(self) -> float:
        """Rerun less committed."""
        return self.rerun - self.committed

    @property
    def passes(self) -> bool:
        """Is the difference allowed?"""
        return abs(self.difference) <= self.allowed


def main() -> None:
    """Copy, rerun, compare."""
    parser = argparse.ArgumentParser(prog="python -m stages.verify", description=__doc__)
    parser.add_argument("--model", choices=params.MODELS, help="only what belongs to this one")
    parser.add_argument("--into", type=Path, help="the folder (default: a temporary one, deleted if all is well)")
    args = parser.parse_args()
    tolerances = read_tolerances(ROOT / "tolerances.yaml")
    folder = args.into or Path(tempfile.mkdtemp(prefix="verify-"))
    if folder.exists() and any(folder.iterdir()):
        raise command.Failure(f"{folder} is not empty: a rerun starts from nothing, name another folder")
    quick.copy(folder, {})
    files = metric_files(ROOT / "metrics", args.model)
    rerun(folder, [stage(file) for file in files] if args.model else [])
    rows = list(compare(ROOT / "metrics", folder / "metrics", files, tolerances))
    print(table(rows))
    for name, same in posteriors(ROOT / "dvc.lock", folder / "dvc.lock"):
        print(f"{name}: {'the same bytes' if same else 'other bytes, as on another kind of machine'}")
    if failed := sum(not row.passes for row in rows):
        raise command.Failure(f"{failed} of {len(rows)} metrics differ by more than is allowed, see {folder}")
    print(f"All {len(rows)} metrics are reproduced")
    if args.into is None:
        shutil.rmtree(folder)


def metric_files(metrics: Path, model: str | None) -> list[Path]:
    """Files of metrics, relative to their folder: of one model, or all.

    Those that lie in the folder itself are summaries of others, or of a study.
    """
    found = (path.relative_to(metrics).with_suffix("") for path in metrics.glob("*/**/*.json"))
    return sorted(path for path in found if model is None or model in path.parts)


def stage(file: Path) -> str:
    """The stage that writes a file of metrics: bnn/0 is by evaluate_bnn@0, ood/bnn/0 by ood_bnn@0."""
    match file.parts:
        case ("calibration", model):
            return f"calibrate_{model}"
        case ("prior", model):
            return f"prior_{model}"
        case ("ood" | "samples" | "shift" as kind, model, seed):
            return f"{kind}_{model}@{seed}"
        case ("referral", model, seed):
            return f"refer_{model}@{seed}"
        case (model, seed):
            return f"evaluate_{model}@{seed}"
    raise command.Failure(f"metrics/{file}.json: no stage is known to write it")


def rerun(folder: Path, stages: list[str]) -> None:
    """Run stages and what they need, all if none are named, whatever has been run elsewhere before."""
    words = ["dvc", "repro", "--force", "--no-run-cache", *stages]
    if subprocess.run(words, cwd=folder, env=quick.environment()).returncode:
        raise command.Failure(f"the rerun failed, see above; what it made is in {folder}")


def read_tolerances(path: Path) -> dict[str, float]:
    """The largest allowed differences, from groups of `because` and `allowed`; `*` stands for anything."""
    groups = yaml.safe_load(path.read_text())
    return {name: float(value) for group in groups for name, value in group["allowed"].items()}


def compare(committed: Path, rerun: Path, files: list[Path], tolerances: Mapping[str, float]) -> Iterator[Row]:
    """A row for each metric in the files.

    Raises:
        Failure: if a metric is in one of the two alone, or has no tolerance.
    """
    for file in files:
        old, new = (_flat(artifacts.read_json((root / file).with_suffix(".json"))) for root in (committed, rerun))
        if odd := sorted(old.keys() ^ new.keys()):
            raise command.Failure(f"{file}: {odd[0]} is in one of the two alone: commit the metrics of this code")
        model = "/".join(part for part in file.parts if not part.isdigit())
        for key in old:
            yield Row(f"{file}.{key}", old[key], new[key], tolerance(f"{model}.{key}", tolerances))


def tolerance(name: str, tolerances: Mapping[str, float]) -> float:
    """That of the metric itself, or of the first pattern that it matches.

    Raises:
        Failure: if there is none.
    """
    for pattern in (name, *tolerances):
        if pattern in tolerances and fnmatchcase(name, pattern):
            return tolerances[pattern]
    raise command.Failure(f"tolerances.yaml: {name} is missing: how far may it be off, and why?")


def posteriors(committed: Path, rerun: Path) -> Iterator[tuple[str, bool]]:
    """Each posterior that the rerun has made, and whether it has the bytes that dvc.lock tells of."""
    old, new = (yaml.safe_load(path.read_text())["stages"] for path in (committed, rerun))
    for name in sorted(new.keys() & old.keys()):
        hashes = [
            {out["path"]: out["md5"] for out in lock[name].get("outs", []) if out["path"].endswith(".safetensors")}
            for lock in (old, new)
        ]
        if hashes[0]:
            yield next(iter(hashes[0])), hashes[0] == hashes[1]


def table(rows: list[Row]) -> str:
    """committed | rerun | difference | allowed, a line each; a mark where it is too much."""
    lines = [("metric", "committed", "rerun", "difference", "allowed", "")]
    for row in rows:
        numbers = (f"{value:.6g}" for value in (row.committed, row.rerun, row.difference, row.allowed))
        lines.append((row.name, *numbers, "" if row.passes else "<-- too far"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    rows = {}
    for key, value in tree.items():
        rows |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return rows


if __name__ == "__main__":
    command.run(main)
