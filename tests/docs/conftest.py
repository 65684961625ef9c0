"""Sites built from a few pages, with the real conf.py and extensions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import ROOT

FLAGS = ("-E", "-W", "--keep-going", "-n", "-q", "-b", "html")  # those of `make docs`


def build(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    """Build docs/ of a folder into docs/_build/html."""
    docs = folder / "docs"
    command = [sys.executable, "-m", "sphinx", *FLAGS, docs, docs / "_build/html"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {name: value for name, value in os.environ.items() if name not in ("REPOSITORY", "REVISION")}
    return subprocess.run(command, capture_output=True, text=True, env=env | {"PATH": path} | environment)


@pytest.fixture
def pages(tmp_path):
    """A function that writes pages beside the real conf.py: name and text of each; the repository's root."""

    def write(readme: str = "# Read me\n", **texts: str) -> Path:
        for name in ("extensions", "static"):
            shutil.copytree(ROOT / "docs" / name, tmp_path / "docs" / name)
        shutil.copy(ROOT / "docs/conf.py", tmp_path / "docs")
        (tmp_path / "README.md").write_text(readme)
        (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
        (tmp_path / "params.yaml").write_text("seeds: [0]\n")
        (tmp_path / "stages").mkdir()
        (tmp_path / "stages/train.py").write_text("print('train')\n")
        toctree = "\n".join(texts)
        (tmp_path / "docs/index.md").write_text(f"<!-- README -->\n\n```{{toctree}}\n{toctree}\n```\n")
        for name, text in texts.items():
            (tmp_path / f"docs/{name}.md").write_text(text)
        return tmp_path

    return write
