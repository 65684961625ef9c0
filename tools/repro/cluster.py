"""Workers on this machine, or a cluster of Dask that is already there."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import yaml
from distributed import Client, Nanny, Scheduler, Security, SpecCluster
from distributed.comm import connect

from stages.command import Failure
from tools.repro.plan import GPU
from tools.repro.worker import CHECKPOINTS

ANSWER = 10  # seconds within which a scheduler must answer
HOST = "127.0.0.1"


@contextmanager
def connected(
    root: str | Path, address: str | None, jobs: int | None, environment: Mapping[str, str]
) -> Iterator[Client]:
    """A client of the scheduler at an address, or of workers on this machine, which are stopped in the end.

    Args:
        root: of the repository.
        address: of a scheduler; None: this machine.
        jobs: number of workers on this machine; None: as many as there are cores for the threads of one stage.
        environment: of this command.

    Raises:
        Failure: if the scheduler does not answer.
    """
    if address:
        with at(address) as client:
            yield client
        return
    cores, threads = cpu_count(), threads_of_stages(root)
    jobs = jobs or max(1, cores // threads)
    if jobs * threads > cores:
        print(
            f"{jobs} jobs with `threads: {threads}` of params.yaml ask for {jobs * threads} threads on {cores} "
            "cores, so each will be slow: use fewer jobs, or fewer threads, which changes how sums are rounded. "
            "This does not apply to a study whose study.yaml has its own `threads`."
        )
    # where `dvc repro` looks for them, so that a stage of a lost worker resumes
    checkpoints = environment.get(CHECKPOINTS, str(Path(root, ".checkpoints")))
    with TemporaryDirectory(prefix="repro-") as scratch, on_this_machine(jobs, scratch, checkpoints) as client:
        yield client


def threads_of_stages(root: str | Path) -> int:
    """`threads` of params.yaml; 1 where it is not given."""
    path = Path(root, "params.yaml")
    params = yaml.safe_load(path.read_text()) if path.exists() else {}
    threads = params.get("threads", 1) if isinstance(params, dict) else 1
    return threads if isinstance(threads, int) and threads > 0 else 1


@contextmanager
def on_this_machine(jobs: int, scratch: str, checkpoints: str) -> Iterator[Client]:
    """Start workers here, each for one stage at a time, and stop them in the end.

    With GPUs, each of the first workers has one of its own, and the others have none.

    Args:
        jobs: number of workers.
        scratch: folder for their files.
        checkpoints: folder for the checkpoints of trainings.
    """
    security, cards = Security.temporary(), gpus()
    common = {"host": HOST, "protocol": "tls://", "security": security}
    scheduler = {"dashboard": True, "dashboard_address": f"{HOST}:0"}
    workers = {}
    for number in range(jobs):
        own = {"CUDA_VISIBLE_DEVICES": cards[number] if number < len(cards) else ""} if cards else {}
        options = {
            "nthreads": 1,
            "memory_limit": 0,  # it would count the memory of the worker, not that of its stages
            "local_directory": scratch,
            "env": {CHECKPOINTS: checkpoints} | own,
            "resources": {GPU: 1} if number < len(cards) else {},
            "silence_logs": logging.CRITICAL,  # failed stages are reported by the driver
        }
        workers[number] = {"cls": Nanny, "options": common | options}
    spec = {"workers": workers, "scheduler": {"cls": Scheduler, "options": common | scheduler}}
    settings = {"distributed.scheduler.worker-saturation": 1.0}  # no stage waits for a busy worker
    with dask.config.set(settings):
        with interrupts_ignored():  # workers inherit that; Ctrl-C is for the driver, which ends their stages
            cluster = SpecCluster(**spec, security=security, silence_logs=logging.ERROR)
        with cluster, Client(cluster, set_as_default=False) as client:
            yield client


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def at(address: str) -> Iterator[Client]:
    """Connect to a scheduler. TLS and the like are Dask's own settings.

    Raises:
        Failure: if it does not answer.
    """
    try:
        asyncio.run(answer(address))
    except (OSError, ValueError, TypeError) as error:  # the last two: the address cannot be read, no certificate
        raise Failure(f"the scheduler {address} does not answer: {error}") from error
    # of a scheduler that is lost, which the stages report as the reason why they failed
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    with Client(address, timeout=ANSWER, set_as_default=False) as client:
        yield client


async def answer(address: str) -> None:
    """Connect as a client does; `Client` itself would print a traceback as it is thrown away after an error."""
    comm = await connect(address, timeout=ANSWER, **Security().get_connection_args("client"))
    await comm.close()


def cpu_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs of this machine, by the names that CUDA_VISIBLE_DEVICES takes."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in visible.split(",") if name not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return [str(number) for number in range(len(listed.stdout.splitlines()))] if not listed.returncode else []
