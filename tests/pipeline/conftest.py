"""A clone of the pipeline with tiny params. Files are run in different processes: only one should use `clone`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from stages import quick

TINY = yaml.safe_load(Path(__file__).with_name("params.tiny.yaml").read_text())


@dataclass(frozen=True)
class Clone:
    """A Git repository with the real dvc.yaml and stages."""

    folder: Path

    def run(self, *command: str) -> str:
        """Run a command in it; what it printed."""
        result = subprocess.run(
            command, cwd=self.folder, env=quick.environment(), capture_output=True, text=True, timeout=500
        )
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def repro(self) -> set[str]:
        """Reproduce it; the names of the stages that ran."""
        lines = self.run("dvc", "repro").splitlines()
        return {line.split("'")[1] for line in lines if line.startswith("Running stage")}

    def change(self, **sections) -> None:
        """Change values in its params.yaml."""
        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(quick.merged(yaml.safe_load(path.read_text()), sections), sort_keys=False))

    def commit(self) -> None:
        """Commit all that Git does not ignore."""
        self.run("git", "add", "--all")
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        self.run("git", *identity, "commit", "--quiet", "--message", "state")


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Clone:
    """The reproduced pipeline."""
    folder = tmp_path_factory.mktemp("clone")
    quick.copy(folder, TINY)
    (folder / ".dvc/config.local").unlink()  # a Git repository, unlike the folder of `make quick`
    made = Clone(folder)
    made.run("git", "init", "--quiet")
    ran = made.repro()
    # downloads, simulate, calibrate_blr, prior_bnn, fifteen stages for the one seed, and the two at the end
    assert len(ran) == 2 + 1 + 1 + 1 + 15 + 2
    made.commit()
    return made
