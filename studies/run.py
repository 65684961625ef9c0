"""Run a stage of the pipeline with different params, in a separate folder.

    python -m studies.run bnn_families map_ensemble train --model bnn --seed 0

studies/<study>/study.yaml lists what each run changes in params.yaml, what all runs change (`common`), and the
seeds. The stage runs in studies/<study>/runs/<run>/, which contains the changed params.yaml and the data, and
writes its usual outputs there.
"""

import argparse
import os
import runpy
import sys
from pathlib import Path

import yaml

from stages import command
from stages.artifacts import replacing
from stages.params import merged

ROOT = Path(__file__).parent.parent
DATA = ("images", "regression.csv")  # of the root pipeline; a run drops labels of its own


def main() -> None:
    """Set up the folder, change to it, and run the stage."""
    parser = argparse.ArgumentParser(prog="python -m studies.run", description=__doc__.partition("\n")[0])
    parser.add_argument("study", help="folder in studies/")
    parser.add_argument("run", help="one of `runs` in its study.yaml")
    parser.add_argument("stage", help="module in stages/, and its arguments", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.stage:
        parser.error("which stage? For example: train --model bnn --seed 0")
    os.chdir(prepare(args.study, args.run))
    name, *sys.argv[1:] = args.stage
    runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)


def prepare(study: str, run: str) -> Path:
    """Set up the folder of one run: params.yaml with the run's changes, and the data.

    Raises:
        Failure: if the study or the run is not known.
    """
    path = ROOT / "studies" / study / "study.yaml"
    try:
        study = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise command.Failure(f"there is no study `{study}`: {path.relative_to(ROOT)} is missing") from None
    runs = study["runs"]
    if run not in runs:
        raise command.Failure(f"{path.relative_to(ROOT)} has no run `{run}`; it has {', '.join(runs)}")
    folder = path.parent / "runs" / run
    (folder / "data").mkdir(parents=True, exist_ok=True)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for changes in ({"seeds": study["seeds"]}, study.get("common", {}), runs[run]):
        params = merged(params, changes)
    with replacing(folder / "params.yaml") as temporary:
        Path(temporary).write_text(yaml.safe_dump(params, sort_keys=False))
    for name in DATA:
        link = folder / "data" / name
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(ROOT / "data" / name, folder / "data"))
    return folder


if __name__ == "__main__":
    command.run(main)
