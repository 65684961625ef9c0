"""The code of a run, packed: what Git tracks or would track, without lock files."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

from stages.command import Failure


def files(root: str | Path) -> list[str]:
    """Names of the files, from `root`, the root of the DVC repository.

    Raises:
        Failure: if it is not in a Git repository, or ignored there.
    """
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=root, capture_output=True, text=True)
    names = sorted(name for name in listed.stdout.split("\0") if name)
    if "dvc.yaml" not in names:
        reason = listed.stderr.strip() or "dvc.yaml is not among the files of a Git repository here"
        raise Failure(f"workers get what Git tracks or would track, but {reason}: run `git init`")
    return [name for name in names if os.path.lexists(Path(root, name)) and not name.endswith("dvc.lock")]


def packed(root: str | Path, names: list[str]) -> bytes:
    """These files as a compressed tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name in names:
            archive.add(Path(root, name), name, recursive=False)
    return buffer.getvalue()
