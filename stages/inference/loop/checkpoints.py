"""Checkpoints of a training run, from which the next run resumes if this one is killed.

They are in .checkpoints/<model>/<seed>/, unknown to Git and DVC, and are deleted when the stage succeeds. The
environment variable CHECKPOINTS names another folder, for example on a disk that several machines share.
The name of the file is a hash of everything that the result depends on, so a checkpoint from other params, code or
data is never used.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from filelock import FileLock, Timeout
from torch import Tensor
from tqdm import tqdm

from stages.artifacts import replacing
from stages.command import Failure

FOLDER = Path(".checkpoints")
ROOT = Path(__file__).parents[3]
PATIENCE = 10.0  # seconds to wait for a killed run to finish exiting


class Checkpoint:
    """The checkpoint of one training.

    Args:
        folder: only for this model and seed.
        identity: everything that the result depends on, as JSON types.
        interval: minimum time between two writes, seconds.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], interval: float):
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        self.folder, self.path, self.interval = folder, folder / f"{digest[:32]}.safetensors", interval
        self.started = self.written = time.monotonic()
        self.resumed_at = 0  # gradient steps done by earlier processes
        self.earlier = 0.0  # seconds spent by earlier processes

    def due(self) -> bool:
        """Whether the interval has passed since the last write."""
        return time.monotonic() - self.written >= self.interval

    def save(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Write tensors and facts (JSON types, including `step`) atomically."""
        with replacing(self.path) as temporary:
            on_cpu = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
            seconds = {"seconds": self.earlier + time.monotonic() - self.started}
            safetensors.torch.save_file(on_cpu, temporary, metadata={"facts": json.dumps(seconds | facts)})
        self.written = time.monotonic()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What `save` wrote last; None if there is nothing, or if the file is damaged, which is reported."""
        try:
            with safetensors.safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a mapping)
                facts = json.loads(file.metadata()["facts"])
        except FileNotFoundError:
            return None
        except safetensors.SafetensorError as error:
            tqdm.write(f"{self.path} is damaged ({error}): training starts from the beginning")
            return None
        self.resumed_at, self.earlier = facts["step"], facts["seconds"]
        return tensors, facts

    def remove(self) -> None:
        """Delete it, and those that earlier params or code left behind for this model and seed."""
        shutil.rmtree(self.folder, ignore_errors=True)


def place() -> Path:
    """The folder of all checkpoints, as above; each run of a study has one of its own."""
    if not (shared := os.environ.get("CHECKPOINTS")):
        return FOLDER
    here = Path.cwd()
    return Path(shared) / here.relative_to(ROOT if here.is_relative_to(ROOT) else here.anchor)


@contextmanager
def alone(model: str, seed: int) -> Iterator[Path]:
    """Hold the lock of one model and seed, so that no two trainings write the same files.

    The kernel releases it when the process ends, for whatever reason.

    Yields:
        The folder for the checkpoint.

    Raises:
        Failure: if another process still holds it after some seconds.
    """
    folder = place() / model / str(seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    holder = folder.with_suffix(".pid")
    lock = FileLock(folder.with_suffix(".lock"), timeout=PATIENCE)
    try:
        lock.acquire()
    except Timeout:
        pid = holder.read_text() if holder.exists() else "unknown"
        raise Failure(f"{model} {seed} is being trained by process {pid} here: wait for it, or stop it") from None
    try:
        holder.write_text(str(os.getpid()))
        yield folder
    finally:
        lock.release()
