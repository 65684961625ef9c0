"""The Dockerfile against hadolint and what this project asks. No engine is needed, and none builds it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def hadolint(text):
    """What hadolint, a binary installed beside the interpreter, says of a Dockerfile."""
    command = [Path(sys.executable).with_name("hadolint"), "--no-color", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True)


def test_hadolint_finds_nothing():
    result = hadolint(DOCKERFILE)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("DL3006", ":3.11.13-slim-bookworm@sha256:86adf8db", " AS base #"),
        ("DL3002", "USER $USER_ID", "USER root"),
        ("DL3042", "--no-cache-dir ", ""),
        ("DL3009", "rm -rf /var/lib/apt/lists/*", "true"),
        ("DL3000", "WORKDIR /work", "WORKDIR work"),
    ],
)
def test_a_fault_is_found(rule, old, new):
    assert old in DOCKERFILE
    result = hadolint(DOCKERFILE.replace(old, new))
    assert result.returncode == 1
    assert rule in result.stdout


def test_the_base_image_is_pinned_and_has_the_python_of_the_pins():
    (image,) = re.findall(r"^FROM (.*)", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", image)
    assert "--python-version 3.11 " in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_build_sees_what_it_copies_and_nothing_else():
    copied = [name for words in re.findall(r"^COPY (.*) \S+$", DOCKERFILE, re.MULTILINE) for name in words.split()]
    ignored, *seen = [
        line
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert ignored == "*"
    assert seen == [f"!{name}" for name in copied]
    assert all((ROOT / name).is_file() for name in copied)
