"""Posteriors on disk: loading restores what was saved, and rejects everything else."""

import os
from pathlib import Path

import pytest
import safetensors.torch
import torch

from stages.artifacts import NotWrittenError
from stages.inference import posterior
from tests import tiny


def build(seed, name="bnn", **section):
    torch.manual_seed(seed)
    model, guide = tiny.build(name, **section)
    with torch.no_grad():
        for parameter in (*model.parameters(), *guide.parameters()):
            parameter += torch.randn_like(parameter)  # some start at a constant
    return model, guide


def state(model, guide):
    return {part: {n: v.clone() for n, v in m.state_dict().items()} for part, m in (("m", model), ("g", guide))}


def assert_same(found, expected):
    for part in expected:
        assert found[part].keys() == expected[part].keys()
        for name in expected[part]:
            assert torch.equal(found[part][name], expected[part][name]), name


@pytest.mark.parametrize(("name", "section"), tiny.VARIANTS.values(), ids=tiny.VARIANTS)
def test_round_trip_is_exact_to_the_byte(tmp_path, name, section):
    learned, fresh = build(0, name, **section), build(1, name, **section)
    posterior.save(tmp_path / "learned", *learned)
    posterior.load(tmp_path / "learned", *fresh)
    assert_same(state(*fresh), state(*learned))
    posterior.save(tmp_path / "again", *fresh)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "learned").read_bytes()


@pytest.mark.parametrize(("name", "section"), tiny.VARIANTS.values(), ids=tiny.VARIANTS)
def test_other_parameters_give_other_bytes(tmp_path, name, section):
    for seed in (0, 1):
        posterior.save(tmp_path / str(seed), *build(seed, name, **section))
    assert (tmp_path / "0").read_bytes() != (tmp_path / "1").read_bytes()


@pytest.fixture
def saved(tmp_path):
    """A valid file, to be damaged."""
    path = tmp_path / "weights.safetensors"
    posterior.save(path, *build(0, "vae"))
    return path


def refused(path):
    """The one-line error message; the model must be unchanged."""
    parts = build(1, "vae")
    before = state(*parts)
    with pytest.raises(posterior.PosteriorError) as error:
        posterior.load(path, *parts)
    assert_same(state(*parts), before)
    message = str(error.value)
    assert str(path) in message
    assert "run `dvc repro`" in message
    assert "\n" not in message
    return message


TENSOR = "guide.encoder.0.linear.weight"
SPOILT = {
    "missing": (lambda tensors: tensors.pop(TENSOR), f"lacks {TENSOR}"),
    "extra": (lambda tensors: tensors.update(stray=torch.zeros(1)), "holds stray"),
    "shape": (lambda tensors: tensors.update({TENSOR: torch.zeros(2, 3)}), f"{TENSOR} is (2, 3) float32"),
    "transposed": (
        lambda tensors: tensors.update({TENSOR: tensors[TENSOR].T.contiguous()}),
        f"{TENSOR} is (784, ",
    ),
    "dtype": (lambda tensors: tensors.update({TENSOR: tensors[TENSOR].double()}), "float64, the model needs"),
}


@pytest.mark.parametrize(("spoil", "named"), SPOILT.values(), ids=SPOILT)
def test_tensors_that_do_not_fit_are_refused_by_name(saved, spoil, named):
    tensors = safetensors.torch.load_file(saved)
    spoil(tensors)
    safetensors.torch.save_file(tensors, saved)
    message = refused(saved)
    assert named in message
    assert TENSOR in message or "stray" in message


@pytest.mark.parametrize(
    "kept", [0, 4, 100, -1], ids=["empty", "in the length", "in the header", "last byte lost"]
)
def test_truncated_files_are_refused(saved, kept):
    saved.write_bytes(saved.read_bytes()[:kept])
    assert "cannot be read as safetensors" in refused(saved)


def test_other_formats_are_refused(saved):
    saved.write_bytes(b"PK\x03\x04" + bytes(1000))  # the start of a zip, as in torch's own format
    assert "cannot be read as safetensors" in refused(saved)


def test_absent_files_are_refused(tmp_path):
    assert "cannot be read as safetensors" in refused(tmp_path / "absent.safetensors")


def test_a_file_of_another_model_is_refused(tmp_path):
    posterior.save(tmp_path / "blr", *build(0, "blr"))
    assert "lacks guide.encoder" in refused(tmp_path / "blr")


def _full_disk(tensors, path):
    Path(path).write_bytes(b"half of the file")
    raise OSError(28, os.strerror(28))


def test_a_failed_save_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors.torch, "save_file", _full_disk)
    with pytest.raises(NotWrittenError, match="No space left"):
        posterior.save(tmp_path / "folder" / "weights.safetensors", *build(0, "vae"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_failed_save_leaves_the_file_that_was_there(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(safetensors.torch, "save_file", _full_disk)
    with pytest.raises(NotWrittenError, match="No space left"):
        posterior.save(saved, *build(1, "vae"))
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
