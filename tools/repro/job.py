"""Reproduce one stage in this folder: `python -m tools.repro.job JOB.json`, started by a worker.

The job file holds the configuration and entries of lock files: the stage's, and those of the stages it reads from.
In the end it holds what became of it: the new entry, and how it came about.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stages import artifacts, command
from stages.command import Failure

if TYPE_CHECKING:
    from tools.repro.dvc_api import Entry

RECORDS = Path(".runs")  # costs of runs: see stages/runtime.py


def main() -> None:
    """Read the job, do it, and write what became of it."""
    # the worker gave it a group of its own
    signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    command.end_with_parent()
    path = Path(sys.argv[1])
    job = artifacts.read_json(path)

    from dvc.exceptions import DvcException

    from tools.repro.dvc_api import Entry

    parents = [Entry(**parent) for parent in job["parents"]]
    try:
        entry, how = reproduce(job["config"], Entry(**job["entry"]), parents)
    except DvcException as error:  # one line: a traceback would hide the end of the stage's own log
        raise Failure(str(error)) from error
    records = {str(file): file.read_text() for file in RECORDS.rglob("run.json")} if RECORDS.exists() else {}
    artifacts.write_json(path, {"entry": asdict(entry), "how": how, "records": records})


def reproduce(config: dict, entry: Entry, parents: list[Entry]) -> tuple[Entry, str]:
    """Reproduce one stage, with the lock file's word for what it reads.

    Returns:
        The entry of the stage afterwards; and `ran`, `known` (the run-cache had it) or `unchanged`.

    Raises:
        Failure: if what it reads cannot be fetched.
        DvcException: if the stage fails.
    """
    from dvc.utils.serialize import load_yaml

    from tools.repro import dvc_api

    for lock in {one.lock for one in [*parents, entry] if not one.is_data}:
        Path(lock).unlink(missing_ok=True)  # DVC loads and dumps the whole file: keep it to what this stage needs
    shutil.rmtree(RECORDS, ignore_errors=True)
    dvc_api.write_locks(".", [*parents, entry])
    repo = dvc_api.Repo(config=config)
    with dvc_api.lock_repo(repo):
        dvc_api.pull(repo, parents)
        (stage,) = repo.stage.collect(entry.target)
        if not stage.changed(allow_missing=True) and not dvc_api.missing(repo, entry):
            return entry, "unchanged"
        dvc_api.pull_run(repo, stage)
        restored = dvc_api.noted_restores(repo)
        for one in repo.reproduce([entry.target], single_item=True):
            dvc_api.remember(repo, one)
        done = replace(entry, content=load_yaml(entry.lock)["stages"][entry.name])
        dvc_api.push(repo, [done])
        dvc_api.push_runs(repo)  # last: where a run is known, what it made is there
    return done, "known" if restored else "ran"


if __name__ == "__main__":
    command.run(main)
