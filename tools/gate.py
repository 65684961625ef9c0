"""Check that the committed results belong to this code, these params and these data, without running anything.

The exit status is 1 if the root pipeline is stale: its results must be reproduced and committed. Studies take
hours and are run only occasionally; stale ones are listed by name.
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
            print(f"study {name} is stale: {stages[0]}{others}; run `make study STUDY={name}` to update it")
    if stages := stale():
        raise command.Failure(
            f"dvc.lock is not current: {', '.join(stages)}: run `dvc repro` and commit dvc.lock, metrics and plots"
        )
    print("dvc.lock is current")


def stale(*targets: str) -> list[str]:
    """Names of the stages that `dvc repro` would run, ignoring missing data.

    If the data of a stage that would run are missing, the dry run ends with an error that names the stage.

    Raises:
        Failure: if DVC fails without naming a stage.
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
