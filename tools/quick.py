"""Run the whole pipeline on a small part of the data with few steps, in a separate folder.

It runs every stage and draws every figure in four minutes, and leaves committed results unchanged. The numbers
are meaningless, since the models are hardly trained. params.quick.yaml contains the overrides.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from stages.params import merged

ROOT = Path(__file__).parent.parent
PIPELINE = ("stages", "dvc.yaml", "requirements-core.txt")
SETTINGS = (".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore")


def main() -> None:
    """Copy the pipeline, run it, and say where the results are."""
    parser = argparse.ArgumentParser(prog="python -m tools.quick", description=__doc__)
    parser.add_argument("--into", type=Path, default=Path(".quick"), help="the folder (default: %(default)s)")
    parser.add_argument("--params", type=Path, default=ROOT / "params.quick.yaml", help="overrides of params.yaml")
    args = parser.parse_args()
    copy(args.into, yaml.safe_load(args.params.read_text()))
    result = subprocess.run(["dvc", "repro"], cwd=args.into, env=environment())
    if result.returncode:
        raise SystemExit(result.returncode)
    print(f"Figures are in {args.into}/plots, metrics in {args.into}/metrics/summary.json")


def copy(into: Path, overrides: dict[str, Any]) -> None:
    """Copy the pipeline with changed params to a folder; existing outputs there are kept for DVC to reuse."""
    for name in (*PIPELINE, *SETTINGS):
        source, target = ROOT / name, into / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    params = merged(yaml.safe_load((ROOT / "params.yaml").read_text()), overrides)
    for entry in params["data_sets"]["local"].values():
        entry["path"] = str(ROOT / entry["path"])  # it may be relative to the repository
    (into / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (into / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")  # the folder is in no Git repository


def environment() -> dict[str, str]:
    """The environment, with this interpreter's folder first on PATH and the local data as mirror."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    data = {"DATA_MIRROR": str(ROOT / "data")} if (ROOT / "data").is_dir() else {}
    return {**data, **os.environ, "PATH": path}


if __name__ == "__main__":
    main()
