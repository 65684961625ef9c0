"""Fetch trained weights from a release, to predict without training.

The environment variable PRETRAINED names the release: an http(s):// or file:// address, or a folder. The file
pretrained.json says what it holds, with SHA-256 hashes; other bytes are refused. Weights go to posteriors/, where
training would put them. `--write` makes pretrained.json anew from posteriors/, `--pack FOLDER` a release as well.
"""

import argparse
import hashlib
import http.client
import os
import shutil
from pathlib import Path
from typing import Any
from urllib import error, request

import yaml
from tqdm import tqdm

from stages import artifacts, command
from stages.artifacts import replacing
from stages.command import Failure
from stages.params import TRAINED

ROOT = Path(__file__).parent.parent
MANIFEST = "pretrained.json"
VARIABLE = "PRETRAINED"
TIMEOUT = 30.0  # seconds without an answer
PIECE = 2**16  # bytes


def main() -> None:
    """Fetch, or write what others fetch by."""
    parser = argparse.ArgumentParser(prog="python -m tools.pretrained", description=__doc__)
    parser.add_argument(
        "--model", choices=TRAINED, nargs="+", default=["bnn"], help="whose weights (default: bnn's)"
    )
    parser.add_argument("--force", action="store_true", help="replace other weights that are there")
    parser.add_argument("--write", action="store_true", help=f"write {MANIFEST} from posteriors/ instead")
    parser.add_argument(
        "--pack", type=Path, metavar="FOLDER", help="write it, and copy the weights there to release"
    )
    args = parser.parse_args()
    if args.write or args.pack:
        write(ROOT, args.pack)
    else:
        fetch(ROOT, args.model, os.environ.get(VARIABLE, ""), args.force)


def write(root: Path, release: Path | None = None) -> None:
    """Write the manifest of all weights that dvc.lock knows, and copy these to a folder.

    Raises:
        Failure: if they are not there, or are not those of dvc.lock.
    """
    manifest = {}
    for path, md5 in locked(root).items():
        file = root / path
        if not file.exists():
            raise Failure(f"{path} is not there: `dvc checkout` or `dvc repro` brings it")
        if digest(file, "md5") != md5:
            raise Failure(f"{path} is not what dvc.lock has: `dvc checkout` or `dvc repro` brings that")
        _, model, seed, name = Path(path).parts
        asset = f"{model}-{seed}{Path(name).suffix}"  # releases have no folders
        manifest[path] = {
            "asset": asset,
            "size": file.stat().st_size,
            "md5": md5,
            "sha256": digest(file, "sha256"),
        }
        if release:
            release.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, release / asset)
    artifacts.write_json(root / MANIFEST, manifest)


def fetch(root: Path, models: list[str], address: str, force: bool = False) -> None:
    """Bring the weights of some models to posteriors/, each whole or not at all.

    Raises:
        Failure: if there is no address or no such release, its bytes are others, or others are in place.
    """
    if not (root / MANIFEST).exists():
        raise Failure(f"{MANIFEST} is not there: `git restore {MANIFEST}` brings it back")
    manifest, current = artifacts.read_json(root / MANIFEST), locked(root)
    wanted = {path: entry for path, entry in manifest.items() if Path(path).parts[1] in models}
    if missing := sorted(set(models) - {Path(path).parts[1] for path in wanted}):
        raise Failure(f"{MANIFEST} has no weights of {', '.join(missing)}: train with `dvc repro`")
    if not address:
        raise Failure(f"{VARIABLE} is not set: name the release, as in `make pretrained {VARIABLE}=https://…`")
    for path, entry in wanted.items():
        if current.get(path) != entry["md5"]:
            raise Failure(
                f"{path} in {MANIFEST} is of another training than in dvc.lock: check out the commit that the "
                "release belongs to, or train with `dvc repro`"
            )
        target = root / path
        if target.exists() and digest(target, "sha256") == entry["sha256"]:
            print(f"{path} is there already")
            continue
        if target.exists() and not force:
            raise Failure(
                f"{path} holds other weights: `--force` replaces them (`dvc checkout` brings back DVC's)"
            )
        with replacing(target) as part:
            take(address, entry, part)
        print(f"{path}: fetched")


def take(address: str, entry: dict[str, Any], part: Path) -> None:
    """Write one file of the release to `part`, its bytes checked.

    Raises:
        Failure: if it cannot be reached or has other bytes.
    """
    scheme = address.split("://")[0] if "://" in address else ""
    if scheme not in ("", "http", "https", "file"):
        raise Failure(f"{VARIABLE}={address}: neither an http://, https:// or file:// address nor a folder")
    base = address if scheme else Path(address).expanduser().absolute().as_uri()
    place = f"{base.rstrip('/')}/{entry['asset']}"
    sha256, size = hashlib.sha256(), 0
    try:
        with (
            request.urlopen(place, timeout=TIMEOUT) as response,
            part.open("wb") as file,
            tqdm(total=entry["size"], desc=entry["asset"], unit="B", unit_scale=True, disable=None) as progress,
        ):
            while size <= entry["size"] and (piece := response.read(PIECE)):
                file.write(piece)
                sha256.update(piece)
                size += len(piece)
                progress.update(len(piece))
    except (error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise Failure(f"{place} cannot be had ({reason}): is {VARIABLE} the address of the release?") from None
    if sha256.hexdigest() != entry["sha256"]:
        raise Failure(f"{place} is not what {MANIFEST} says (another SHA-256): is it the release of this commit?")


def locked(root: Path) -> dict[str, str]:
    """MD5 of all weights that the pipeline's dvc.lock has, by path."""
    stages = yaml.safe_load((root / "dvc.lock").read_text())["stages"].values()
    outs = [out for stage in stages for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if out["path"].endswith("/weights.safetensors")}


def digest(path: Path, kind: str) -> str:
    """A file's hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


if __name__ == "__main__":
    command.run(main)
