"""Run `tools.repro` and note what its own process took: `python driver_times.py TIMES.json [ARGUMENTS]`.

CPU seconds of all its threads: with `--jobs`, Dask's scheduler is one of them. Workers and stages are not counted.
The phases: planning, submission, following, and the lock file with what stages made; `total` has all imports too.
"""

from __future__ import annotations

import atexit
import sys
import time
from pathlib import Path
from typing import Any

from stages import artifacts, command
from tools.repro import __main__, dvc_api, plan


def main() -> None:
    """Do so."""
    path, took = Path(sys.argv.pop(1)).absolute(), {}
    atexit.register(lambda: artifacts.write_json(path, took | {"total": time.process_time()}))
    note(plan, "made", took, "planning")
    try:
        from tools.repro import driver
    except ModuleNotFoundError:  # it says so itself
        pass
    else:
        note(driver.Run, "submit", took, "submission")
        note(driver.Run, "follow", took, "following")
        note(driver, "finish", took, "lock_and_outputs")
        note(dvc_api, "write_locks", took, "lock")
    command.run(__main__.main)


def note(owner: Any, name: str, took: dict[str, float], phase: str) -> None:
    """Let a function note the CPU seconds that its process takes while it runs."""
    function = getattr(owner, name)

    def noting(*args, **options) -> Any:
        start = time.process_time()
        try:
            return function(*args, **options)
        finally:
            took[phase] = time.process_time() - start

    setattr(owner, name, noting)


if __name__ == "__main__":
    main()
