"""Run a stage of the pipeline under other params, in a folder of its own.

    python -m studies.run bnn_families map_ensemble train --model bnn --seed 0

studies/<study>/study.yaml says what each run changes in params.yaml. The stage works in
studies/<study>/runs/<run>/, where it finds that params.yaml and the data, and writes what it always writes.
"""

import argparse
import os
import runpy
import sys
from pathlib import Path

import yaml

from stages import command, quick
from stages.artifacts import replacing

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Lay the folder out, go there, run the stage."""
    parser = argparse.ArgumentParser(prog="python -m studies.run", description=__doc__.partition("\n")[0])
    parser.add_argument("study", help="folder in studies/")
    parser.add_argument("run", help="one of `runs` in its study.yaml")
    parser.add_argument("stage", help="module in stages/, and what it is called with", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.stage:
        parser.error("which stage? For example: train --model bnn --seed 0")
    os.chdir(prepare(args.study, args.run))
    name, *sys.argv[1:] = args.stage
    runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)


def prepare(study: str, run: str) -> Path:
    """Lay out the folder of one run: params.yaml with the run's changes, and the data.

    Raises:
        Failure: if the study or the run is not known.
    """
    path = ROOT / "studies" / study / "study.yaml"
    try:
        runs = yaml.safe_load(path.read_text())["runs"]
    except FileNotFoundError:
        raise command.Failure(f"there is no study `{study}`: {path.relative_to(ROOT)} is missing") from None
    if run not in runs:
        raise command.Failure(f"{path.relative_to(ROOT)} has no run `{run}`; it has {', '.join(runs)}")
    folder = path.parent / "runs" / run
    folder.mkdir(parents=True, exist_ok=True)
    params = quick.merged(yaml.safe_load((ROOT / "params.yaml").read_text()), runs[run])
    with replacing(folder / "params.yaml") as temporary:
        Path(temporary).write_text(yaml.safe_dump(params, sort_keys=False))
    if not (folder / "data").is_symlink():
        (folder / "data").symlink_to(os.path.relpath(ROOT / "data", folder), target_is_directory=True)
    return folder


if __name__ == "__main__":
    command.run(main)
