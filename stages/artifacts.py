"""The three file formats of the pipeline (safetensors, JSON, CSV), written atomically."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors
import safetensors.numpy

from stages.command import Failure

Groups = dict[str, dict[str, np.ndarray]]  # group name -> array name -> array

RECOVERY = (
    "DVC removes a stage's earlier outputs before it runs: free disk space or fix the permissions, then "
    "restore them with `dvc checkout` and `git restore metrics plots`, or rebuild them with `dvc repro`"
)


class NotWrittenError(Failure):
    """An output could not be written, e.g. disk full; the message says how to restore the last version."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; move the file written there into place if nothing went wrong.

    The name is always the same, so the next run overwrites whatever a killed process left there.

    Raises:
        NotWrittenError: if the disk is full, the folder is read-only, or similar.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except (OSError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotWrittenError(f"{path} could not be written: {reason}. {RECOVERY}") from error
    finally:
        with suppress(OSError):  # it can fail for the same reason
            temporary.unlink(missing_ok=True)


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object; NaN and infinity are refused, since JSON does not define them."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Read a JSON object."""
    return json.loads(Path(path).read_text())


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table without its index; nine significant digits hold a float32 exactly."""
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def write_arrays(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays (NumPy, or tensors on any device) as safetensors."""
    with replacing(path) as temporary:
        safetensors.numpy.save_file({name: _numpy(value) for name, value in arrays.items()}, temporary)


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """Read named arrays from a safetensors file.

    Raises:
        ValueError: if the file is not in that format.
    """
    try:
        return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file ({error}): rerun the stage that writes it") from None


def write_groups(folder: str | Path, groups: Mapping[str, Mapping[str, Any]]) -> None:
    """Write each group of arrays to <folder>/<group>.safetensors."""
    for name, arrays in groups.items():
        write_arrays(Path(folder) / f"{name}.safetensors", arrays)


def read_groups(folder: str | Path) -> Groups:
    """All groups of arrays in a folder, in the order of their names."""
    return {path.stem: read_arrays(path) for path in sorted(Path(folder).glob("*.safetensors"))}


def _numpy(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value, order="C")
