"""Do the committed results belong to this code, these params and these data? Nothing is run.

The exit status is 1 where the root pipeline is stale: its results have to be made anew and committed. Studies take
hours and are run now and then; those that are stale are listed by name.
"""

import argparse
import os
import re
import subprocess
from pathlib import Path

from stages import command
from tools import quick

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Ask DVC what it would run."""
    argparse.ArgumentParser(prog="python -m tools.gate", description=__doc__).parse_args()
    for study in sorted(path.relative_to(ROOT) for path in ROOT.glob("studies/*/dvc.yaml")):
        if stages := stale(str(study)):
            others = f" and {len(stages) - 1} more stages" if len(stages) > 1 else ""
            name = study.parent.name
            print(f"study {name} is stale: {stages[0]}{others}; `make study STUDY={name}` brings it up to date")
    if stages := stale():
        raise command.Failure(
            f"dvc.lock is not current: {', '.join(stages)}: run `dvc repro` and commit dvc.lock, metrics and plots"
        )
    print("dvc.lock is current")


def stale(*targets: str) -> list[str]:
    """Names of the stages that `dvc repro` would run, missing data aside.

    A stage that would run and whose data are missing ends a dry run with an error that names it.

    Raises:
        Failure: if DVC fails and names none.
    """
    words = ["dvc", "repro", "--allow-missing", "--dry", *targets]
    result = subprocess.run(words, cwd=ROOT, env=quick.environment(), capture_output=True, text=True)
    printed = result.stdout + result.stderr
    found = re.findall(r"(?:Running stage|failed to reproduce) '([^']+)'", printed)
    found = list(dict.fromkeys(found))
    if result.returncode and not found:
        raise command.Failure(f"{' '.join(words)} failed:{os.linesep}{printed}")
    return found


if __name__ == "__main__":
    command.run(main)
