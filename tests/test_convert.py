"""Data sets of one's own: folders of class folders, IDX files, and what is said of those that cannot be used."""

import gzip
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from PIL import Image

from stages import convert, datasets, image_files
from stages.command import Failure
from tests.idx import write_images, write_labels
from tests.tiny import ROOT

ALL = SimpleNamespace(train=50_000, validation=10_000, test=10_000)
GENERATOR = np.random.default_rng(0)
PICTURES = GENERATOR.integers(0, 256, (400, 28, 28), dtype=np.uint8)
SHADES = {"cat": 0, "dog": 100, "10": 150, "9": 250}  # of the first pixel, which tells the class


def parts_of(path, classes=(), test_share=0.25, seed=0):
    """What becomes of a folder."""
    entry = SimpleNamespace(path=str(path), classes=list(classes))
    return convert.parts_of("mine", SimpleNamespace(local={"mine": entry}, test_share=test_share, seed=seed))


def write_folders(path, counts):
    """`counts[name]` images in a folder for each class."""
    for name, count in counts.items():
        (path / name).mkdir(parents=True)
        for place, picture in enumerate(PICTURES[:count].copy()):
            picture[0, 0] = SHADES[name]
            Image.fromarray(picture).save(path / name / f"{place}.png")
    return path


def write_idx(path, labels=None):
    for prefix, count in (("train", 300), ("t10k", 60)):
        write_images(path / f"{prefix}-images-idx3-ubyte", PICTURES[:count])
        write_labels(path / f"{prefix}-labels-idx1-ubyte", np.arange(count) % 3 if labels is None else labels)
    return path


def refused(path, **options):
    with pytest.raises(Failure) as stopped:
        parts_of(path, **options)
    assert len(str(stopped.value).splitlines()) == 1
    return str(stopped.value)


# --- folders ---------------------------------------------------------------------------------------------


def test_every_image_is_in_one_part_with_the_label_of_its_folder(tmp_path):
    parts = parts_of(write_folders(tmp_path, {"dog": 200, "cat": 200}))
    assert [len(parts[name].labels) for name in ("train", "test")] == [300, 100]
    pixels = np.concatenate([part.pixels for part in parts.values()])
    labels = np.concatenate([part.labels for part in parts.values()])
    assert ((pixels[:, 0, 0] == 100) == (labels == 1)).all()
    pixels[:, 0, 0] = 0
    kept = PICTURES[:200].copy()
    kept[:, 0, 0] = 0
    for label in (0, 1):
        assert {image.tobytes() for image in pixels[labels == label]} == {image.tobytes() for image in kept}


def test_order_is_by_chance_and_the_same_every_time(tmp_path):
    write_folders(tmp_path, {"dog": 200, "cat": 200})
    first, again, other = (parts_of(tmp_path, seed=seed)["train"] for seed in (0, 0, 1))
    assert (first.pixels == again.pixels).all() and (first.labels == again.labels).all()
    assert (first.labels != other.labels).any()
    assert 0.35 < first.labels[:100].mean() < 0.65


def test_folders_of_the_two_parts_are_kept_apart(tmp_path):
    write_folders(tmp_path / "train", {"dog": 200, "cat": 150})
    write_folders(tmp_path / "test", {"dog": 40, "cat": 30})
    parts = parts_of(tmp_path)
    assert [np.bincount(parts[name].labels).tolist() for name in ("train", "test")] == [[150, 200], [30, 40]]


def test_folders_that_are_numbers_are_in_the_order_of_numbers(tmp_path):
    write_folders(tmp_path, {"10": 200, "9": 200})
    part = parts_of(tmp_path)["train"]
    assert ((part.pixels[:, 0, 0] == 150) == (part.labels == 1)).all()


def test_params_may_give_the_order(tmp_path):
    part = parts_of(write_folders(tmp_path, {"cat": 200, "dog": 200}), classes=["dog", "cat"])["train"]
    assert ((part.pixels[:, 0, 0] == 100) == (part.labels == 0)).all()


# --- images ----------------------------------------------------------------------------------------------


def test_grey_bytes_of_the_right_size_stay():
    assert (image_files.fitted(Image.fromarray(PICTURES[0])) == PICTURES[0]).all()


def test_proportions_stay_and_the_rest_is_as_the_border():
    wide = np.full((28, 56), 200, dtype=np.uint8)
    wide[8:20, 14:42] = 0
    found = image_files.fitted(Image.fromarray(wide))
    assert found.shape == (28, 28)
    assert (found[:6] == 200).all() and (found[-6:] == 200).all()
    dark = np.argwhere(found < 100)
    height, width = dark.max(axis=0) - dark.min(axis=0) + 1
    assert (height, width) == (6, 14)


@pytest.mark.parametrize(
    ("image", "grey"),
    [
        (Image.new("RGB", (28, 28), (255, 0, 0)), 76),  # ITU-R 601: 0.299
        (Image.new("RGBA", (28, 28), (0, 0, 0, 0)), 255),
        (Image.new("LA", (28, 28), (40, 255)), 40),
        (Image.new("1", (28, 28), 1), 255),
        (Image.fromarray(np.full((28, 28), 0x8001, dtype=np.uint16)), 0x80),
    ],
    ids=["colour", "transparent", "opaque", "one bit", "sixteen bits"],
)
def test_colours_become_grey(image, grey):
    assert (image_files.fitted(image) == grey).all()


# --- IDX -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["as it is", "gzipped", "dotted"])
def test_idx_files_are_taken_as_they_are(form, tmp_path):
    write_idx(tmp_path)
    for path in list(tmp_path.iterdir()) if form != "as it is" else ():
        content = path.read_bytes()
        path.unlink()
        name = f"{path.name}.gz" if form == "gzipped" else path.name.replace("-idx", ".idx")
        (tmp_path / name).write_bytes(gzip.compress(content) if form == "gzipped" else content)
    parts = parts_of(tmp_path)
    assert (parts["train"].pixels == PICTURES[:300]).all() and (parts["test"].pixels == PICTURES[:60]).all()
    assert parts["train"].labels.tolist() == [0, 1, 2] * 100


def test_idx_files_of_another_size_are_fitted(tmp_path):
    write_idx(tmp_path)
    write_images(tmp_path / "train-images-idx3-ubyte", np.full((300, 16, 16), 9, dtype=np.uint8))
    found = parts_of(tmp_path)["train"].pixels
    assert found.shape == (300, 28, 28) and (found == 9).all()


# --- faults ----------------------------------------------------------------------------------------------


def test_no_folder(tmp_path):
    assert f"data_sets.local.mine.path = {tmp_path}/nowhere: is no folder" in refused(tmp_path / "nowhere")


def test_no_class_folders(tmp_path):
    Image.fromarray(PICTURES[0]).save(tmp_path / "a.png")
    assert "has no class folders: put the images of each class into a folder" in refused(tmp_path)


@pytest.mark.parametrize(("counts", "said"), [((200, 0), "dog has no images"), ((60, 60), "15 validation images")])
def test_too_few_images(counts, said, tmp_path):
    assert said in refused(write_folders(tmp_path, dict(zip(("cat", "dog"), counts, strict=True))))


def test_one_class(tmp_path):
    assert "1 classes (cat): there must be 2 to 256" in refused(write_folders(tmp_path, {"cat": 400}))


def test_class_that_a_split_lacks(tmp_path):
    assert "image is of class dog" in refused(write_folders(tmp_path, {"cat": 400, "dog": 1}))


def test_classes_that_differ(tmp_path):
    write_folders(tmp_path / "train", {"cat": 200, "dog": 200})
    write_folders(tmp_path / "test", {"cat": 60})
    assert "class folder dog" in refused(tmp_path)


def test_classes_that_params_do_not_have(tmp_path):
    assert "class folder dog" in refused(
        write_folders(tmp_path, {"cat": 9, "dog": 9}), classes=["cat", "cow", "dog"][:1]
    )


def test_something_beside_train_and_test(tmp_path):
    for name in ("train", "test", "valid"):
        write_folders(tmp_path / name, {"cat": 1})
    assert "beside train/ and test/ stands valid/" in refused(tmp_path)


@pytest.mark.parametrize("content", [b"", b"some text", b"\x89PNG\r\n\x1a\n and no more"])
def test_file_that_is_no_image(content, tmp_path):
    write_folders(tmp_path, {"cat": 200, "dog": 200})
    (tmp_path / "cat/odd.png").write_bytes(content)
    assert f"{tmp_path}/cat/odd.png is no image that Pillow can read" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "starts with nothing"),
        (b"\x00\x00\x0d\x03" + bytes(12), "starts with 00000d03"),
        (b"\x00\x00\x08\x03" + bytes([0, 0, 0, 9] * 3), "has 16 bytes, its header says 745"),
        (b"\x00\x00\x08\x03\x00\x00", "has 6 bytes, its header says 16"),
        (b"\x1f\x8b\x08\x00", "cannot be read"),
    ],
)
def test_idx_file_that_is_none(content, said, tmp_path):
    write_idx(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(content)
    assert f"{tmp_path}/t10k-images-idx3-ubyte" in refused(tmp_path) and said in refused(tmp_path)


def test_idx_files_that_do_not_go_together(tmp_path):
    write_idx(tmp_path)
    write_labels(tmp_path / "train-labels-idx1-ubyte", np.arange(299) % 3)
    assert "(300, 28, 28) images and (299,) labels do not go together" in refused(tmp_path)


def test_idx_file_that_is_missing(tmp_path):
    (write_idx(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    assert "has no t10k-labels-idx1-ubyte: all four IDX files are needed" in refused(tmp_path)


def test_idx_files_sorted_by_class(tmp_path):
    write_idx(tmp_path)
    write_labels(tmp_path / "train-labels-idx1-ubyte", np.sort(np.arange(300) % 3))
    assert "no validation image is of class 0: every split needs all classes" in refused(tmp_path)


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path, monkeypatch):
    """command(data_set): runs it in a folder with params.yaml and a data set `mine`."""
    write_folders(tmp_path / "pictures", {"cat": 200, "dog": 200})
    tree = yaml.safe_load((ROOT / "params.yaml").read_text())
    tree["data_sets"]["local"] = {"mine": {"path": "pictures"}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path)

    def run(name):
        monkeypatch.setattr(sys, "argv", ["convert", "--dataset", name])
        convert.main()

    return run


def test_pipeline_reads_what_the_command_writes(command, tmp_path, capsys):
    command("mine")
    assert capsys.readouterr().out == "mine: 320 train images and 80 test images of 2 classes\n"
    parts = parts_of(tmp_path / "pictures", test_share=0.2)
    train, validation, test = (datasets.load("mine", split, ALL) for split in ("train", "validation", "test"))
    assert [len(split) for split in (train, validation, test)] == [320 - 53, 53, 80]
    assert (train.pixels.numpy() == parts["train"].pixels[: 320 - 53].reshape(-1, 784)).all()
    assert (validation.labels.numpy() == parts["train"].labels[320 - 53 :]).all()
    assert (test.pixels.numpy() == parts["test"].pixels.reshape(-1, 784)).all()
    assert datasets.classes("mine") == 2


def test_command_says_which_data_sets_there_are(command):
    with pytest.raises(Failure, match=r"^--dataset other: params.yaml has data_sets.local = mine: "):
        command("other")
