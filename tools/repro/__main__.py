"""Do what `dvc repro` does, several stages at a time: on this machine, or on a cluster of Dask.

The lock files, the metrics and the bytes are those of `dvc repro`; with a remote, of `dvc repro --pull`. A failed
stage does not stop others, as with --keep-going. Stages exchange data through the DVC remote, or through the cache
where there is no remote. Guide: docs/cluster.md.
"""

from __future__ import annotations

import argparse
import os
import time

from stages import command
from stages.command import Failure

REMEDY = "run `pip install -r tools/repro/requirements.txt`"


def arguments() -> argparse.Namespace:
    """What the command was called with."""
    parser = argparse.ArgumentParser(prog="python -m tools.repro", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="as of `dvc repro`; default: dvc.yaml")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="stages at a time, on this machine; default: cores divided by `threads` of params.yaml",
    )
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="of a running scheduler, such as tcp://10.0.0.1:8786"
    )
    parser.add_argument("--dry", action="store_true", help="print what would run, in order, and run nothing")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="as of `dvc repro`: what finished stages made need not be anywhere",
    )
    args = parser.parse_args()
    if args.jobs is not None and args.jobs < 1:
        parser.error(f"--jobs {args.jobs}: at least one")
    return args


def main() -> None:
    """Plan, run what is stale, and write the lock files."""
    args, start = arguments(), time.monotonic()

    from dvc.exceptions import DvcException

    try:
        reproduce(args, start)
    except DvcException as error:
        raise Failure(str(error)) from error


def reproduce(args: argparse.Namespace, start: float) -> None:
    """Do so; the exit status is 1 if a stage failed.

    Raises:
        Failure: if it cannot begin.
    """
    from tools.repro import dvc_api, plan, snapshot

    environment = dict(os.environ)  # before Dask changes it
    repo = dvc_api.Repo(_wait_for_lock=True)
    root = repo.root_dir
    with dvc_api.lock_repo(repo):
        todo = plan.made(repo, args.targets, args.allow_missing)
        print(f"{len(todo.tasks)} of {todo.stages} stages to run, planned in {time.monotonic() - start:.1f} s")
        if args.dry:
            print("".join(f"{label}\n" for label in todo.tasks), end="")
            return
        if todo.tasks:
            files = snapshot.files(root)
            plan.check_reach(repo, todo, set(files))
            if dvc_api.has_remote(repo):
                dvc_api.check_remote(repo)
            elif args.scheduler:
                raise Failure("a cluster exchanges data through a DVC remote: run `dvc remote add --default`")
            dvc_api.push(repo, [*todo.fresh.values(), *todo.perhaps])
        dvc_api.pull(repo, todo.absent)
    if not todo.tasks:
        return
    try:
        from tools.repro import cluster, driver
    except ModuleNotFoundError as error:
        raise Failure(f"{error.name} is not installed: {REMEDY}") from None
    archive, config = snapshot.packed(root, files), dvc_api.worker_config(repo)
    run, stopped = driver.Run(todo, driver.workshop(root, archive, config, environment)), None
    try:
        with cluster.connected(root, args.scheduler, args.jobs, environment) as client:
            run.on(client)
    except (KeyboardInterrupt, SystemExit) as error:
        stopped = error
    driver.finish(dvc_api.Repo(root, _wait_for_lock=True), todo, run.done)
    print(f"{run.summary()}; {time.monotonic() - start:.1f} s in all")
    if stopped:
        raise stopped
    if run.failed:
        raise SystemExit(1)


if __name__ == "__main__":
    command.run(main)
