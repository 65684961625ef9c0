"""Submit the stages to Dask, follow them, and bring what they made into the workspace."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cloudpickle
import dask
from dask._task_spec import Task, parse_input  # what Client.submit makes of its arguments
from dask.utils import parse_timedelta
from distributed import Client, Future
from distributed.scheduler import NoValidWorkerError, NoWorkerError
from tqdm import tqdm

from stages import artifacts
from stages.command import Failure
from tools.repro import dvc_api, worker
from tools.repro.dvc_api import Entry
from tools.repro.plan import GPU, Plan

cloudpickle.register_pickle_by_value(worker)  # workers need not have this project
PATIENCE = "60 s"  # how long a stage waits for a worker that can run it, unless Dask's settings say it
HOW = ("ran", "known", "unchanged")  # known: from the run-cache
CORE = "requirements-core.txt"  # packages on which results depend, if there is such a file
LOOK = 1.0  # seconds between two looks at the workers


@dataclass(frozen=True)
class Done:
    """What became of a stage."""

    entry: Entry
    how: str  # one of HOW
    records: dict[str, str]  # of its costs, text by path


def workshop(
    root: str | Path, archive: bytes, config: Mapping[str, Any], environment: Mapping[str, str]
) -> worker.Workshop:
    """What workers need.

    Args:
        root: of the repository.
        archive: the code.
        config: of DVC on workers.
        environment: of this command; of it, stages get only the numbers of threads that Dask overrides.
    """
    own = {name: environment[name] for name in worker.NANNY if name in environment}
    core = Path(root, CORE)
    lines = core.read_text().splitlines() if core.exists() else []
    names = ["Python", "dvc", *(line.partition("==")[0] for line in lines if "==" in line)]
    packages = {name: worker.installed(name) for name in names}
    return worker.Workshop(f"repro-{uuid.uuid4().hex[:8]}", archive, config, own, packages)


class Run:
    """The stages of a plan, on a cluster.

    Args:
        plan: what to do.
        workshop: what workers need.
    """

    def __init__(self, plan: Plan, workshop: worker.Workshop):
        self.plan, self.workshop = plan, workshop
        self.start = time.monotonic()
        self.done: dict[str, Done] = {}
        self.failed: dict[str, str] = {}  # why, in words; empty for those that were not run for that reason
        self.futures: dict[str, Future] = {}
        self.ended: SimpleQueue[str] = SimpleQueue()

    def on(self, client: Client) -> None:
        """Run all of it, and leave nothing on the workers, however it ends; `done` holds what was finished.

        Raises:
            Failure: if there is no worker, or one has other versions of packages on which results depend.
        """
        self.client, name = client, self.workshop.name
        if client.dashboard_link:
            print(f"dashboard: {client.dashboard_link}")
        self._check_workers()
        client.subscribe_topic(name, self._on_start)
        client.register_plugin(self.workshop, name=name)
        with tqdm(total=len(self.plan.tasks), unit="stage", disable=None) as self.bar:
            try:
                self.submit()
                self.follow()
            finally:
                with suppress(OSError):  # the scheduler may be lost
                    client.cancel(list(self.futures.values()), force=True)
                    client.unregister_worker_plugin(name)
                    client.unsubscribe_topic(name)

    def summary(self) -> str:
        """How many stages ran, and how many did not, in words."""
        counts = [f"{sum(one.how == how for one in self.done.values())} {how}" for how in HOW]
        lost = len(self.plan.tasks) - len(self.done)
        return ", ".join([*counts, f"{lost} failed or not run"] if lost else counts)

    def _check_workers(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=parse_timedelta(patience()))
        except TimeoutError:
            raise Failure(lacking({})) from None
        # first Python's version, which needs no code of ours: bytecode of another version can kill a worker
        wanted = worker.installed("Python")
        for address, packages in self.client.get_versions()["workers"].items():
            python = ".".join(packages["host"]["python"].split(".")[:2])
            if python != wanted:
                raise Failure(f"worker {address} has Python {python}, but this run needs {wanted}: use that there")
        for address, wrong in self.client.run(worker.mismatch, self.workshop.packages).items():
            if wrong:
                raise Failure(f"worker {address} has {wrong}: install the same requirements there")

    def submit(self) -> None:
        """Submit every stage as a task that waits for those that it reads from.

        The one with the longest chain after it comes first: an idle worker starts what is submitted at once,
        whatever the priority of what follows.
        """
        depths, gpus_matter = self.plan.depths(), self._gpus_matter()
        for label in sorted(self.plan.tasks, key=lambda label: -depths[label]):
            task = self.plan.tasks[label]
            parents = [self.futures.get(name) or asdict(self.plan.fresh[name]) for name in task.needs]
            if not gpus_matter:
                task.resources.pop(GPU, None)
            # a tuple: tasks of one group share Dask's estimate of how long they take
            key = (label.split("@")[0], label, self.workshop.name)
            future = self.client.get(
                {key: self._task(key, task.entry, label, parents)},
                key,
                sync=False,
                resources=task.resources or None,
                priority=depths[label],
            )
            future.add_done_callback(lambda _, label=label: self.ended.put(label))
            self.futures[label] = future

    def _task(self, key: tuple[str, ...], entry: Entry, label: str, parents: list[Future | dict]) -> Task:
        """One stage as a task of Dask.

        `_data_producer`: it waits in the scheduler until a worker is idle. Other tasks are handed at once to the
        worker that made their inputs, which for stages that take minutes leaves other workers without work.
        """
        work = worker.task(self.workshop.name)
        return Task(key, work, asdict(entry), label, *map(parse_input, parents), _data_producer=True)

    def _gpus_matter(self) -> bool:
        """Whether it matters where a stage runs: some workers have GPUs, but not all have one for each thread."""
        workers = [(info["resources"].get(GPU, 0), info["nthreads"]) for info in self._workers().values()]
        return any(gpus for gpus, _ in workers) and any(gpus < threads for gpus, threads in workers)

    def follow(self) -> None:
        """Wait until each stage has been run, has failed, or cannot be run."""
        waiting, unmet = dict.fromkeys(self.futures), {}
        while waiting:
            try:
                label = self.ended.get(timeout=LOOK)
            except Empty:
                for name, reason in self._hopeless(waiting, unmet).items():
                    self._fail(name, reason, waiting)
                continue
            if label in waiting:
                self._end(label, waiting)

    def _end(self, label: str, waiting: dict[str, None]) -> None:
        try:
            result = self.futures[label].result()
        except (NoWorkerError, NoValidWorkerError):  # the scheduler was faster than `_hopeless`
            self._fail(label, lacking(self.plan.tasks[label].resources), waiting)
            return
        except (Exception, CancelledError) as error:
            parents = (self.futures[name] for name in self.plan.tasks[label].needs if name in waiting)
            if all(future.status == "finished" for future in parents):  # if not, theirs is the failure to report
                self._fail(label, str(error) or type(error).__name__, waiting)
            return
        self.done[label] = Done(Entry(**result["entry"]), result["how"], result["records"])
        del waiting[label]
        self.bar.update()
        self._say(f"{label}: {result['how']}, {result['seconds']:.1f} s, {result['worker']}")

    def _fail(self, label: str, reason: str, waiting: dict[str, None]) -> None:
        """Report a failure; what reads from the stage is not run."""
        self._say(f"{label}: FAILED: {reason}")
        self.failed[label] = reason
        for name, task in self.plan.tasks.items():  # in plan order: parents come first
            if name in waiting and any(parent in self.failed for parent in task.needs):
                self.failed[name] = ""
                self._say(f"{name}: not run")
        lost = [name for name in self.failed if name in waiting]
        self.client.cancel([self.futures[name] for name in lost], force=True)
        for name in lost:
            del waiting[name]
            self.bar.update()

    def _hopeless(self, waiting: Mapping[str, None], unmet: dict[str, float]) -> dict[str, str]:
        """Stages that no worker could have run for too long, and why.

        Args:
            waiting: stages that have not ended.
            unmet: since when no worker can run a stage; changed in place.
        """
        limit, now, workers = parse_timedelta(patience()), time.monotonic(), self._workers()
        hopeless = {}
        for label in waiting:
            task = self.plan.tasks[label]
            if any(
                all(info["resources"].get(name, 0) >= amount for name, amount in task.resources.items())
                for info in workers.values()
            ):
                unmet.pop(label, None)
            elif now - unmet.setdefault(label, now) > limit and not any(name in waiting for name in task.needs):
                hopeless[label] = lacking(task.resources)
        return hopeless

    def _workers(self) -> dict[str, Any]:
        return self.client.scheduler_info(n_workers=-1)["workers"]

    def _on_start(self, event: tuple[float, Any]) -> None:
        _, message = event
        self._say(f"{message['stage']}: started on {message['worker']}")

    def _say(self, text: str) -> None:
        tqdm.write(f"{time.monotonic() - self.start:7.1f} s  {text}")


def patience() -> str:
    """How long to wait for a worker that can run a stage, by Dask's settings or PATIENCE."""
    return dask.config.get("distributed.scheduler.no-workers-timeout") or PATIENCE


def lacking(resources: Mapping[str, float]) -> str:
    """That no worker has these resources, and the remedy; without resources, that there is no worker at all."""
    wanted = " ".join(f"{name}={amount:g}" for name, amount in resources.items())
    which, option = (
        (f"no worker has {wanted}", f' --resources "{wanted}"') if wanted else ("there is no worker", "")
    )
    return f"{which} (no-workers-timeout: {patience()}): start one with `dask worker{option}`"


def finish(repo: dvc_api.Repo, plan: Plan, done: Mapping[str, Done]) -> None:
    """Write each lock file once, in the order of `dvc repro`, and put what the stages made into the workspace."""
    ended = [done[label] for label in plan.tasks if label in done]
    with dvc_api.lock_repo(repo):
        dvc_api.write_locks(repo.root_dir, [one.entry for one in ended])
        for one in ended:
            for name, text in one.records.items():
                with artifacts.replacing(Path(repo.root_dir, name)) as temporary:
                    temporary.write_text(text)
        dvc_api.pull(repo, [one.entry for one in ended])
        for label in done:
            plan.tasks[label].stage.ignore_outs()  # of the plan: to load them anew costs as much as to plan
