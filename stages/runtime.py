"""Device, seeds, determinism, and the record of a run."""

import hashlib
import os
import platform
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

RECORDED_PACKAGES = ("torch", "pyro-ppl", "numpy", "safetensors")


def prepare(device: str, seed: int) -> torch.device:
    """Resolve the device, switch deterministic algorithms on and seed every global generator.

    Raises:
        SystemExit: if the device is not there.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    resolved = _resolve(device)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid, 4% of a step
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(seed)  # Pyro draws from torch's global generators
    np.random.seed(seed)
    return resolved


def _resolve(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved = torch.device(device)
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise SystemExit(f"params.yaml: device = {device!r}: {found} CUDA devices found; use auto or cpu")
    return resolved


class Record:
    """What a run was made with and what it cost, for run.json."""

    def __init__(self, device: torch.device, seed: int):
        self.device, self.seed = device, seed
        self.start = time.monotonic()

    def finish(self, items: int) -> dict[str, Any]:
        """The record, as JSON types.

        Args:
            items: data seen in all gradient steps together.
        """
        seconds = time.monotonic() - self.start
        cuda = self.device.type == "cuda"
        return {
            "seed": self.seed,
            "device": torch.cuda.get_device_name(self.device) if cuda else "cpu",
            "threads": torch.get_num_threads(),
            "platform": platform.platform(),
            "versions": {"python": platform.python_version(), **_versions()},
            "code_sha256": _code(),
            "seconds": round(seconds, 2),
            "items_per_second": round(items / seconds, 1),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "peak_device_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20, 1) if cuda else None,
        }


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in RECORDED_PACKAGES}


def _code() -> dict[str, str]:
    """SHA-256 of every file of this package that the process has imported."""
    root = Path(__file__).parent.parent
    files = {
        Path(module.__file__)
        for name, module in list(sys.modules.items())
        if name.startswith("stages.") and getattr(module, "__file__", None)
    }
    return {str(f.relative_to(root)): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)}
