"""The real pipeline on two workers: the bytes of `dvc repro`; a lost worker's training goes on elsewhere."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from stages import artifacts
from tests.pipeline.conftest import Clone, tiny_clone
from tests.tools.repro.conftest import processes, until
from tools import quick

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]
ORDER = {"PYTHONHASHSEED": "0"}  # DVC's plan iterates a set
MIRROR = {"DATA_MIRROR": quick.environment().get("DATA_MIRROR", "")}


def run(clone: Clone, *words: str) -> str:
    """Run a command, with DVC's plan in a fixed order, and return what it printed."""
    environment = quick.environment() | ORDER
    result = subprocess.run(words, cwd=clone.folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result.stdout


def made(folder: Path) -> dict[str, bytes]:
    """All that the pipeline made, and the lock file."""
    places = [folder / name for name in ("data", "posteriors", "predictions", "metrics", "plots")]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in [*files, folder / "dvc.lock"]}


@pytest.mark.timeout(1500)  # some 120 stages
def test_two_seeds_on_two_workers_give_the_bytes_of_serial(tmp_path):
    serial = tiny_clone(tmp_path / "serial", git=True, seeds=[0, 1])
    serial.commit()
    parallel = tiny_clone(tmp_path / "parallel", git=True, seeds=[0, 1])
    run(parallel, "dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    parallel.commit()
    run(serial, "dvc", "repro")
    with processes(tmp_path / "cluster", MIRROR, MIRROR) as cluster:
        run(parallel, "python", "-m", "tools.repro", "--scheduler", cluster.address)
        wanted, found = made(serial.folder), made(parallel.folder)
        assert found.keys() == wanted.keys()
        assert [name for name in wanted if found[name] != wanted[name]] == []
        assert "Data and pipelines are up to date" in run(parallel, "dvc", "status")
        assert run(parallel, "python", "-m", "tools.repro", "--dry").startswith("0 of ")
        record = artifacts.read_json(parallel.folder / ".runs/posteriors/bnn/1/run.json")
        assert record["seconds"] > 0

        parallel.commit()
        parallel.run("git", "clone", "--quiet", ".", str(tmp_path / "fresh"))
        fresh = Clone(tmp_path / "fresh")
        assert run(fresh, "python", "-m", "tools.repro").startswith("0 of ")
        assert made(fresh.folder) == wanted

        fresh.change(seeds=[0, 1, 2])
        dry = run(fresh, "python", "-m", "tools.repro", "--dry").splitlines()[1:]
        assert {name for name in dry if "@" in name} == {name for name in dry if name.endswith("@2")}
        others = {name for name in dry if "@" not in name}
        assert others == {"plot_blr", "plot_bnn", "plot_vae", "plot_ssvae", "summarize", "headline"}


def test_training_of_a_lost_worker_resumes_from_its_checkpoint(tmp_path):
    longer = {"checkpoint_seconds": 0, "bnn": {"steps": 400, "execution": "eager"}}
    serial = tiny_clone(tmp_path / "serial", git=True, **longer)
    serial.commit()
    run(serial, "dvc", "repro", "train_bnn@0")
    parallel = tiny_clone(tmp_path / "parallel", git=True, **longer)
    run(parallel, "dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    parallel.commit()
    shared = MIRROR | {"CHECKPOINTS": str(tmp_path / "checkpoints")}
    folder, said = tmp_path / "checkpoints/bnn/0", tmp_path / "said"
    with processes(tmp_path / "cluster", shared, shared) as cluster, said.open("w") as output:
        words = ["python", "-m", "tools.repro", "--scheduler", cluster.address, "train_bnn@0"]
        environment = quick.environment() | ORDER
        driver = subprocess.Popen(words, cwd=parallel.folder, env=environment, stdout=output, stderr=output)
        until(lambda: list(folder.glob("*.safetensors")))
        address = re.findall(r"train_bnn@0: started on (\S+)", said.read_text())[-1]
        (lost,) = (worker for worker in cluster.workers if address in worker.log.read_text())
        lost.process.kill()
        assert driver.wait(timeout=200) == 0, said.read_text()
    assert artifacts.read_json(parallel.folder / ".runs/posteriors/bnn/0/run.json")["resumed_at_step"] > 0
    entries = [yaml.safe_load((one.folder / "dvc.lock").read_text()) for one in (serial, parallel)]
    assert entries[0] == entries[1]
    assert not folder.exists()
