"""What `tools.repro` needs of DVC, much of it private: written for the version in requirements.txt.

tests/tools/repro/test_dvc_api.py names each part that a new version of DVC has changed.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvc.dvcfile import Lockfile
from dvc.fs import generic
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage.cache import _can_hash, _get_stage_hash
from dvc.stage.exceptions import MissingDataSource
from dvc.utils.serialize import dumps_yaml, modify_yaml

from stages.command import Failure

if TYPE_CHECKING:
    from dvc.stage import Stage

__all__ = ["Repo", "lock_repo"]

LOCK_HEAD = "schema: '2.0'\nstages:\n"
NAME = re.compile(r"  ([\w@.-]+):", re.ASCII)  # the line of a lock file that begins an entry
BODY = re.compile(r"    .*[^ ]")
UNUSUAL = re.compile(r"(^| )#|(: |- )[&*]|[\r\t]")  # comments, anchors
LEGACY = "md5-dos2unix"  # DVC's name of the part of a cache or remote that holds the run-cache


@dataclass(frozen=True)
class Entry:
    """What the lock file says about one stage; as JSON types, since it travels between machines.

    A file made by `dvc add` is a stage without a command; its own .dvc file takes the place of the lock file.
    """

    lock: str  # the file, from the root of the repository
    name: str  # of the stage
    wdir: str  # folder that its paths are relative to, from the root of the repository
    content: dict[str, Any] | None  # None: not there yet

    @property
    def is_data(self) -> bool:
        """Whether it is a file made by `dvc add`."""
        return self.lock.endswith(".dvc")

    @property
    def target(self) -> str:
        """What DVC's commands call it."""
        return self.lock if self.is_data else f"{self.lock.removesuffix('.lock')}.yaml:{self.name}"


def entry_of(repo: Repo, stage: Stage) -> Entry:
    """The entry of a stage, as its lock file has it now."""
    wdir = os.path.relpath(stage.wdir, repo.root_dir)
    if stage.is_data_source:
        return Entry(os.path.relpath(stage.path, repo.root_dir), stage.addressing, wdir, None)
    lock = stage.dvcfile._lockfile
    stages = lock.load().get("stages", {}) if os.path.exists(lock.path) else {}
    return Entry(os.path.relpath(lock.path, repo.root_dir), stage.name, wdir, stages.get(stage.name))


def _loaded_once(load: Callable) -> Callable:
    """DVC parses a lock file anew for each target, 11 s for 1,000 stages: parse what has not changed once."""
    known: dict[str, tuple] = {}

    def load_once(lock: Lockfile, **options) -> tuple[dict, str]:
        if options or not os.path.exists(lock.path):
            return load(lock, **options)
        status = os.stat(lock.path)
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        before, loaded = known.get(lock.path, (None, None))
        if before != version:
            loaded = load(lock)
            if "cloud:" not in loaded[1]:  # DVC's loader takes such parts out of what it was given
                known[lock.path] = (version, loaded)
        return loaded

    return load_once


Lockfile._load = _loaded_once(Lockfile._load)


def write_locks(root: str | Path, entries: Iterable[Entry]) -> None:
    """Put entries into their lock files, each replaced as a whole; entries that are there keep their place."""
    entries = [entry for entry in entries if entry.content is not None]
    for lock in dict.fromkeys(entry.lock for entry in entries):
        path, new = Path(root, lock), Path(root, f"{lock}.new")
        made = {entry.name: entry.content for entry in entries if entry.lock == lock}
        old, now = path.read_bytes().decode() if path.exists() else LOCK_HEAD, {"schema": "2.0", "stages": made}
        before, after = entry_texts(old), entry_texts(dumps_yaml(now))
        if before is not None and after is not None:
            new.write_text(LOCK_HEAD + "".join((before | after).values()), encoding="utf-8")
        else:
            shutil.copy(path, new) if path.exists() else new.unlink(missing_ok=True)
            with modify_yaml(new) as document:
                document.setdefault("schema", "2.0")
                document.setdefault("stages", {}).update(made)
        os.replace(new, path)


def entry_texts(lock: str) -> dict[str, str] | None:
    """The lines of each entry of a lock file, by stage.

    To change one entry, DVC parses and dumps all, half a minute for 1,000; the others' lines stay as they were.

    Returns:
        None for a text in which this may not be so: with comments or anchors, or more than stages.
    """
    *lines, last = lock.removeprefix(LOCK_HEAD).split("\n")
    if not lock.startswith(LOCK_HEAD) or last:
        return None
    entries: dict[str, list[str]] = {}
    for line in lines:
        if (found := NAME.fullmatch(line)) and found[1] not in entries:
            entries[found[1]] = body = [line]
        elif entries and BODY.match(line) and not UNUSUAL.search(line):
            body.append(line)
        else:
            return None
    return {name: "\n".join([*lines, ""]) for name, lines in entries.items()}


def plan(repo: Repo, targets: Iterable[str]) -> dict[Stage, list[Stage]]:
    """The stages of `dvc repro TARGETS` in its order, each with the stages that it reads from."""
    graph = get_active_graph(repo.index.graph)
    stages = plan_repro(graph, collect_stages(repo, list(targets) or ["dvc.yaml"]))
    return {stage: list(graph.successors(stage)) for stage in stages}


def has_remote(repo: Repo) -> bool:
    """Whether there is a default remote; without, all machines must share the cache."""
    return "remote" in repo.config["core"]


def check_remote(repo: Repo) -> None:
    """Write a file to the default remote and remove it.

    Raises:
        Failure: if that is not possible.
    """
    name = repo.config["core"]["remote"]
    try:
        odb = repo.cloud.get_remote_odb(None, "push", hash_name=LEGACY)
        odb.fs.makedirs(odb.path, exist_ok=True)
        probe = odb.fs.join(odb.path, f".writable-{os.getpid()}")
        odb.fs.pipe_file(probe, b"")
        odb.fs.remove(probe)
    except Exception as error:  # each kind of remote has its own
        raise Failure(
            f"the remote `{name}` cannot be written: {error}. Workers exchange data through it"
        ) from error


def worker_config(repo: Repo) -> dict[str, Any]:
    """The configuration of a worker's repository; of a remote the address alone, credentials are the worker's."""
    core = {"no_scm": True, "analytics": False, "autostage": False}
    if not has_remote(repo):
        return {"core": core, "cache": {"dir": repo.cache.legacy.path}}
    name = repo.config["core"]["remote"]
    return {"core": core | {"remote": name}, "remote": {name: {"url": repo.config["remote"][name]["url"]}}}


def objects(repo: Repo, entry: Entry) -> set:
    """Hashes of all that a stage made."""
    return set().union(*_stand_in(repo, entry).get_used_objs().values())


def missing(repo: Repo, entry: Entry) -> bool:
    """Whether something that a stage made is neither in the workspace nor in the cache nor in the remote."""
    stand_in = _stand_in(repo, entry)
    wanting = [out for out in stand_in.outs if out.workspace_status() and out.changed_cache()]
    if not wanting or not has_remote(repo):
        return bool(wanting)
    hashes = [info.value for out in wanting for infos in out.get_used_objs().values() for info in infos]
    odb = repo.cloud.get_remote_odb(None, "status")
    return not hashes or len(list(odb.oids_exist(hashes))) < len(set(hashes))


def push(repo: Repo, entries: Iterable[Entry]) -> None:
    """Make available to others what these stages made: in the cache, and in the remote if there is one.

    That includes their `cache: false` files, which `dvc push` leaves behind.

    Raises:
        Failure: if something is neither here nor there.
    """
    for entry in entries:
        for out in _stand_in(repo, entry).outs:
            if out.exists and out.changed_cache():
                out.commit(relink=False)
        _transfer(repo, entry, repo.cloud.push)


def pull(repo: Repo, entries: Iterable[Entry]) -> None:
    """Put into the workspace what these stages made.

    Raises:
        Failure: if something is neither here nor in the remote.
    """
    for entry in entries:
        _transfer(repo, entry, repo.cloud.pull)
        try:
            _stand_in(repo, entry).checkout(force=True)
        except Exception as error:  # DVC's message has many lines
            raise _lost(entry) from error


def pull_run(repo: Repo, stage: Stage) -> None:
    """Fetch the remote's run-cache for a stage and what it reads now; `dvc pull --run-cache` takes all."""
    if not has_remote(repo):
        return
    try:
        stage.save_deps()
    except MissingDataSource:  # `reproduce` says so
        return
    if not _can_hash(stage):
        return
    key, remote = _get_stage_hash(stage), repo.cloud.get_remote_odb(None, "pull", hash_name=LEGACY)
    folder = remote.fs.join(remote.path, "runs", key[:2], key)
    for path in remote.fs.find(folder) if remote.fs.exists(folder) else []:
        value = remote.fs.name(path)
        generic.copy(remote.fs, path, repo.cache.legacy.fs, repo.stage_cache._get_cache_path(key, value))
        for hashes in repo.stage_cache.get_used_objs([(key, value)]).values():
            repo.cloud.pull(hashes)


def noted_restores(repo: Repo) -> list[Stage]:
    """A list that grows by each stage that DVC restores from the run-cache from now on, instead of running it."""
    restored, restore = [], repo.stage_cache.restore

    def noting(stage: Stage, **options) -> None:
        restore(stage, **options)
        restored.append(stage)

    repo.stage_cache.restore = noting
    return restored


def remember(repo: Repo, stage: Stage) -> None:
    """Add a stage that was reproduced to the run-cache; DVC leaves out those that have `cache: false` outputs."""
    repo.stage_cache.save(stage)


def push_runs(repo: Repo) -> None:
    """Add the local run-cache to the remote's."""
    if has_remote(repo):
        repo.stage_cache.push(None)


def _stand_in(repo: Repo, entry: Entry) -> Stage:
    """The stage as far as its outputs go, as if all of them were cached: DVC's own way to restore a run."""
    if entry.is_data:
        (stage,) = repo.stage.collect(entry.lock)
        return stage
    return repo.stage_cache._create_stage(entry.content, wdir=os.path.join(repo.root_dir, entry.wdir))


def _transfer(repo: Repo, entry: Entry, move: Callable) -> None:
    if not has_remote(repo):
        return
    if move(objects(repo, entry)).failed:
        raise _lost(entry)


def _lost(entry: Entry) -> Failure:
    return Failure(f"what {entry.target} made is neither here nor in a remote: run `dvc repro {entry.target}`")
