"""Splits, pixels, binary draws and the order of training, on files of MNIST's size and format."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st

from stages import datasets
from tests.idx import write_images, write_labels

ALL = SimpleNamespace(train=50_000, validation=10_000, test=10_000)
CPU = torch.device("cpu")
FILES = ("train", "t10k")


class Torchvision(torchvision.datasets.MNIST):
    """Its reader, for our folder."""

    @property
    def raw_folder(self):
        return f"{self.root}/images/mnist"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Random images whose first three pixels encode their index; those of the test file have a flag."""
    root = tmp_path_factory.mktemp("data")
    generator = np.random.default_rng(0)
    for prefix, number, flag in (("train", 60_000, 0), ("t10k", 10_000, 1 << 16)):
        pixels = generator.integers(0, 256, (number, 28, 28), dtype=np.uint8)
        place = np.arange(number) | flag
        pixels[:, 0, :3] = np.stack([place >> 16, place >> 8 & 255, place & 255], axis=1)
        write_images(root / f"images/mnist/{prefix}-images-idx3-ubyte", pixels)
        write_labels(root / f"images/mnist/{prefix}-labels-idx1-ubyte", generator.integers(0, 10, number))
    return root


def places(images):
    high, middle, low = images.pixels[:, :3].long().unbind(1)
    return (high << 16 | middle << 8 | low).tolist()


# --- splits ----------------------------------------------------------------------------------------------


def test_splits_are_the_first_50000_the_last_10000_and_the_test_file(root):
    found = {split: places(datasets.load("mnist", split, ALL, root)) for split in ("train", "validation", "test")}
    assert found["train"] == list(range(50_000))
    assert found["validation"] == list(range(50_000, 60_000))
    assert found["test"] == [1 << 16 | place for place in range(10_000)]


def test_smaller_splits_are_taken_from_the_start(root):
    sizes = SimpleNamespace(train=300, validation=200, test=100)
    for split, first in (("train", 0), ("validation", 50_000), ("test", 1 << 16)):
        images = datasets.load("mnist", split, sizes, root)
        assert len(images) == getattr(sizes, split)
        assert places(images) == list(range(first, first + len(images)))


@pytest.mark.parametrize(
    ("split", "train", "start"), [("train", True, 0), ("validation", True, 50_000), ("test", False, 0)]
)
def test_torchvision_reads_the_same(root, split, train, start):
    ours = datasets.load("mnist", split, ALL, root)
    theirs = Torchvision(root, train=train)
    part = slice(start, start + len(ours))
    assert ours.pixels.dtype == torch.uint8 and ours.labels.dtype == torch.int64
    assert torch.equal(ours.pixels, theirs.data[part].flatten(1))
    assert torch.equal(ours.labels, theirs.targets[part])


def test_fashion_mnist_has_a_folder_of_its_own(root, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images/fashion_mnist").symlink_to(root / "images/mnist")
    images = datasets.load("fashion_mnist", "test", ALL, tmp_path)
    assert torch.equal(images.pixels, datasets.load("mnist", "test", ALL, root).pixels)


@pytest.mark.parametrize(("images", "train"), [(600, 500), (599, 500), (66, 55)])
def test_last_sixth_of_any_data_set_is_for_validation(images, train, tmp_path):
    pixels = np.arange(images, dtype=np.int64)[:, None, None] % 256 * np.ones((28, 28), dtype=np.uint8)
    write_images(tmp_path / "images/mine/train-images-idx3-ubyte", pixels.astype(np.uint8))
    write_labels(tmp_path / "images/mine/train-labels-idx1-ubyte", np.arange(images) % 7)
    found = [datasets.load("mine", split, ALL, tmp_path) for split in ("train", "validation")]
    assert [len(part) for part in found] == [train, images - train]
    assert torch.cat([part.labels for part in found]).tolist() == [i % 7 for i in range(images)]
    assert torch.cat([part.pixels[:, 0] for part in found]).tolist() == [i % 256 for i in range(images)]
    assert datasets.classes("mine", tmp_path) == 7


def test_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mnist/train-images-idx3-ubyte is missing: run `dvc repro"):
        datasets.load("mnist", "train", ALL, tmp_path)


# --- pixels ----------------------------------------------------------------------------------------------


def test_unit_interval():
    intensity = datasets.unit_interval(torch.arange(256, dtype=torch.uint8))
    assert intensity.dtype == torch.float32
    torch.testing.assert_close(intensity, torch.linspace(0, 1, 256))


def test_published_binarisation_is_that_of_the_exemplar_vae(root):
    """Norouzi et al. (2020), utils/load_data/base_load_data.py, call by call."""
    files = [np.fromfile(root / f"images/mnist/{part}-images-idx3-ubyte", np.uint8, offset=16) for part in FILES]
    train, test = (grey.reshape(-1, 784) / 255.0 for grey in files)
    before = np.random.get_state()
    np.random.seed(777)
    validation = np.random.binomial(1, train[-10000:])
    test = np.random.binomial(1, test)
    np.random.set_state(before)
    for split, expected in (("validation", validation), ("test", test)):
        for size in (10_000, 7):
            sizes = SimpleNamespace(validation=size, test=size)
            binary = datasets.published_binarisation("mnist", split, sizes, root)
            assert binary.dtype == torch.float32
            assert np.array_equal(binary.numpy(), expected[:size])


def test_published_binarisation_has_no_training_images(root):
    with pytest.raises(ValueError, match="train images have no fixed binarisation"):
        datasets.published_binarisation("mnist", "train", ALL, root)


def test_fixed_binarisation_has_a_stream_of_its_own():
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 784), dtype=np.uint8))
    expected = np.random.RandomState(777).binomial(1, pixels.numpy() / 255)
    for _ in range(2):
        assert np.array_equal(datasets.fixed_binarisation(pixels).numpy(), expected)


def test_fixed_binarisation_of_an_image_does_not_depend_on_those_that_follow():
    pixels = torch.randint(256, (9, 784), dtype=torch.uint8)
    assert torch.equal(datasets.fixed_binarisation(pixels)[:4], datasets.fixed_binarisation(pixels[:4]))


def test_fixed_binarisation_leaves_the_global_generators_alone():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    datasets.fixed_binarisation(torch.zeros(2, 784, dtype=torch.uint8))
    assert np.array_equal(np.random.get_state()[1], before[0]) and torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("draw", [datasets.fixed_binarisation, datasets.binarise])
@pytest.mark.parametrize("grey", [0, 1, 51, 128, 254, 255])
def test_grey_level_is_the_probability_of_white(draw, grey):
    torch.manual_seed(0)
    binary = draw(torch.full((500, 784), grey, dtype=torch.uint8))
    p = grey / 255
    assert set(binary.unique().tolist()) <= {0.0, 1.0}
    assert abs(binary.double().mean().item() - p) <= 5 * math.sqrt(p * (1 - p) / binary.numel())


def test_training_images_are_binarised_anew():
    torch.manual_seed(0)
    pixels = torch.full((2, 784), 128, dtype=torch.uint8)
    assert not torch.equal(datasets.binarise(pixels), datasets.binarise(pixels))


# --- minibatches -----------------------------------------------------------------------------------------

orders = st.builds(
    lambda size, batch_size, seed: (size, batch_size, seed),
    size=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    seed=st.integers(0, 2**31 - 1),
)


def minibatches(order):
    return datasets.Minibatches(*order, CPU)


@given(orders)
def test_an_epoch_sees_no_datum_twice_and_leaves_out_less_than_a_batch(order):
    size, batch_size, _ = order
    batches = minibatches(order)
    for epoch in range(3):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        seen = torch.cat([batches(step) for step in steps]).tolist()
        assert len(seen) == len(set(seen)) and set(seen) <= set(range(size))
        assert size - len(seen) < min(batch_size, size)


@given(orders, st.lists(st.integers(0, 200), min_size=1, max_size=20))
def test_a_batch_depends_on_seed_and_step_alone(order, steps):
    batches = minibatches(order)
    for step in steps:
        torch.rand(1)
        assert torch.equal(batches(step), minibatches(order)(step))


@given(orders)
def test_the_global_generator_is_left_alone(order):
    before = torch.get_rng_state()
    minibatches(order)(7)
    assert torch.equal(torch.get_rng_state(), before)


@given(st.integers(1, 30), st.integers(1, 40))
def test_a_batch_larger_than_the_data_is_all_of_it(size, more):
    batches = datasets.Minibatches(size, size + more, seed=0, device=CPU)
    assert batches.batch_size == size and batches.per_epoch == 1
    for step in range(3):
        assert sorted(batches(step).tolist()) == list(range(size))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {
        (seed, epoch): tuple(datasets.Minibatches(100, 100, seed, CPU)(epoch).tolist())
        for seed in range(10)
        for epoch in range(10)
    }
    assert len(set(orders.values())) == 100
