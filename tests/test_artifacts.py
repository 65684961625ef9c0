"""Files are written atomically, and contain what was written."""

import contextlib
import json
import math
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from stages import artifacts


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_goes_wrong_leaves_the_old_file(stop, path):
    path.write_text("old")
    with pytest.raises(stop), artifacts.replacing(path) as temporary:
        temporary.write_text("half of the n")
        raise stop
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_what_goes_wrong_leaves_no_file_where_none_was(path):
    with pytest.raises(ValueError), artifacts.replacing(path):
        raise ValueError
    assert list(path.parent.iterdir()) == []


def test_what_goes_right_replaces_the_old_file(path):
    path.write_text("old")
    with artifacts.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_left_is_taken_away(path):
    """After SIGKILL, only the next process that writes the same file can clean up."""
    command = f"""
import os, signal
from stages import artifacts
with artifacts.replacing({str(path)!r}) as temporary:
    temporary.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", command]).returncode == -signal.SIGKILL
    assert len(list(path.parent.iterdir())) == 1
    with artifacts.replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


WRITERS = {
    "json": lambda path: artifacts.write_json(path, {"text": "x" * 100_000}),
    "csv": lambda path: artifacts.write_csv(path, pd.DataFrame({"value": np.arange(20_000.0)})),
    "arrays": lambda path: artifacts.write_arrays(path, {"array": np.arange(20_000)}),
}


@contextlib.contextmanager
def little_room():
    """No file can grow past 10 kB, so a write fails half-way, as on a full disk.

    The limit applies to the whole process, so it lasts only for the write: pytest also prints to a file.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_no_room_leaves_the_old_file_and_says_how_to_get_others_back(write, path):
    path.write_text("old")
    with pytest.raises(artifacts.NotWrittenError) as error, little_room():
        write(path)
    message = str(error.value)
    assert message.startswith(f"{path} could not be written: ") and "\n" not in message
    assert "File too large" in message
    assert "`dvc checkout`" in message and "`git restore metrics plots`" in message
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_folder_that_cannot_be_made_is_named(write, path):
    path.write_text("a file")
    with pytest.raises(
        artifacts.NotWrittenError, match=f"^{path}/b could not be written: (File exists|Not a dir)"
    ):
        write(path / "b")
    assert path.read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_read_only_folder(path):
    path.parent.chmod(0o500)
    with pytest.raises(artifacts.NotWrittenError, match="Permission denied"):
        artifacts.write_json(path, {})
    path.parent.chmod(0o700)


def test_folders_are_made(tmp_path):
    artifacts.write_json(tmp_path / "a/b/c.json", {})
    assert (tmp_path / "a/b/c.json").exists()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_is_no_number(number, path):
    artifacts.write_json(path, {"mean": 1.0})
    with pytest.raises(ValueError):
        artifacts.write_json(path, {"mean": {"deep": [number]}})
    assert artifacts.read_json(path) == {"mean": 1.0}


def test_json_round_trip(path):
    content = {"a": 0.1, "b": {"c": [1, 2, None]}, "d": "é"}
    artifacts.write_json(path, content)
    assert artifacts.read_json(path) == content == json.loads(path.read_text())
    assert path.read_text().endswith("}\n")


def test_csv_holds_float32_exactly(path):
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint64).astype(np.uint32)
    values = bits.view(np.float32)
    values = values[np.isfinite(values)]
    assert len(values) > 19_000
    artifacts.write_csv(path, pd.DataFrame({"value": values}))
    np.testing.assert_array_equal(pd.read_csv(path)["value"].to_numpy().astype(np.float32), values)


def test_csv_has_no_index_and_plain_line_ends(path):
    artifacts.write_csv(path, pd.DataFrame({"step": [1, 2], "elbo": [0.5, 0.25]}, index=[7, 8]))
    assert path.read_bytes() == b"step,elbo\n1,0.5\n2,0.25\n"


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=np.int64).reshape(2, 3).T,
        np.array([True, False]),
        np.zeros((0, 3), dtype=np.uint8),
        np.array(2.5),
    ],
    ids=["matrix", "transposed", "bool", "empty", "scalar"],
)
def test_arrays_round_trip(array, path):
    artifacts.write_arrays(path, {"array": array})
    read = artifacts.read_arrays(path)["array"]
    assert read.dtype == array.dtype and read.shape == array.shape
    np.testing.assert_array_equal(read, array)


def test_tensors_are_arrays(path):
    tensor = torch.arange(6.0, requires_grad=True).reshape(2, 3).T
    artifacts.write_arrays(path, {"tensor": tensor})
    np.testing.assert_array_equal(artifacts.read_arrays(path)["tensor"], tensor.tolist())


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"\xff" * 100, b"{}"])
def test_another_format_is_refused(content, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path} is not a safetensors file"):
        artifacts.read_arrays(path)


def test_truncated_arrays_are_refused(path):
    artifacts.write_arrays(path, {"array": np.arange(100)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not a safetensors file"):
        artifacts.read_arrays(path)


def test_groups_round_trip_in_the_order_of_their_names(tmp_path):
    """Tensors and arrays; other files in the folder are not groups."""
    groups = {
        "test": {"labels": np.arange(3), "p": torch.ones(3, 2)},
        "a.b": {"x": np.zeros(1, dtype=np.uint8)},
        "cases": {"y": np.array(2.5)},
    }
    folder = tmp_path / "predictions/bnn/0"
    artifacts.write_groups(folder, groups)
    (folder / "run.json").write_text("{}")
    found = artifacts.read_groups(folder)
    assert list(found) == sorted(groups)
    for group, arrays in groups.items():
        assert found[group].keys() == arrays.keys()
        for name, value in arrays.items():
            assert type(found[group][name]) is np.ndarray
            np.testing.assert_array_equal(found[group][name], np.asarray(value))
            assert found[group][name].dtype == np.asarray(value).dtype


def test_no_folder_holds_no_groups(tmp_path):
    assert artifacts.read_groups(tmp_path / "nowhere") == {}
