"""Collect the time and memory of runs in benchmarks/costs.json, from which tables are made.

Times are not results, so no file that DVC hashes contains them. Each run records them in .runs/, on the machine
where it ran. This command copies the records of all runs made here into one file for Git, and keeps other entries
unchanged.
"""

import argparse
from fnmatch import fnmatchcase
from pathlib import Path

from stages import artifacts, command
from stages.runtime import RECORDS

ROOT = Path(__file__).parent.parent
COSTS = ROOT / "benchmarks/costs.json"
KEYS = ("seconds", "items_per_second", "peak_memory_mb", "peak_device_memory_mb", "device", "threads", "machine")


def main() -> None:
    """Read the records and add them to the file."""
    argparse.ArgumentParser(prog="python -m tools.costs", description=__doc__).parse_args()
    found = gathered(ROOT / RECORDS)
    if not found:
        raise command.Failure(f"{RECORDS}/ has no record of a run: run `make repro` first")
    runs = read() | found
    artifacts.write_json(COSTS, {"runs": dict(sorted(runs.items()))})
    print(f"{len(found)} of {len(runs)} runs in {COSTS.relative_to(ROOT)} were made here")


def gathered(records: Path) -> dict[str, dict]:
    """The costs of each run, by the folder of its outputs."""
    found = {}
    for path in sorted(records.rglob("run.json")):
        record = artifacts.read_json(path)
        found[str(path.parent.relative_to(records))] = {key: record[key] for key in KEYS if key in record}
    return found


def mean_seconds(pattern: str) -> float | None:
    """Mean seconds of all runs in the file whose folder matches; None if there is none."""
    seconds = [run["seconds"] for folder, run in read().items() if fnmatchcase(folder, pattern)]
    return sum(seconds) / len(seconds) if seconds else None


def read() -> dict[str, dict]:
    """The content of the file."""
    return artifacts.read_json(COSTS)["runs"] if COSTS.exists() else {}


if __name__ == "__main__":
    command.run(main)
