"""`dvc repro` on many machines: each stage is a task of Dask, and dvc.lock ends as `dvc repro` would have left it.

    plan        which stages are stale, from DVC's own graph and order
    snapshot    the code, packed for workers that have neither Git nor this file system
    cluster     workers on this machine, or a cluster that is already there
    driver      submit the stages, follow them, write the lock files once at the end
    worker      on each worker: folders with the code, and the processes of stages
    job         such a process: fetch what one stage reads, reproduce it, push what it made
    dvc_api     what all of them need of DVC

Guide: docs/cluster.md.
"""
