"""Weights from a release: the right bytes in place, or one line that says why not."""

import functools
import hashlib
import http.server
import threading

import pytest
import yaml

from stages import artifacts
from stages.command import Failure
from tests.tiny import ROOT
from tools import pretrained

WEIGHTS = "posteriors/{}/0/weights.safetensors"
BYTES = {"bnn": bytes(range(256)) * 1000, "vae": b"weights of the VAE"}


@pytest.fixture
def author(tmp_path):
    """A repository with trained weights, and their release in the folder beside it."""
    root = tmp_path / "author"
    for model, content in BYTES.items():
        file = root / WEIGHTS.format(model)
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    lock(root, BYTES)
    pretrained.write(root, tmp_path / "release")
    return root


@pytest.fixture
def clone(author, tmp_path):
    """A clone without weights."""
    root = tmp_path / "clone"
    root.mkdir()
    for name in ("dvc.lock", pretrained.MANIFEST):
        (root / name).write_bytes((author / name).read_bytes())
    return root


def lock(root, contents):
    stages = {
        f"train_{model}@0": {
            "outs": [
                {"path": f"posteriors/{model}/0/elbo.csv", "md5": "0"},
                {"path": WEIGHTS.format(model), "md5": hashlib.md5(content).hexdigest()},
            ]
        }
        for model, content in contents.items()
    }
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


@pytest.fixture
def server(author, tmp_path):
    """The release on a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=tmp_path / "release")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


def address_of(kind, folder, server):
    return {"folder": str(folder), "file": folder.as_uri(), "http": server, "slash": f"{server}/"}[kind]


@pytest.mark.parametrize("kind", ["folder", "file", "http", "slash"])
def test_weights_come_from_a_folder_or_an_address(clone, tmp_path, server, kind):
    pretrained.fetch(clone, ["bnn"], address_of(kind, tmp_path / "release", server))
    found = {path.relative_to(clone).as_posix() for path in (clone / "posteriors").rglob("*") if path.is_file()}
    assert found == {WEIGHTS.format("bnn")}
    assert (clone / WEIGHTS.format("bnn")).read_bytes() == BYTES["bnn"]


def test_those_of_other_models_by_name(clone, tmp_path):
    pretrained.fetch(clone, ["bnn", "vae"], str(tmp_path / "release"))
    assert {model: (clone / WEIGHTS.format(model)).read_bytes() for model in BYTES} == BYTES


@pytest.mark.parametrize(
    "other", [b"", BYTES["bnn"][:-1], BYTES["bnn"] + b"1", b"1" + BYTES["bnn"][1:]],
    ids=["empty", "short", "long", "changed"],
)  # fmt: skip
def test_other_bytes_are_refused_and_leave_nothing(clone, tmp_path, other):
    (tmp_path / "release/bnn-0.safetensors").write_bytes(other)
    with pytest.raises(Failure, match=r"^[^\n]*bnn-0.safetensors is not what pretrained.json says[^\n]*$"):
        pretrained.fetch(clone, ["bnn"], str(tmp_path / "release"))
    assert not [path for path in (clone / "posteriors").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "place", ["/no/such/folder", "http://127.0.0.1:9", "{server}/no/such", "http://[", "ftp://x"]
)
def test_a_release_that_is_not_there_is_said_in_one_line(clone, server, place):
    with pytest.raises(Failure, match=r"^[^\n]*(cannot be had|neither an http)[^\n]*$"):
        pretrained.fetch(clone, ["bnn"], place.format(server=server))


def test_no_address_is_said_in_one_line(clone):
    with pytest.raises(Failure, match=r"^PRETRAINED is not set[^\n]*make pretrained[^\n]*$"):
        pretrained.fetch(clone, ["bnn"], "")


def test_a_model_without_weights_is_said_in_one_line(clone, tmp_path):
    with pytest.raises(Failure, match=r"^[^\n]*no weights of blr[^\n]*$"):
        pretrained.fetch(clone, ["bnn", "blr"], str(tmp_path / "release"))


def test_own_weights_are_replaced_only_if_told_to(clone, tmp_path, capsys):
    file = clone / WEIGHTS.format("vae")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"mine")
    with pytest.raises(Failure, match=r"^[^\n]*holds other weights: `--force`[^\n]*$"):
        pretrained.fetch(clone, ["vae"], str(tmp_path / "release"))
    assert file.read_bytes() == b"mine"
    pretrained.fetch(clone, ["vae"], str(tmp_path / "release"), force=True)
    assert file.read_bytes() == BYTES["vae"]
    pretrained.fetch(clone, ["vae"], "/no/such/folder")  # nothing is left to fetch
    assert "is there already" in capsys.readouterr().out


def test_a_manifest_of_an_earlier_training_is_found(clone, tmp_path):
    lock(clone, BYTES | {"bnn": b"retrained"})
    with pytest.raises(Failure, match=r"^[^\n]*of another training than in dvc.lock[^\n]*$"):
        pretrained.fetch(clone, ["bnn"], str(tmp_path / "release"))


@pytest.mark.parametrize("change", ["missing", "other"])
def test_only_the_weights_of_the_lock_are_released(author, change):
    file, before = author / WEIGHTS.format("vae"), (author / pretrained.MANIFEST).read_bytes()
    file.unlink() if change == "missing" else file.write_bytes(b"half trained")
    with pytest.raises(Failure, match=r"^[^\n]*dvc checkout[^\n]*$"):
        pretrained.write(author)
    assert (author / pretrained.MANIFEST).read_bytes() == before


def test_committed_manifest_is_of_the_committed_lock():
    """After a training that gave other weights: `python -m tools.pretrained --write`."""
    manifest = artifacts.read_json(ROOT / pretrained.MANIFEST)
    assert {path: entry["md5"] for path, entry in manifest.items()} == pretrained.locked(ROOT)


def test_committed_manifest_is_of_the_weights_that_are_here():
    for path, entry in artifacts.read_json(ROOT / pretrained.MANIFEST).items():
        if (ROOT / path).exists():  # a clone has none
            content = (ROOT / path).read_bytes()
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (entry["sha256"], entry["size"])
