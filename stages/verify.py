"""Reproduce committed results from nothing, and compare: does this machine find the same numbers?

Runs the pipeline (or what one model needs) in a folder of its own, without cache or run-cache, and holds every
metric against the committed one. How far each may be off stands in tolerances.yaml, with the reason. The exit
status is 0 if all are within, 1 if not.
"""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages import artifacts, command, params, quick

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Row:
    """One metric of one seed."""

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
    parser.add_argument(
        "--model", choices=params.MODELS, help="only this one, and its uncertainty on foreign data"
    )
    parser.add_argument("--into", type=Path, help="the folder (default: a temporary one, deleted if all is well)")
    args = parser.parse_args()
    folder = args.into or Path(tempfile.mkdtemp(prefix="verify-"))
    if folder.exists() and any(folder.iterdir()):
        raise command.Failure(f"{folder} is not empty: a rerun must start from nothing, name another folder")
    quick.copy(folder, {})
    names = metric_names(args.model)
    rerun(folder, names, whole=args.model is None)
    seeds = params.load(ROOT / "params.yaml").seeds
    rows = list(compare(ROOT / "metrics", folder / "metrics", names, seeds, read_tolerances()))
    print(table(rows))
    if failed := [row.name for row in rows if not row.passes]:
        raise command.Failure(
            f"{len(failed)} of {len(rows)} metrics differ by more than allowed: {', '.join(failed)}"
        )
    print(f"All {len(rows)} metrics are reproduced")
    if args.into is None:
        shutil.rmtree(folder)


def metric_names(model: str | None) -> list[str]:
    """The folders of metrics/ to compare: of one model, or all."""
    found = [path.parent.relative_to(ROOT / "metrics") for path in (ROOT / "metrics").rglob("[0-9]*.json")]
    return sorted({str(name) for name in found if model is None or name.name == model})


def rerun(folder: Path, names: list[str], whole: bool) -> None:
    """Run in `folder` all stages, or those that the metrics `names` need, whatever ran before elsewhere."""
    seeds = params.load(folder / "params.yaml").seeds
    stages = {name: f"ood_{name[4:]}" if name.startswith("ood/") else f"evaluate_{name}" for name in names}
    targets = [] if whole else [f"{stage}@{seed}" for stage in stages.values() for seed in seeds]
    words = ["dvc", "repro", "--force", "--no-run-cache", *targets]
    if subprocess.run(words, cwd=folder, env=quick.environment()).returncode:
        raise command.Failure(f"the rerun failed, see above; what it made is in {folder}")


def read_tolerances(path: str | Path = ROOT / "tolerances.yaml") -> dict[str, Any]:
    """Metric -> {allowed, because}."""
    return yaml.safe_load(Path(path).read_text())


def compare(
    committed: Path, rerun: Path, names: list[str], seeds: list[int], tolerances: dict[str, Any]
) -> Iterator[Row]:
    """A row for each metric and seed, where `names` are folders in both.

    Raises:
        Failure: if a metric is in one of them alone, or has no tolerance.
    """
    for name in names:
        for seed in seeds:
            old, new = (
                dict(_flat(artifacts.read_json(root / name / f"{seed}.json"))) for root in (committed, rerun)
            )
            if old.keys() != new.keys():
                odd = sorted(old.keys() ^ new.keys())[0]
                raise command.Failure(f"{name}.{odd} is in one of the two alone: commit the metrics of this code")
            for key in old:
                path = f"{name}.{key}"
                if path not in tolerances:
                    raise command.Failure(
                        f"tolerances.yaml: {path} is missing: say how far it may be off, and why"
                    )
                yield Row(f"{path} (seed {seed})", old[key], new[key], float(tolerances[path]["allowed"]))


def table(rows: list[Row]) -> str:
    """committed | rerun | difference | allowed, a line each; a mark where it is too much."""
    lines = [("metric", "committed", "rerun", "difference", "allowed", "")]
    for row in rows:
        numbers = (f"{value:.6g}" for value in (row.committed, row.rerun, row.difference, row.allowed))
        lines.append((row.name, *numbers, "" if row.passes else "<-- too far"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in lines)


def _flat(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


if __name__ == "__main__":
    command.run(main)
