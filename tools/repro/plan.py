"""Which stages `dvc repro` would run, and what they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stages.command import Failure
from tools.repro import dvc_api
from tools.repro.dvc_api import Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dvc.repo import Repo
    from dvc.stage import Stage

GPU = "GPU"  # the resource that a stage can do without where no worker has one: PyTorch then uses the processor


@dataclass
class Task:
    """A stale stage."""

    entry: Entry  # as in the lock file
    needs: list[str]  # names of the stages that it reads from, stale or not
    resources: dict[str, float] = field(default_factory=dict)  # of a worker, from `meta: {dask: ...}`
    stage: Stage | None = None  # as DVC loaded it


@dataclass
class Plan:
    """What there is to do; stages are named by DVC's addressing, such as `train_bnn@0`."""

    stages: int  # in all
    tasks: dict[str, Task]  # the stale ones, in the order of `dvc repro`
    fresh: dict[str, Entry]  # others that they read from
    absent: list[Entry]  # up to date, but not in the workspace
    perhaps: list[Entry]  # stale ones that have not changed, if those that they read from turn out as they were

    def depths(self) -> dict[str, int]:
        """For each stale stage the length of the longest chain of stages that wait for it."""
        depths = dict.fromkeys(self.tasks, 0)
        for name in reversed(self.tasks):
            for parent in self.tasks[name].needs:
                if parent in depths:
                    depths[parent] = max(depths[parent], depths[name] + 1)
        return depths


def made(repo: Repo, targets: Sequence[str], allow_missing: bool = False) -> Plan:
    """Plan what `dvc repro TARGETS` would do; a remote counts as `--pull` does.

    A stage is stale if it has changed, or if it reads from a stale one (it may turn out not to have changed then).

    Args:
        repo: locked.
        targets: as of `dvc repro`; empty: dvc.yaml.
        allow_missing: as of `dvc repro`: a stage is not stale because what it made is nowhere.

    Raises:
        Failure: for stages that cannot run elsewhere.
    """
    needs = dvc_api.plan(repo, targets)
    plan, entries = Plan(len(needs), {}, {}, [], []), {}
    for stage, parents in needs.items():
        label, names = stage.addressing, [parent.addressing for parent in parents]
        entry = entries[label] = dvc_api.entry_of(repo, stage)
        if stage.is_import:
            raise Failure(f"{label}: workers cannot import data: use `dvc repro`, or track the file by `dvc add`")
        never = entry.content is None and not entry.is_data
        changed = never or stage.changed(allow_missing=True)
        absent = not changed and stage.changed_outs()
        lost = absent and dvc_api.missing(repo, entry)
        if changed or (lost and not allow_missing) or any(name in plan.tasks for name in names):
            if entry.is_data:
                raise Failure(f"{label} has changed: run `dvc commit {label}` first")
            resources = (stage.meta or {}).get("dask") or {}
            resources = {name: float(amount) for name, amount in resources.items()}
            plan.tasks[label] = Task(entry, names, resources, stage)
            if not changed and not lost:
                plan.perhaps.append(entry)
        elif absent and not lost:
            plan.absent.append(entry)
    read = {name for task in plan.tasks.values() for name in task.needs}
    plan.fresh = {name: entry for name, entry in entries.items() if name in read - set(plan.tasks)}
    return plan


def check_reach(repo: Repo, plan: Plan, shipped: set[str]) -> None:
    """Check that workers can have all that stale stages read.

    Args:
        repo: locked.
        plan: of this repository.
        shipped: files that workers get, from the root of the repository.

    Raises:
        Failure: names a file that neither Git nor a stage has.
    """
    root = Path(repo.root_dir)
    inside = shipped | {str(folder) for name in shipped for folder in Path(name).parents}
    outs = {Path(out.fs_path) for stage in repo.index.stages for out in stage.outs}
    above = {folder for out in outs for folder in out.parents}
    for stage in repo.index.stages:
        for dep in stage.deps if stage.addressing in plan.tasks else ():
            path = Path(dep.fs_path)
            if dep.protocol != "local" or not path.is_relative_to(root) or str(path.relative_to(root)) in inside:
                continue
            if path not in above and not outs.intersection([path, *path.parents]):
                name = path.relative_to(root)
                reason = f"{stage.addressing} reads {name}, which Git ignores and no stage makes"
                raise Failure(f"{reason}: run `dvc add {name}`, so that workers can have it")
